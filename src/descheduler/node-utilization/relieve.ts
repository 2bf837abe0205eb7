// Takes pods off nodes while there is room elsewhere: the part that LowNodeUtilization and HighNodeUtilization share.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { NamespaceChoice } from '../../api/descheduler-arguments.ts'
import { nodeName } from '../stock/cluster.ts'
import type { Evictor } from '../stock/evictor.ts'
import { lowestPriorityFirst } from '../stock/pod-order.ts'
import { untolerated } from '../stock/toleration.ts'
import type { Usage } from './usage.ts'

export interface MeasuredNode {
  node: V1Node
  used: Record<string, number>
  /** What it may hold at most. */
  ceiling: Record<string, number>
  pods: V1Pod[]
}

export interface Relief {
  /** In the order in which they are relieved. */
  sources: readonly MeasuredNode[]
  destinations: readonly MeasuredNode[]
  resources: readonly string[]
  usage: Usage
  evictor: Evictor
  evictableNamespaces?: NamespaceChoice | undefined
  maxPerNode?: number | undefined
  isRemovable(pod: V1Pod): boolean
  /** Besides room for everything being left elsewhere. */
  isUnfinished(node: MeasuredNode): boolean
  reasonOf(node: MeasuredNode): string
}

type Left = Record<string, number>

export function relieve(relief: Relief): void {
  const left = roomIn(relief.destinations, relief.resources)
  for (const source of relief.sources) if (relieveNode(source, left, relief) === 'totalLimit') return
}

function roomIn(nodes: readonly MeasuredNode[], resources: readonly string[]): Left {
  const left: Left = {}
  for (const { used, ceiling } of nodes)
    for (const resource of resources) left[resource] = (left[resource] ?? 0) + (ceiling[resource] ?? 0) - (used[resource] ?? 0)
  return left
}

function relieveNode(source: MeasuredNode, left: Left, relief: Relief): 'totalLimit' | undefined {
  const { evictor, usage, maxPerNode, isUnfinished } = relief
  const goesOn = () => isUnfinished(source) && Object.values(left).every((amount) => amount > 0)
  const removable = lowestPriorityFirst(source.pods.filter((pod) => relief.isRemovable(pod)))
  if (!goesOn()) return undefined
  let chosen = 0
  for (const pod of removable) {
    if (maxPerNode !== undefined && chosen >= maxPerNode) return undefined
    if (!mayGo(pod, relief)) continue
    const used = usage.ofPod(pod)
    if (used === 'unknown') continue
    const destinations = relief.destinations.map(({ node }) => nodeName(node))
    const outcome = evictor.choose(pod, { reason: relief.reasonOf(source), destinations })
    if (outcome === 'totalLimit') return 'totalLimit'
    if (outcome === 'nodeLimit') return undefined
    if (outcome !== 'chosen') continue
    // Nobody knows what the node is like without it: one at a time.
    if (used === 'uncounted' && maxPerNode === undefined) return undefined
    chosen++
    if (used === 'uncounted') continue
    subtract(used, source.used, left)
    if (!goesOn()) return undefined
  }
  return undefined
}

function mayGo(pod: V1Pod, { destinations, evictableNamespaces, evictor }: Relief): boolean {
  return (
    destinations.some(({ node }) => toleratesAll(pod, node)) &&
    !evictableNamespaces?.exclude?.includes(pod.metadata?.namespace ?? '') &&
    evictor.mayLeave(pod)
  )
}

/** As the stock descheduler counts: every taint, PreferNoSchedule too, and no more taints than the pod has tolerations. */
function toleratesAll(pod: V1Pod, node: V1Node): boolean {
  const taints = node.spec?.taints ?? []
  return (pod.spec?.tolerations ?? []).length >= taints.length && untolerated(pod.spec?.tolerations, taints) === undefined
}

function subtract(podUsed: Readonly<Record<string, number>>, nodeUsed: Record<string, number>, left: Left): void {
  for (const resource of Object.keys(left)) {
    const amount = resource === 'pods' ? 1 : (podUsed[resource] ?? 0)
    nodeUsed[resource] = (nodeUsed[resource] ?? 0) - amount
    left[resource] = (left[resource] ?? 0) - amount
  }
}

/** Millicores, bytes and pieces are added up as they are: so does the stock descheduler, and our planner does not. */
export function totalOf({ used }: MeasuredNode): number {
  return Object.values(used).reduce((sum, amount) => sum + amount, 0)
}

export function isOverCeiling({ used, ceiling }: MeasuredNode): boolean {
  return Object.entries(used).some(([resource, amount]) => amount > (ceiling[resource] ?? 0))
}
