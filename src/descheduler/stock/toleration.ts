// Does a pod tolerate taints, as Kubernetes 1.36 says it: Equal, Exists, and the numeric Lt and Gt.
import type { V1Taint, V1Toleration } from '@kubernetes/client-node'

export function keepsAway(taint: V1Taint): boolean {
  return taint.effect === 'NoSchedule' || taint.effect === 'NoExecute'
}

/** The first taint that counts and is not tolerated. */
export function untolerated(
  tolerations: readonly V1Toleration[] | undefined,
  taints: readonly V1Taint[] | undefined,
  counts: (taint: V1Taint) => boolean = () => true,
): V1Taint | undefined {
  return taints?.find((taint) => counts(taint) && !tolerations?.some((toleration) => tolerates(toleration, taint)))
}

function tolerates(toleration: V1Toleration, taint: V1Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false
  if (toleration.key && toleration.key !== taint.key) return false
  switch (toleration.operator || 'Equal') {
    case 'Equal':
      return (toleration.value ?? '') === (taint.value ?? '')
    case 'Exists':
      return true
    case 'Lt':
      return bothIntegers(toleration, taint) && BigInt(taint.value ?? '') < BigInt(toleration.value ?? '')
    case 'Gt':
      return bothIntegers(toleration, taint) && BigInt(taint.value ?? '') > BigInt(toleration.value ?? '')
    default:
      return false
  }
}

function bothIntegers(toleration: V1Toleration, taint: V1Taint): boolean {
  return isInteger(toleration.value) && isInteger(taint.value)
}

function isInteger(text: string | undefined): boolean {
  return /^(0|-?[1-9]\d*)$/.test(text ?? '')
}

export function describeTaint({ key, value, effect }: V1Taint): string {
  return `${key}${value ? `=${value}` : ''}:${effect}`
}
