// Are two choices of pods the same? Pods that no rule of a descheduler can tell apart may stand for each other.
import type { V1Pod } from '@kubernetes/client-node'
import type { Victim } from '../../src/descheduler/stock/evictor.ts'
import type { StockVictim } from './run-stock.ts'

/** Undefined: they are. */
export function sameVictims(ours: readonly Victim[], theirs: readonly StockVictim[], pods: readonly V1Pod[]): string | undefined {
  const own = ours.map(({ pod }) => pod)
  const rankOf = theirs[0]?.strategy === 'RemoveDuplicates' ? rankAmongDuplicates : rankByOrder
  const found = new Map(pods.map((pod) => [`${pod.metadata?.namespace}/${pod.metadata?.name}`, pod]))
  const other = theirs.map(({ namespace, name }) => found.get(`${namespace}/${name}`)).filter((pod) => pod !== undefined)
  const onlyOwn = own.filter((pod) => !other.includes(pod))
  const onlyOther = other.filter((pod) => !own.includes(pod))
  if (onlyOwn.map(rankOf).sort().join() === onlyOther.map(rankOf).sort().join()) return undefined
  return `${own.length} of ours, ${other.length} of theirs; only ours: ${names(onlyOwn)}; only theirs: ${names(onlyOther)}`
}

function names(pods: readonly V1Pod[]): string {
  return pods.map(({ metadata, spec }) => `${metadata?.name} on ${spec?.nodeName} (priority ${spec?.priority})`).join(', ') || 'none'
}

/** What the stock descheduler orders pods by. Within one rank its order is that of a Go map: any. */
function rankByOrder({ metadata, spec, status }: V1Pod): string {
  const { 'pod-template-hash': _hash, ...labels } = metadata?.labels ?? {}
  return JSON.stringify([
    metadata?.namespace,
    spec?.nodeName,
    spec?.priority,
    labels,
    spec?.containers.map(({ resources }) => resources),
    status?.qosClass,
  ])
}

/** Which of a node's duplicates is the one that stays is the order of a Go map. */
function rankAmongDuplicates({ metadata, spec }: V1Pod): string {
  const owners = metadata?.ownerReferences?.map(({ kind, name }) => `${kind}/${name}`)
  return JSON.stringify([metadata?.namespace, spec?.nodeName, owners, spec?.containers.map(({ image }) => image)])
}
