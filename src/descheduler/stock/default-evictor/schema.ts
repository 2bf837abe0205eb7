// Arguments of DefaultEvictor, with the rules that the API's schema cannot say.
import { DefaultEvictorArguments } from '../../../api/descheduler-arguments.ts'
import { labelSelectorRule, listOf, type Rule, recordOf, selectorRule, withRules } from '../argument-rules.ts'
import { durationMs } from '../duration.ts'
import { parseLabelQuery } from '../label-query.ts'

const deprecated = [
  'evictLocalStoragePods',
  'evictDaemonSetPods',
  'evictSystemCriticalPods',
  'ignorePvcPods',
  'evictFailedBarePods',
  'ignorePodsWithoutPDB',
]

const priorityRule: Rule = ({ priorityThreshold }, add) => {
  const { value, name } = recordOf(priorityThreshold)
  if (value !== undefined && name) add(['priorityThreshold'], `expected either value or name, got both (${value}; ${name})`)
}

const textRule: Rule = ({ minPodAge, nodeSelector, namespaceLabelSelector }, add) => {
  if (typeof minPodAge === 'string' && durationMs(minPodAge) === undefined)
    add(['minPodAge'], `expected a duration like 90s, 10m or 1h30m, got "${minPodAge}"`)
  const query = typeof nodeSelector === 'string' ? parseLabelQuery(nodeSelector) : []
  if ('wrong' in query) add(['nodeSelector'], `expected requirements like pool=a,disk in (ssd,nvme), got "${query.wrong}"`)
  selectorRule(namespaceLabelSelector, ['namespaceLabelSelector'], add)
}

const protectionsRule: Rule = (value, add) => {
  const { extraEnabled, defaultDisabled } = recordOf(value.podProtections)
  const lists = { extraEnabled: listOf(extraEnabled), defaultDisabled: listOf(defaultDisabled) }
  for (const [name, list] of Object.entries(lists))
    for (const [index, protection] of list.entries())
      if (list.indexOf(protection) < index) add(['podProtections', name, index], `expected each protection once, got ${protection} again`)
  if (lists.extraEnabled.length + lists.defaultDisabled.length === 0) return
  for (const name of deprecated) if (value[name] === true) add([name], 'expected it left out where podProtections are given, got true')
}

export const schema = withRules(DefaultEvictorArguments, labelSelectorRule, priorityRule, textRule, protectionsRule)
