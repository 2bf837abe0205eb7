// May the pod go to this node, and if not: every reason at once.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { Refusal } from '../api/pod-migration.ts'
import { type ClusterIndex } from './cluster-index.ts'
import { compatibilityRefusals, eligibilityRefusals, freshnessRefusal } from './compatibility.ts'
import { affinityRefusal } from './node-affinity.ts'
import { type NodeFacts, normaliseImage } from './node-facts.ts'
import { type NeighbourRules, neighbourRules } from './pod-affinity.ts'
import { type Amounts, controllerUid, podKey, podRequests } from './requests.ts'
import { cordonRefusal, taintRefusal } from './taints.ts'

/** What is the same for every node; worked out once. */
export interface Asking {
  pod: V1Pod
  podKey: string
  requests: Amounts
  /** Measured, or what it requests. */
  usage: Amounts
  ownerUid: string | undefined
  /** Where other pods of its owner are. */
  siblings: ReadonlyMap<NodeFacts, number> | undefined
  /** Where the pod itself is counted: there it does not stand in its own way. */
  countedOn: NodeFacts | undefined
  /** Normalised names of the images it needs. */
  images: readonly string[]
  source: NodeFacts | undefined
  sourceNodeName: string | undefined
  /** The migration whose destination pod this is: its own reservation is for it. */
  migrationKey: string | undefined
  nowMs: number | undefined
  ignoreAffinity: boolean
  neighbours: NeighbourRules
}

export interface AskingOptions {
  sourceNodeName?: string | undefined
  migrationKey?: string | undefined
  nowMs?: number | undefined
  ignoreAffinity?: boolean | undefined
}

export function askingFor(pod: V1Pod, index: ClusterIndex, options: AskingOptions): Asking {
  const ignoreAffinity = options.ignoreAffinity ?? false
  const requests = podRequests(pod)
  const ownerUid = controllerUid(pod)
  return {
    pod,
    podKey: podKey(pod),
    requests,
    usage: index.usageOf(podKey(pod)) ?? requests,
    ownerUid,
    siblings: ownerUid === undefined ? undefined : index.podsOfOwner(ownerUid),
    countedOn: index.nodeOfPod(podKey(pod)),
    images: [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].map(({ image }) => normaliseImage(image ?? '')),
    source: options.sourceNodeName === undefined ? undefined : index.node(options.sourceNodeName),
    sourceNodeName: options.sourceNodeName,
    migrationKey: options.migrationKey,
    nowMs: options.nowMs,
    ignoreAffinity,
    neighbours: ignoreAffinity ? [] : neighbourRules(pod, index),
  }
}

/** Free room for the pod: allocatable minus what runs there minus what is kept for others; undefined amounts are none. */
export function freeFor(asking: Asking, facts: NodeFacts, index: ClusterIndex): Amounts {
  const reserved = index.moves.reserved(facts.name, asking)
  // A pod that is counted on the node already (its score is asked again) does not stand in its own way.
  const own = facts.pods.get(asking.podKey)?.amounts
  const free: Record<string, number> = {}
  for (const resource of Object.keys(facts.allocatable))
    free[resource] =
      (facts.allocatable[resource] ?? 0) - (facts.requested[resource] ?? 0) - (reserved?.[resource] ?? 0) + (own?.[resource] ?? 0)
  return free
}

/** The same question as `freeFor` and `roomRefusals` together, for hundreds of nodes a request: nothing is made that has to be cleared away. */
export function hasRoom(asking: Asking, facts: NodeFacts, index: ClusterIndex): boolean {
  const own = facts.pods.get(asking.podKey)?.amounts
  for (const resource in asking.requests) {
    const wanted = asking.requests[resource] as number
    const all = facts.allocatable[resource]
    if (wanted === 0) continue
    if (all === undefined) return false
    const free = all - (facts.requested[resource] ?? 0) + (own?.[resource] ?? 0) - index.moves.reservedOf(facts, resource, asking)
    if (wanted > free) return false
  }
  return true
}

export function fitRefusals(asking: Asking, facts: NodeFacts, free: Amounts): Refusal[] {
  const { node } = facts
  if (!node) return [{ code: 'NoSuchNode', message: 'no such node is known', remedy: 'kubectl get nodes lists them' }]
  const refusals: (Refusal | undefined)[] = [
    facts.name === asking.sourceNodeName ? sourceRefusal : undefined,
    readinessRefusal(node),
    cordonRefusal(node),
    taintRefusal(asking.pod, node),
    ...eligibilityRefusals(facts.capacity),
    freshnessRefusal(facts.capacity, asking.nowMs),
    ...(asking.source ? compatibilityRefusals(asking.source, facts) : []),
    ...roomRefusals(asking.requests, free),
  ]
  if (!asking.ignoreAffinity) refusals.push(affinityRefusal(asking.pod, node), ...asking.neighbours.map((rule) => rule(facts)))
  return refusals.filter((refusal) => refusal !== undefined)
}

const sourceRefusal: Refusal = { code: 'SourceNode', message: 'the pod runs there already', remedy: 'choose another node' }

function readinessRefusal(node: V1Node): Refusal | undefined {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')
  if (!ready || ready.status === 'True') return undefined
  return { code: 'NotReady', message: `the node is not Ready (${ready.reason ?? ready.status})`, remedy: 'repair it or choose another' }
}

export function roomRefusals(requests: Amounts, free: Amounts): Refusal[] {
  const refusals: Refusal[] = []
  for (const [resource, wanted] of Object.entries(requests)) {
    const left = free[resource] ?? 0
    if (wanted === 0 || wanted <= left) continue
    refusals.push({
      code: 'NoRoom',
      message: `${resource}: the pod requests ${written(resource, wanted)}, ${written(resource, Math.max(0, left))} are free after reservations`,
      remedy: 'free some room or add a node',
    })
  }
  return refusals
}

function written(resource: string, amount: number): string {
  if (resource === 'cpu') return `${amount}m`
  if (resource === 'memory' || resource === 'ephemeral-storage') return `${Math.floor(amount / 2 ** 20)}Mi`
  return String(amount)
}
