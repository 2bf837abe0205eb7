// Chooses pods that do not tolerate a taint of their node (they came before the taint).
import type { V1Taint } from '@kubernetes/client-node'
import type { RemovePodsViolatingNodeTaintsArguments } from '../../../api/descheduler-arguments.ts'
import { nodeName } from '../../stock/cluster.ts'
import { chooseAll } from '../../stock/evictor.ts'
import { selects } from '../../stock/selection.ts'
import { describeTaint, untolerated } from '../../stock/toleration.ts'
import type { Scene } from '../strategy.ts'

export function find(wish: RemovePodsViolatingNodeTaintsArguments, { cluster, nodes, evictor }: Scene): undefined {
  for (const node of nodes) {
    const violated = new Map<string, V1Taint>()
    const pods = cluster.podsOn(nodeName(node)).filter((pod) => {
      const taint = untolerated(pod.spec?.tolerations, node.spec?.taints, (one) => counts(wish, one))
      if (!taint || !selects(wish, pod) || !evictor.isEvictable(pod) || !evictor.mayLeave(pod)) return false
      violated.set(pod.metadata?.uid ?? '', taint)
      return true
    })
    const reasonFor = (uid: string | undefined) => {
      const taint = violated.get(uid ?? '')
      return `it does not tolerate taint ${taint ? describeTaint(taint) : ''} of its node`
    }
    if (chooseAll(evictor, pods, (pod) => ({ reason: reasonFor(pod.metadata?.uid) }))) return
  }
}

function counts(wish: RemovePodsViolatingNodeTaintsArguments, taint: V1Taint): boolean {
  const isOfEffect = taint.effect === 'NoSchedule' || (wish.includePreferNoSchedule && taint.effect === 'PreferNoSchedule')
  return isOfEffect && !names(wish.excludedTaints, taint) && (wish.includedTaints === undefined || names(wish.includedTaints, taint))
}

/** By key, or by key=value. */
function names(list: readonly string[] | undefined, { key, value }: V1Taint): boolean {
  return list !== undefined && (list.includes(key) || (Boolean(value) && list.includes(`${key}=${value}`)))
}
