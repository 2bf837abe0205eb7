// Which taint of a node keeps a pod away?
import type { V1Node, V1Pod, V1Taint, V1Toleration } from '@kubernetes/client-node'
import type { Refusal } from '../api/pod-migration.ts'

const unschedulableTaint = 'node.kubernetes.io/unschedulable'

export function cordonRefusal(node: V1Node): Refusal | undefined {
  if (!node.spec?.unschedulable) return undefined
  return { code: 'Cordoned', message: 'the node is cordoned (spec.unschedulable)', remedy: 'uncordon it or choose another' }
}

/** PreferNoSchedule does not keep anybody away. The cordon's own taint is reported as the cordon. */
export function taintRefusal(pod: V1Pod, node: V1Node): Refusal | undefined {
  const taint = node.spec?.taints?.find((candidate) => keepsAway(candidate) && !isTolerated(candidate, pod.spec?.tolerations ?? []))
  if (!taint) return undefined
  const text = `${taint.key}${taint.value ? `=${taint.value}` : ''}:${taint.effect}`
  return {
    code: 'Taint',
    message: `the node has taint ${text}, which the pod does not tolerate`,
    remedy: 'remove the taint or add a toleration to the pod template',
  }
}

function keepsAway(taint: V1Taint): boolean {
  return (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && taint.key !== unschedulableTaint
}

function isTolerated(taint: V1Taint, tolerations: readonly V1Toleration[]): boolean {
  return tolerations.some(
    (toleration) =>
      (!toleration.effect || toleration.effect === taint.effect) &&
      (toleration.operator === 'Exists'
        ? !toleration.key || toleration.key === taint.key
        : toleration.key === taint.key && (toleration.value ?? '') === (taint.value ?? '')),
  )
}
