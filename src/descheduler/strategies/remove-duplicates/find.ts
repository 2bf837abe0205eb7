// Chooses pods of one owner that run more than once on a node, down to an even share over the nodes where they may run.
import type { V1Node, V1OwnerReference, V1Pod } from '@kubernetes/client-node'
import type { RemoveDuplicatesArguments } from '../../../api/descheduler-arguments.ts'
import { affinityRefusal } from '../../../extender/node-affinity.ts'
import { nodeName } from '../../stock/cluster.ts'
import type { Evictor } from '../../stock/evictor.ts'
import { hasOwnerOfKind } from '../../stock/pod-facts.ts'
import { selects } from '../../stock/selection.ts'
import { keepsAway, untolerated } from '../../stock/toleration.ts'
import type { Scene } from '../strategy.ts'

interface Group {
  owner: string
  /** Pods of this owner and these images on all nodes. */
  count: number
  /** Node name to its duplicates there, without the first one. */
  duplicates: Map<string, V1Pod[]>
}

export function find(wish: RemoveDuplicatesArguments, scene: Scene): undefined {
  for (const group of groupsOf(wish, scene).values()) {
    if (group.duplicates.size === 0) continue
    const targets = targetNodes([...group.duplicates.values()].flat(), scene.nodes)
    if (targets < 2) continue
    if (even(group, Math.ceil(group.count / targets), scene.evictor)) return
  }
}

/** True: the limit of the whole run is reached. */
function even(group: Group, share: number, evictor: Evictor): boolean {
  for (const [node, pods] of group.duplicates)
    for (const pod of pods.slice(share - 1)) {
      const reason = `${group.owner} has ${pods.length + 1} pods on ${node}, an even share is ${share}`
      const outcome = evictor.choose(pod, { reason })
      if (outcome === 'totalLimit') return true
      if (outcome === 'nodeLimit') break
    }
  return false
}

function groupsOf(wish: RemoveDuplicatesArguments, { cluster, nodes, evictor }: Scene): Map<string, Group> {
  const groups = new Map<string, Group>()
  for (const node of nodes) {
    const seen = new Set<string>()
    for (const pod of cluster.podsOn(nodeName(node))) {
      const owners = pod.metadata?.ownerReferences ?? []
      if (owners.length === 0 || !selects(wish, pod) || hasOwnerOfKind(pod, wish.excludeOwnerKinds)) continue
      if (!evictor.isEvictable(pod) || !evictor.mayLeave(pod)) continue
      const isDuplicate = seen.has(identityOf(pod, owners))
      seen.add(identityOf(pod, owners))
      for (const owner of owners) count(groups, pod, owner, isDuplicate ? nodeName(node) : undefined)
    }
  }
  return groups
}

function count(groups: Map<string, Group>, pod: V1Pod, owner: V1OwnerReference, duplicateOn: string | undefined): void {
  const key = [pod.metadata?.namespace, owner.kind, owner.name, ...imagesOf(pod)].join('\n')
  const group = groups.get(key) ?? { owner: `${owner.kind} ${owner.name}`, count: 0, duplicates: new Map<string, V1Pod[]>() }
  groups.set(key, group)
  group.count++
  if (duplicateOn !== undefined) group.duplicates.set(duplicateOn, [...(group.duplicates.get(duplicateOn) ?? []), pod])
}

/** The same owners and the same images. */
function identityOf(pod: V1Pod, owners: readonly V1OwnerReference[]): string {
  const keys = owners.flatMap(({ kind, name }) => imagesOf(pod).map((image) => [pod.metadata?.namespace, kind, name, image].join('/')))
  return keys.sort().join('\n')
}

function imagesOf(pod: V1Pod): string[] {
  return (pod.spec?.containers ?? []).map(({ image }) => image ?? '').sort()
}

/** How many nodes taints, node selectors and required affinity allow; pods that may run on one node only do not count. */
function targetNodes(pods: readonly V1Pod[], nodes: readonly V1Node[]): number {
  const targets = new Set<string>()
  for (const pod of distinct(pods)) {
    const allowed = nodes.filter(
      (node) => untolerated(pod.spec?.tolerations, node.spec?.taints, keepsAway) === undefined && affinityRefusal(pod, node) === undefined,
    )
    if (allowed.length > 1) for (const node of allowed) targets.add(nodeName(node))
  }
  return targets.size
}

/** Pods with the same rules have the same answer; one of each is asked. */
function distinct(pods: readonly V1Pod[]): V1Pod[] {
  const byRules = new Map<string, V1Pod>()
  for (const pod of pods) {
    const { tolerations, nodeSelector, affinity } = pod.spec ?? {}
    byRules.set(JSON.stringify([tolerations, nodeSelector, affinity?.nodeAffinity]), pod)
  }
  return [...byRules.values()]
}
