// Choosing the destination and keeping room there: written to the status before anything moves.
import type { V1Pod } from '@kubernetes/client-node'
import type { PodMigrationStatus, Refusal } from '../api/pod-migration.ts'
import { podRequests } from '../extender/requests.ts'
import { capacityOf, type Migration, type Observed, type RankedNode } from './observed.ts'
import { postCopyRefusals } from './post-copy.ts'

export interface Choice {
  node?: RankedNode
  refusals: Refusal[]
}

export function chooseDestination(migration: Migration, observed: Observed): Choice {
  const wanted = migration.spec.targetNodeName
  const choice = wanted ? chooseWanted(wanted, migration, observed) : chooseBest(observed)
  if (!choice.node) return choice
  const { nodeName } = choice.node
  const refusals = postCopyRefusals(migration.spec, 'destination', nodeName, capacityOf(observed, nodeName))
  return refusals.length > 0 ? { refusals } : choice
}

function chooseWanted(wanted: string, migration: Migration, observed: Observed): Choice {
  const remedy = 'choose another spec.targetNodeName, or leave it empty and the best node is picked'
  const refuse = (code: string, message: string): Choice => ({
    refusals: [{ code, message: `spec.targetNodeName ${wanted}: ${message}`, remedy }],
  })
  if (!observed.nodes.some((node) => node.metadata?.name === wanted)) return refuse('UnknownTargetNode', 'no node has this name')
  if (wanted === (observed.sourcePod?.spec?.nodeName ?? migration.status.sourceNode))
    return refuse('SameNode', 'the pod runs there already')
  const ranked = observed.candidates.find((node) => node.nodeName === wanted)
  if (!ranked) return refuse('TargetNotRanked', 'the node was not among those that can be judged')
  if (ranked.fits) return { node: ranked, refusals: [] }
  return { refusals: ranked.reasons.map((reason) => ({ ...reason, message: `spec.targetNodeName ${wanted}: ${reason.message}` })) }
}

function chooseBest(observed: Observed): Choice {
  const best = observed.candidates.find((node) => node.fits)
  return best ? { node: best, refusals: [] } : { refusals: [noDestination(observed.candidates)] }
}

/** One reason that names every node and what speaks against it. */
function noDestination(candidates: readonly RankedNode[]): Refusal {
  const each = candidates.map((node) => `${node.nodeName}: ${node.reasons.map((reason) => reason.message).join('; ') || 'no reason given'}`)
  return {
    code: 'NoDestination',
    message: `no node can take the pod${each.length > 0 ? ` (${each.join(' · ')})` : ': there is no other node'}`,
    remedy: 'free room, uncordon or add a node; kubectl podmotion doctor shows every node',
  }
}

export function reserve(status: PodMigrationStatus, pod: V1Pod, nodeName: string): PodMigrationStatus {
  const { cpu = 0, memory = 0 } = podRequests(pod)
  return { ...status, destinationNode: nodeName, reservation: { nodeName, cpuMillis: cpu, memoryBytes: memory } }
}
