// Where chosen pods would go: the extender's own ranking, each one's room reserved before the next is asked.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { NodeMigrationCapacity } from '../api/node-migration-capacity.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import { type ClusterIndex, indexOf } from '../extender/cluster-index.ts'
import { rankOn } from '../extender/rank.ts'
import { type Amounts, podKey, podRequests } from '../extender/requests.ts'
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

/** So many of the emptiest nodes are ranked first; only where none of them fits all are. */
const shortList = 48

export function placeVictims(victims: readonly Victim[], view: DestinationView): PlacedVictim[] {
  const index = indexOf(view)
  const emptiest = new Emptiest(index)
  return victims.map((victim) => {
    const ranked = rankVictim(victim, index, emptiest, view.nowMs)
    const best = ranked.find(({ fits }) => fits)
    if (best) {
      reserve(index, victim.pod, best.nodeName)
      emptiest.take(best.nodeName, podRequests(victim.pod))
    }
    return { ...victim, destination: best?.nodeName, noDestination: best ? undefined : whyNone(ranked) }
  })
}

type Ranked = ReturnType<typeof rankOn>

/** Where the strategy wants it, else anywhere. */
function rankVictim({ pod, destinations }: Victim, index: ClusterIndex, emptiest: Emptiest, nowMs: number): Ranked {
  let ranked: Ranked = []
  for (const names of [...(destinations ? [emptiest.of(destinations), destinations] : []), emptiest.of(), undefined]) {
    ranked = rankOn(index, pod, { sourceNodeName: pod.spec?.nodeName, nowMs, ...(names ? { names } : {}) })
    if (ranked.some(({ fits }) => fits)) return ranked
  }
  return ranked
}

/** Nodes by the fullest of cpu, memory and pods, with what is planned already. */
class Emptiest {
  readonly #index: ClusterIndex
  readonly #fullness = new Map<string, number>()
  #order: string[] = []
  #taken = 0

  constructor(index: ClusterIndex) {
    this.#index = index
    for (const facts of index.nodes) if (facts.node) this.#fullness.set(facts.name, shareOf(facts.requested, facts.allocatable))
    this.#sort()
  }

  of(names?: readonly string[]): string[] {
    if (!names) return this.#order.slice(0, shortList)
    const wanted = new Set(names)
    const found: string[] = []
    for (const name of this.#order) if (wanted.has(name) && found.push(name) === shortList) break
    return found
  }

  take(name: string, amounts: Amounts): void {
    const share = shareOf(amounts, this.#index.node(name)?.allocatable ?? {})
    this.#fullness.set(name, (this.#fullness.get(name) ?? 0) + share)
    // The list only has to be about right: the ranking looks at the real room.
    if (++this.#taken % shortList === 0) this.#sort()
  }

  #sort(): void {
    this.#order = [...this.#fullness].sort(([, one], [, other]) => one - other).map(([name]) => name)
  }
}

function shareOf(amounts: Amounts, allocatable: Amounts): number {
  return Math.max(...['cpu', 'memory', 'pods'].map((resource) => (amounts[resource] ?? 0) / (allocatable[resource] || 1)))
}

function reserve(index: ClusterIndex, pod: V1Pod, nodeName: string): void {
  const key = podKey(pod)
  index.moves.reserve({ migrationKey: `planned/${key}`, sourcePodKey: key, nodeName, amounts: podRequests(pod) })
}

function whyNone(ranked: Ranked): string {
  const codes = new Set(ranked.flatMap(({ reasons }) => reasons.map(({ code }) => code)).filter((code) => code !== 'SourceNode'))
  return `no other node fits (${[...codes].join(', ') || 'there is none'})`
}
