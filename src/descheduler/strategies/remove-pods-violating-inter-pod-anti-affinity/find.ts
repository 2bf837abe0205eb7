// Chooses pods that share a topology domain with a pod that their own required anti-affinity refuses.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { RemovePodsViolatingInterPodAntiAffinityArguments } from '../../../api/descheduler-arguments.ts'
import { nodeName } from '../../stock/cluster.ts'
import { meets, namespacesOf, requiredAntiAffinity } from '../../stock/node-fit.ts'
import { lowestPriorityFirst } from '../../stock/pod-order.ts'
import { selects } from '../../stock/selection.ts'
import { namespaced, type Scene } from '../strategy.ts'
import { Neighbours } from './neighbours.ts'

export function find(wish: RemovePodsViolatingInterPodAntiAffinityArguments, { cluster, nodes, evictor }: Scene): undefined {
  const nodesByName = new Map(nodes.map((node) => [nodeName(node), node]))
  const onNode = (node: V1Node) => cluster.podsOn(nodeName(node)).filter((pod) => selects(wish, pod))
  const neighbours = new Neighbours(nodes.flatMap(onNode))
  for (const node of nodes) {
    for (const pod of lowestPriorityFirst(onNode(node))) {
      const other = refusedNeighbour(pod, node, neighbours, nodesByName)
      if (!other || !evictor.isEvictable(pod) || !evictor.mayLeave(pod)) continue
      const outcome = evictor.choose(pod, { reason: `its anti-affinity refuses ${namespaced(other)}, which is near` })
      // Whom it stood beside need not go as well.
      if (outcome === 'chosen') neighbours.delete(pod)
      if (outcome === 'totalLimit') return
      if (outcome === 'nodeLimit') break
    }
  }
}

function refusedNeighbour(pod: V1Pod, node: V1Node, neighbours: Neighbours, nodesByName: ReadonlyMap<string, V1Node>): V1Pod | undefined {
  for (const term of requiredAntiAffinity(pod))
    for (const namespace of namespacesOf(term, pod))
      for (const other of neighbours.near(namespace, term)) {
        const otherNode = nodesByName.get(other.spec?.nodeName ?? '')
        if (otherNode && meets(term, pod, other) && shareDomain(node, otherNode, term.topologyKey)) return other
      }
  return undefined
}

/** One node is one domain, whatever its labels. */
function shareDomain(one: V1Node, other: V1Node, key: string): boolean {
  if (one === other) return true
  const value = one.metadata?.labels?.[key]
  return value !== undefined && other.metadata?.labels?.[key] === value
}
