// Chooses pods whose node affinity their node no longer meets, or that another node meets better.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { RemovePodsViolatingNodeAffinityArguments } from '../../../api/descheduler-arguments.ts'
import { affinityRefusal, matchesTerm } from '../../../extender/node-affinity.ts'
import { nodeName } from '../../stock/cluster.ts'
import { chooseAll } from '../../stock/evictor.ts'
import { fitsAnyNode } from '../../stock/node-fit.ts'
import { selects } from '../../stock/selection.ts'
import type { Scene } from '../strategy.ts'

export function find(wish: RemovePodsViolatingNodeAffinityArguments, scene: Scene): undefined {
  const { cluster, nodes, evictor } = scene
  for (const type of wish.nodeAffinityType)
    for (const node of nodes) {
      const violation = violations[type]
      const pods = cluster
        .podsOn(nodeName(node))
        .filter(
          (pod) =>
            violation.of(pod, node, nodes) &&
            selects(wish, pod) &&
            evictor.isEvictable(pod) &&
            evictor.mayLeave(pod) &&
            fitsAnyNode(cluster, pod, nodes),
        )
      if (chooseAll(evictor, pods, () => ({ reason: violation.reason }))) break
    }
}

const violations = {
  requiredDuringSchedulingIgnoredDuringExecution: {
    reason: 'its node does not meet its required node affinity or node selector',
    of: (pod: V1Pod, node: V1Node) =>
      Boolean(pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution) && affinityRefusal(pod, node) !== undefined,
  },
  preferredDuringSchedulingIgnoredDuringExecution: {
    reason: 'another node meets its preferred node affinity better',
    of: (pod: V1Pod, node: V1Node, nodes: readonly V1Node[]) => {
      const here = weightOf(pod, node)
      return nodes.some((other) => weightOf(pod, other) > here)
    },
  },
}

function weightOf(pod: V1Pod, node: V1Node): number {
  const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
  return preferred.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, node) ? weight : 0), 0)
}
