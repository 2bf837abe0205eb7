// Small facts about a pod that several strategies ask for.
import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node'

/** Whole seconds since it was created; negative when clocks differ. */
export function ageSeconds(pod: V1Pod, nowMs: number): number {
  return secondsSince(pod.metadata?.creationTimestamp, nowMs)
}

export function secondsSince(instant: Date | string | undefined, nowMs: number): number {
  return Math.trunc((nowMs - millis(instant)) / 1000)
}

/** The client library says Date, JSON has text. */
export function millis(instant: Date | string | undefined): number {
  return instant === undefined ? 0 : new Date(instant).getTime()
}

export function hasOwnerOfKind(pod: V1Pod, kinds: readonly string[] | undefined): boolean {
  return pod.metadata?.ownerReferences?.some(({ kind }) => kinds?.includes(kind)) ?? false
}

export function isWaitingFor(statuses: readonly V1ContainerStatus[] | undefined, reasons: readonly string[]): boolean {
  return statuses?.some(({ state }) => state?.waiting && reasons.includes(state.waiting.reason ?? '')) ?? false
}

export function hasEndedWith(statuses: readonly V1ContainerStatus[] | undefined, reasons: readonly string[]): boolean {
  return statuses?.some(({ state }) => state?.terminated && reasons.includes(state.terminated.reason ?? '')) ?? false
}

export function hasExitCode(statuses: readonly V1ContainerStatus[] | undefined, codes: readonly number[]): boolean {
  return statuses?.some(({ state }) => state?.terminated && codes.includes(state.terminated.exitCode)) ?? false
}
