// What is wrong with a stock policy's providers of metrics: each source once, Prometheus with an address.
import { listOf, recordOf } from '../stock/argument-rules.ts'
import type { Problem } from './problems.ts'

export function metricsProblems(policy: unknown): Problem[] {
  const { metricsProviders, metricsCollector } = recordOf(policy)
  const providers = listOf(metricsProviders).map(recordOf)
  const sources = providers.map(({ source }) => source)
  const problems: Problem[] = []
  for (const [index, source] of sources.entries()) {
    const path = ['metricsProviders', index]
    if (sources.indexOf(source) < index)
      problems.push({ path: [...path, 'source'], message: `expected each source once, got ${source} again` })
    if (source === 'KubernetesMetrics' && recordOf(metricsCollector).enabled === true)
      problems.push({
        path: [...path, 'source'],
        message: 'expected either metricsProviders or metricsCollector, got KubernetesMetrics in both',
      })
    if (source === 'Prometheus') problems.push(...prometheusProblems(providers[index]?.prometheus, [...path, 'prometheus']))
  }
  return problems
}

function prometheusProblems(prometheus: unknown, path: (string | number)[]): Problem[] {
  const { url, authToken } = recordOf(prometheus)
  const problems: Problem[] = []
  if (typeof url !== 'string' || !URL.canParse(url))
    problems.push({
      path: [...path, 'url'],
      message: `expected the address of a Prometheus server, got ${url === undefined ? 'nothing' : JSON.stringify(url)}`,
    })
  if (authToken === undefined) return problems
  const { secretReference } = recordOf(authToken)
  const { namespace, name } = recordOf(secretReference)
  if (!namespace || !name)
    problems.push({ path: [...path, 'authToken', 'secretReference'], message: 'expected namespace and name of a secret, got not both' })
  return problems
}
