// On which nodes may pods be preempted for a pod: never those that a live migration moves, and rather those that can be moved live.
import type { V1Pod } from '@kubernetes/client-node'
import type { ExtenderPreemptionArguments, ExtenderPreemptionResult, MetaVictims } from '../api/extender-wire.ts'
import { annotations, runtimeClassName } from '../api/names.ts'
import type { ClusterIndex, CountedPod } from './cluster-index.ts'
import { eligibilityRefusals } from './compatibility.ts'
import { type Asking, askingFor, freeFor, roomRefusals } from './fit.ts'
import type { NodeFacts } from './node-facts.ts'
import { podKey } from './requests.ts'

export type VictimsByNode = ReadonlyMap<string, MetaVictims>

/** In one form, whichever of the two the scheduler sent. */
export function victimsOf({ NodeNameToVictims, NodeNameToMetaVictims }: ExtenderPreemptionArguments): VictimsByNode {
  const byNode = new Map<string, MetaVictims>()
  for (const [node, victims] of Object.entries(NodeNameToMetaVictims ?? {}))
    byNode.set(node, { Pods: (victims?.Pods ?? []).map(({ UID }) => ({ UID })), NumPDBViolations: victims?.NumPDBViolations ?? 0 })
  for (const [node, victims] of Object.entries(NodeNameToVictims ?? {}))
    if (!byNode.has(node))
      byNode.set(node, {
        Pods: (victims?.Pods ?? []).map(({ metadata }) => ({ UID: metadata.uid })),
        NumPDBViolations: victims?.NumPDBViolations ?? 0,
      })
  return byNode
}

export function preemptOn(index: ClusterIndex, pod: V1Pod, victims: VictimsByNode): ExtenderPreemptionResult {
  const asking = askingFor(pod, index, { migrationKey: pod.metadata?.annotations?.[annotations.migrationName], ignoreAffinity: true })
  const left = new Map<string, MetaVictims>()
  for (const [name, asked] of victims) {
    const spared = spare(index, asking, index.node(name), asked)
    if (spared) left.set(name, spared)
  }
  return { NodeNameToMetaVictims: Object.fromEntries(preferMovable(index, left)) }
}

export function everythingAsAsked(victims: VictimsByNode): ExtenderPreemptionResult {
  return { NodeNameToMetaVictims: Object.fromEntries(victims) }
}

/** Without the victims that are being moved; undefined when the pod has no room then, or only room that is reserved. */
function spare(index: ClusterIndex, asking: Asking, facts: NodeFacts | undefined, asked: MetaVictims): MetaVictims | undefined {
  if (!facts) return asked
  const byUid = podsByUid(facts)
  const Pods = asked.Pods.filter(({ UID }) => !isMoving(index, byUid.get(UID)))
  const isWhole = Pods.length === asked.Pods.length
  if (isWhole && index.moves.reservationsOn(facts.name) === 0) return asked
  const free: Record<string, number> = { ...freeFor(asking, facts, index) }
  for (const { UID } of Pods)
    for (const [resource, amount] of Object.entries(byUid.get(UID)?.amounts ?? {})) free[resource] = (free[resource] ?? 0) + amount
  return roomRefusals(asking.requests, free).length === 0 ? { ...asked, Pods } : undefined
}

function podsByUid(facts: NodeFacts): Map<string, CountedPod> {
  return new Map([...facts.pods.values()].map((counted) => [counted.pod.metadata?.uid ?? '', counted]))
}

/** Ending either copy of a pod that moves would end the pod, or the move. */
function isMoving(index: ClusterIndex, counted: CountedPod | undefined): boolean {
  if (!counted) return false
  const arriving = counted.pod.metadata?.annotations?.[annotations.migrationName]
  return (
    index.moves.isLeaving(podKey(counted.pod)) || (arriving !== undefined && index.moves.migration(arriving)?.reservation !== undefined)
  )
}

/** Among the nodes that break the fewest budgets: those whose victims all can go elsewhere alive, if there are any. */
function preferMovable(index: ClusterIndex, victims: VictimsByNode): VictimsByNode {
  const fewest = Math.min(...[...victims.values()].map(({ NumPDBViolations }) => NumPDBViolations))
  const movable = [...victims].filter(
    ([name, { Pods, NumPDBViolations }]) => NumPDBViolations === fewest && areMovable(index.node(name), Pods),
  )
  return movable.length > 0 ? new Map(movable) : victims
}

function areMovable(facts: NodeFacts | undefined, victims: MetaVictims['Pods']): boolean {
  if (!facts || victims.length === 0 || eligibilityRefusals(facts.capacity).length > 0) return false
  const byUid = podsByUid(facts)
  return victims.every(({ UID }) => {
    const pod = byUid.get(UID)?.pod
    return pod?.spec?.runtimeClassName === runtimeClassName && pod.metadata?.annotations?.[annotations.migrate] !== 'false'
  })
}
