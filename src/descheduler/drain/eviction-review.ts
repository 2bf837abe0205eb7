// The words of admission/v1 as far as an eviction needs them: what the API server asks, and how it is answered.
import { z } from 'zod'
import type { EvictionDecision } from './decide-eviction.ts'

export const EvictionReview = z.looseObject({
  request: z.looseObject({
    uid: z.string().min(1),
    namespace: z.string(),
    /** Name of the pod. */
    name: z.string().min(1),
    dryRun: z.boolean().nullish(),
    userInfo: z.looseObject({ username: z.string().nullish() }).nullish(),
    object: z
      .looseObject({
        metadata: z.looseObject({ annotations: z.record(z.string(), z.string()).nullish() }).nullish(),
        deleteOptions: z
          .looseObject({
            dryRun: z.array(z.string()).nullish(),
            preconditions: z.looseObject({ uid: z.string().nullish() }).nullish(),
          })
          .nullish(),
      })
      .nullish(),
  }),
})
export type EvictionReview = z.infer<typeof EvictionReview>

export function isDryRun({ request }: EvictionReview): boolean {
  return request.dryRun === true || (request.object?.deleteOptions?.dryRun?.length ?? 0) > 0
}

/** `requested-by` is what the stock descheduler writes. */
export function requestedBy({ request }: EvictionReview): string {
  const by = request.object?.metadata?.annotations?.['requested-by'] ?? request.userInfo?.username
  return by || 'somebody'
}

export function allowed(uid: string, warnings: readonly string[] = []) {
  return reviewOf({ uid, allowed: true, ...(warnings.length > 0 ? { warnings } : {}) })
}

/**
 * The reason is set because the API server would fill in Forbidden, which ends a drain. No retryAfterSeconds: client-go would then retry
 * by itself, silently, up to ten times.
 */
export function denied(uid: string, { code, message }: Extract<EvictionDecision, { verdict: 'deny' }>) {
  const reason = code === 404 ? 'NotFound' : 'TooManyRequests'
  return reviewOf({ uid, allowed: false, status: { status: 'Failure', code, reason, message } })
}

function reviewOf(response: Record<string, unknown>) {
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response }
}
