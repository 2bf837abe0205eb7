// What kube-scheduler 1.36 sends an extender and expects back (k8s.io/kube-scheduler/extender/v1): Go field names, null for absent.
import { z } from 'zod'

export const ExtenderArguments = z.looseObject({
  Pod: z.looseObject({}).nullish(),
  Nodes: z.looseObject({ items: z.array(z.looseObject({})).nullish() }).nullish(),
  NodeNames: z.array(z.string()).nullish(),
})
export type ExtenderArguments = z.infer<typeof ExtenderArguments>

const Pods = z.array(z.looseObject({ metadata: z.looseObject({ uid: z.string() }) })).nullish()

/** With nodeCacheCapable the victims come as UIDs, otherwise as whole pods. */
export const ExtenderPreemptionArguments = z.looseObject({
  Pod: z.looseObject({}).nullish(),
  NodeNameToVictims: z.record(z.string(), z.looseObject({ Pods, NumPDBViolations: z.int().optional() }).nullable()).nullish(),
  NodeNameToMetaVictims: z
    .record(
      z.string(),
      z.looseObject({ Pods: z.array(z.looseObject({ UID: z.string() })).nullish(), NumPDBViolations: z.int().optional() }).nullable(),
    )
    .nullish(),
})
export type ExtenderPreemptionArguments = z.infer<typeof ExtenderPreemptionArguments>

export interface MetaVictims {
  Pods: { UID: string }[]
  NumPDBViolations: number
}

/** UIDs also where whole pods were asked about; a node that is not in it is not preempted on. */
export interface ExtenderPreemptionResult {
  NodeNameToMetaVictims: Record<string, MetaVictims>
}

export interface ExtenderFilterResult {
  Nodes: unknown
  NodeNames: readonly string[] | null
  FailedNodes: Record<string, string>
  FailedAndUnresolvableNodes: Record<string, string>
  Error: string
}

/** Score is an integer 0..10: kube-scheduler neither clamps nor checks it. */
export interface HostPriority {
  Host: string
  Score: number
}
