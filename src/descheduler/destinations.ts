// Where chosen pods would go: the extender's own ranking, each one's room reserved before the next is asked.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import { type ClusterIndex, indexOf } from '../extender/cluster-index.ts'
import { rankOn } from '../extender/rank.ts'
import { podKey, podRequests } from '../extender/requests.ts'
import type { Victim } from './stock/evictor.ts'

export interface DestinationView {
  nodes: readonly V1Node[]
  pods: readonly V1Pod[]
  capacities: readonly NodeMigrationCapacity[]
  migrations: readonly PodMigration[]
  nowMs: number
}

export interface PlacedVictim extends Victim {
  /** Undefined: no node takes it now. */
  destination: string | undefined
  /** Why none does. */
  noDestination: string | undefined
}

export function placeVictims(victims: readonly Victim[], view: DestinationView): PlacedVictim[] {
  const index = indexOf(view)
  return victims.map((victim) => {
    const ranked = rankVictim(victim, index, view.nowMs)
    const best = ranked.find(({ fits }) => fits)
    if (best) reserve(index, victim.pod, best.nodeName)
    return { ...victim, destination: best?.nodeName, noDestination: best ? undefined : whyNone(ranked) }
  })
}

type Ranked = ReturnType<typeof rankOn>

/** Where the strategy wants it, else anywhere. */
function rankVictim({ pod, destinations }: Victim, index: ClusterIndex, nowMs: number): Ranked {
  const options = { sourceNodeName: pod.spec?.nodeName, nowMs }
  const wanted = destinations ? rankOn(index, pod, { ...options, names: destinations }) : []
  return wanted.some(({ fits }) => fits) ? wanted : rankOn(index, pod, options)
}

function reserve(index: ClusterIndex, pod: V1Pod, nodeName: string): void {
  const key = podKey(pod)
  index.reserve({ migrationKey: `planned/${key}`, sourcePodKey: key, nodeName, amounts: podRequests(pod) })
}

function whyNone(ranked: Ranked): string {
  const codes = new Set(ranked.flatMap(({ reasons }) => reasons.map(({ code }) => code)).filter((code) => code !== 'SourceNode'))
  return `no other node fits (${[...codes].join(', ') || 'there is none'})`
}
