// Chooses pods of topology domains that hold more than their spread constraints allow, until the domains are even within maxSkew.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { RemovePodsViolatingTopologySpreadConstraintArguments } from '../../../api/descheduler-arguments.ts'
import { podsByNamespace } from '../../stock/by-namespace.ts'
import { nodeName } from '../../stock/cluster.ts'
import { fitsAnyOtherNode } from '../../stock/node-fit.ts'
import { selects } from '../../stock/selection.ts'
import type { Scene } from '../strategy.ts'
import { type Constraint, constraintsOf } from './constraints.ts'
import { type Domain, domainsOf, isEligible } from './domains.ts'

type Reasons = Map<V1Pod, string>

export function find(wish: RemovePodsViolatingTopologySpreadConstraintArguments, scene: Scene): undefined {
  const { cluster, nodes, evictor } = scene
  const isMeant = (pod: V1Pod) => selects(wish, pod) && evictor.isEvictable(pod)
  const pods = nodes.flatMap((node) => cluster.podsOn(nodeName(node))).filter(isMeant)
  const surplus: Reasons = new Map()
  const actions = wish.constraints.length > 0 ? wish.constraints : ['DoNotSchedule']
  for (const inNamespace of podsByNamespace(pods).values())
    for (const constraint of constraintsOf(inNamespace, actions)) {
      const domains = domainsOf(constraint, inNamespace, nodes, (pod) => evictor.isEvictable(pod))
      if (!isEven(domains, constraint.maxSkew)) level(domains, constraint, wish.topologyBalanceNodeFit, scene, surplus)
    }
  const full = new Set<string>()
  for (const [pod, reason] of surplus) {
    const node = pod.spec?.nodeName ?? ''
    if (full.has(node) || !isMeant(pod) || !evictor.mayLeave(pod)) continue
    const outcome = evictor.choose(pod, { reason })
    if (outcome === 'totalLimit') return
    if (outcome === 'nodeLimit') full.add(node)
  }
}

function isEven(domains: readonly Domain[], maxSkew: number): boolean {
  return (domains.at(-1)?.pods.length ?? 0) - (domains[0]?.pods.length ?? 0) <= maxSkew
}

/** From the largest to the smallest domain, never under the average nor over it; the same steps as the stock descheduler takes. */
function level(domains: Domain[], constraint: Constraint, mustFit: boolean, scene: Scene, surplus: Reasons): void {
  const total = domains.reduce((sum, { pods }) => sum + pods.length, 0)
  const average = total / domains.length
  const sizes = domains.map(({ value, pods }) => `${value} ${pods.length}`).join(', ')
  const reason = `pods per ${constraint.topologyKey} (${sizes}) differ by more than maxSkew ${constraint.maxSkew}`
  const roomy = roomyNodes(domains, constraint, scene.nodes, average)
  const everyone = domains.flatMap(({ pods }) => pods)
  const fitting = new Set(everyone.filter((pod) => fitsAnyOtherNode(scene.cluster, pod, roomy)))
  for (let low = 0, high = domains.length - 1; low < high; ) {
    if ((domains[high]?.pods.length ?? 0) <= average) high--
    const [small, large] = [domains[low], domains[high]]
    if (!small || !large) return
    const count = countToMove(large.pods.length, small.pods.length, average, constraint.maxSkew)
    if (count <= 0) {
      low++
      continue
    }
    large.pods.sort((one, other) => Number(fitting.has(one)) - Number(fitting.has(other)))
    const moved = large.pods.splice(large.pods.length - count)
    for (const pod of moved) if (!mustFit || fitting.has(pod)) surplus.set(pod, reason)
    small.pods.push(...moved)
  }
}

/** 0: these two are near enough to each other. */
function countToMove(large: number, small: number, average: number, maxSkew: number): number {
  const skew = large - small
  if (skew <= maxSkew) return 0
  return Math.min(Math.ceil(large - average), Math.ceil(average - small), Math.ceil((skew - maxSkew) / 2))
}

function roomyNodes(domains: readonly Domain[], constraint: Constraint, nodes: readonly V1Node[], average: number): V1Node[] {
  const roomy = new Set(domains.filter(({ pods }) => pods.length < average).map(({ value }) => value))
  return nodes.filter((node) => {
    const value = node.metadata?.labels?.[constraint.topologyKey]
    return value !== undefined && roomy.has(value) && isEligible(constraint, node)
  })
}
