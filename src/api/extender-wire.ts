// What kube-scheduler 1.36 sends an extender and expects back (k8s.io/kube-scheduler/extender/v1): Go field names, null for absent.
import { z } from 'zod'

export const ExtenderArguments = z.looseObject({
  Pod: z.looseObject({}).nullish(),
  Nodes: z.looseObject({ items: z.array(z.looseObject({})).nullish() }).nullish(),
  NodeNames: z.array(z.string()).nullish(),
})
export type ExtenderArguments = z.infer<typeof ExtenderArguments>

export interface ExtenderFilterResult {
  Nodes: unknown
  NodeNames: string[] | null
  FailedNodes: Record<string, string>
  FailedAndUnresolvableNodes: Record<string, string>
  Error: string
}

/** Score is an integer 0..10: kube-scheduler neither clamps nor checks it. */
export interface HostPriority {
  Host: string
  Score: number
}
