// Arguments of LowNodeUtilization, with the rules that the API's schema cannot say: same resources, lower is lower, one source of metrics.
import { LowNodeUtilizationArguments } from '../../../api/descheduler-arguments.ts'
import { metricResource } from '../../node-utilization/percent.ts'
import { evictableNamespacesRule, type Rule, recordOf, thresholdsRule, withRules } from '../../stock/argument-rules.ts'

export const schema = withRules(
  LowNodeUtilizationArguments,
  thresholdsRule('thresholds'),
  thresholdsRule('targetThresholds'),
  sameResources,
  metricsRule,
  evictableNamespacesRule,
)

function sameResources(value: Parameters<Rule>[0], add: Parameters<Rule>[1]): void {
  const low = recordOf(value.thresholds)
  const high = recordOf(value.targetThresholds)
  if (value.thresholds === undefined || value.targetThresholds === undefined) return
  for (const resource of new Set([...Object.keys(low), ...Object.keys(high)])) {
    const [under, over] = [low[resource], high[resource]]
    if (under === undefined || over === undefined) {
      const [missing, present] = under === undefined ? ['thresholds', 'targetThresholds'] : ['targetThresholds', 'thresholds']
      add([missing, resource], `expected a percent because ${present} has one for ${resource}, got nothing`)
    } else if (!value.useDeviationThresholds && Number(under) > Number(over))
      add(['thresholds', resource], `expected at most targetThresholds.${resource} (${over}), got ${under}: pods would go back and forth`)
  }
}

function metricsRule(value: Parameters<Rule>[0], add: Parameters<Rule>[1]): void {
  const { metricsServer, source, prometheus } = recordOf(value.metricsUtilization)
  const path = 'metricsUtilization'
  if (value.metricsUtilization === undefined) return
  if (!source && !metricsServer) add([path, 'source'], 'expected KubernetesMetrics or Prometheus, got nothing')
  if (source === 'KubernetesMetrics' && metricsServer === true)
    add([path, 'metricsServer'], 'expected it left out where source is KubernetesMetrics, got true')
  if (source === 'KubernetesMetrics' && prometheus !== undefined)
    add([path, 'prometheus'], 'expected it left out where source is KubernetesMetrics, got a query')
  if (source !== 'Prometheus') return
  if (!recordOf(prometheus).query) add([path, 'prometheus', 'query'], 'expected a query where source is Prometheus, got nothing')
  for (const name of ['thresholds', 'targetThresholds'] as const) {
    const resources = Object.keys(recordOf(value[name]))
    if (resources.length > 0 && resources.join() !== metricResource)
      add([name], `expected ${metricResource} alone where source is Prometheus, got ${resources.join(', ')}`)
  }
}
