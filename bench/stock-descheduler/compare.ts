// Are two choices of pods the same? Pods that no rule of a descheduler can tell apart may stand for each other.
import type { V1Pod } from '@kubernetes/client-node'
import type { StockVictim } from './run-stock.ts'

type Choice = Pick<StockVictim, 'namespace' | 'name' | 'strategy'>

/** Undefined: they are. */
export function difference(ours: readonly Choice[], theirs: readonly Choice[], pods: readonly V1Pod[]): string | undefined {
  const found = new Map(pods.map((pod) => [`${pod.metadata?.namespace}/${pod.metadata?.name}`, pod]))
  const own = new Set(ours.map(keyOf))
  const other = new Set(theirs.map(keyOf))
  const onlyOurs = ours.filter((choice) => !other.has(keyOf(choice)))
  const onlyTheirs = theirs.filter((choice) => !own.has(keyOf(choice)))
  const ranks = (choices: readonly Choice[]) => choices.map((choice) => rankOf(choice, found.get(keyOf(choice)))).sort()
  if (ranks(onlyOurs).join('\n') === ranks(onlyTheirs).join('\n')) return undefined
  const names = (choices: readonly Choice[]) => choices.map((choice) => describe(choice, found.get(keyOf(choice)))).join(', ') || 'none'
  return `${ours.length} of ours, ${theirs.length} of theirs; only ours: ${names(onlyOurs)}; only theirs: ${names(onlyTheirs)}`
}

function keyOf({ namespace, name }: Choice): string {
  return `${namespace}/${name}`
}

function describe({ name, strategy }: Choice, pod: V1Pod | undefined): string {
  return `${name} on ${pod?.spec?.nodeName} (priority ${pod?.spec?.priority}, ${strategy})`
}

/** What the stock descheduler orders pods by. Within one rank its order is that of a Go map: any. */
function rankOf({ strategy }: Choice, pod: V1Pod | undefined): string {
  const { metadata, spec, status } = pod ?? {}
  const owners = metadata?.ownerReferences?.map(({ kind, name }) => `${kind}/${name}`)
  const place = [strategy, metadata?.namespace, spec?.nodeName]
  // Which of a node's duplicates is the one that stays is any.
  if (strategy === 'RemoveDuplicates') return JSON.stringify([place, owners, spec?.containers.map(({ image }) => image)])
  const resources = spec?.containers.map((container) => container.resources)
  // Whose pods they are is nothing to these: a limit may fall between any two of one priority and quality of service.
  if (strategy.endsWith('NodeUtilization')) return JSON.stringify([strategy, spec?.nodeName, spec?.priority, resources, status?.qosClass])
  const { 'pod-template-hash': _hash, ...labels } = metadata?.labels ?? {}
  return JSON.stringify([place, spec?.priority, labels, resources, status?.qosClass])
}
