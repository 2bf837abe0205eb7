// Every reason why one pod cannot be moved, all at once: asked by the Validating phase, by admission and by drain.
import type { V1Container, V1Pod } from '@kubernetes/client-node'
import { annotations, runtimeClassName } from '../api/names.ts'
import type { Refusal } from '../api/pod-migration.ts'
import { ownerRefusals } from './owner.ts'
import { movedContainers, sidecars } from './pod-containers.ts'
import { execLiveness } from './post-copy.ts'
import { type ClaimAccessModes, volumeRefusals } from './volumes.ts'

export interface PodQuestions {
  /** Access modes of the pod's claims; undefined: not looked at, claims are then not judged. */
  claims?: ClaimAccessModes
  /** The freeze must be shorter than what the liveness probes bear; undefined or Cold: not judged. */
  freezeWindowBudgetMs?: number
  /** The source stands still for as long as its memory is fetched, and kubelet goes on asking it. */
  postCopy?: boolean
}

/** Pure: the same pod and questions always give the same reasons, in the same order. */
export function podRefusals(pod: V1Pod, questions: PodQuestions = {}): Refusal[] {
  return [
    ...optInRefusals(pod),
    ...stateRefusals(pod),
    ...ownerRefusals(pod),
    ...hostRefusals(pod),
    ...containerRefusals(pod),
    ...volumeRefusals(pod, questions.claims),
    ...probeRefusals(pod, questions.freezeWindowBudgetMs),
    ...(questions.postCopy ? execLivenessRefusals(pod) : []),
  ]
}

function optInRefusals(pod: V1Pod): Refusal[] {
  const found = pod.spec?.runtimeClassName
  const refusals: Refusal[] = []
  if (found !== runtimeClassName) {
    refusals.push({
      code: 'WrongRuntimeClass',
      message: `the pod runs under ${found ? `runtimeClassName ${found}` : 'no runtimeClassName'}, so it has no stand-in on another node`,
      remedy: `set runtimeClassName: ${runtimeClassName} in the pod template; running pods need one ordinary restart`,
    })
  }
  return [...refusals, ...annotationRefusals(pod)]
}

// Other systems name containers in theirs; ours moves a pod whole or not at all.
const migrateAnnotations = [annotations.migrate, 'komodor.com/podmotion-migrate', 'komodor.com/podmotion-live-migrate'] as const

function annotationRefusals(pod: V1Pod): Refusal[] {
  return migrateAnnotations.flatMap((annotation) => {
    const value = pod.metadata?.annotations?.[annotation]
    if (value === undefined || value === 'true') return []
    return value === 'false' || value === '' ? [optedOut(annotation, value)] : namedContainersRefusals(pod, annotation, value)
  })
}

function optedOut(annotation: string, value: string): Refusal {
  return { code: 'OptedOut', message: `annotation ${annotation} is "${value}"`, remedy: `remove the annotation or set it to "true"` }
}

function namedContainersRefusals(pod: V1Pod, annotation: string, value: string): Refusal[] {
  const named = new Set(value.split(',').map((name) => name.trim()))
  const missing = movedContainers(pod).filter((container) => !named.has(container.name))
  if (missing.length === 0) return []
  return [
    {
      code: 'PartialContainers',
      message: `annotation ${annotation} leaves out ${missing.map((container) => container.name).join(', ')}, but a pod moves whole or not at all`,
      remedy: 'name all of its containers, or set it to "true"',
    },
  ]
}

function stateRefusals(pod: V1Pod): Refusal[] {
  const refusals: Refusal[] = []
  if (pod.metadata?.deletionTimestamp) refusals.push({ code: 'Terminating', message: 'the pod is being deleted' })
  if (pod.status?.phase !== 'Running') {
    refusals.push({
      code: 'NotRunning',
      message: `the pod is ${pod.status?.phase ?? 'not started'}, only a Running pod has something to move`,
      remedy: 'wait until it runs',
    })
  } else {
    refusals.push(...stoppedContainers(pod))
  }
  return refusals
}

function stoppedContainers(pod: V1Pod): Refusal[] {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
  const running = new Set(statuses.filter((status) => status.state?.running).map((status) => status.name))
  const stopped = movedContainers(pod).filter((container) => !running.has(container.name))
  if (stopped.length === 0) return []
  return [
    {
      code: 'ContainerNotRunning',
      message: `containers ${stopped.map((container) => container.name).join(', ')} are not running; all containers of a pod move at one instant`,
      remedy: 'wait until all of them run',
    },
  ]
}

function hostRefusals(pod: V1Pod): Refusal[] {
  const spec = pod.spec
  const shared = [
    { code: 'HostNetwork', on: spec?.hostNetwork, what: 'network: its address belongs to the node' },
    { code: 'HostPid', on: spec?.hostPID, what: 'process numbers, which another node does not have free' },
    { code: 'HostIpc', on: spec?.hostIPC, what: 'shared memory' },
  ]
  const refusals: Refusal[] = shared
    .filter((entry) => entry.on)
    .map(({ code, what }) => ({
      code,
      message: `the pod uses its node's ${what}`,
      remedy: `remove ${hostField(code)} from the pod template`,
    }))
  if (pod.metadata?.name?.includes('.') && !spec?.hostname) {
    refusals.push({ code: 'DottedName', message: 'the name has a dot, which no hostname field can keep', remedy: 'set spec.hostname' })
  }
  return refusals
}

function hostField(code: string): string {
  return { HostNetwork: 'hostNetwork', HostPid: 'hostPID', HostIpc: 'hostIPC' }[code] ?? code
}

function containerRefusals(pod: V1Pod): Refusal[] {
  const refusals = movedContainers(pod).flatMap((container) => [
    ...deviceRefusals(container),
    ...privilegeRefusals(container),
    ...terminalRefusals(container),
  ])
  if (pod.spec?.resourceClaims?.length) {
    refusals.push({ code: 'ResourceClaims', message: 'the pod uses resource claims (devices), which stay on their node' })
  }
  if (pod.spec?.ephemeralContainers?.length) {
    const names = pod.spec.ephemeralContainers.map((container) => container.name).join(', ')
    refusals.push({
      code: 'EphemeralContainers',
      message: `debug containers ${names} cannot be created again`,
      remedy: 'restart the pod once',
    })
  }
  return refusals
}

function deviceRefusals(container: V1Container): Refusal[] {
  const extended = Object.keys({ ...container.resources?.requests, ...container.resources?.limits }).filter((name) => name.includes('/'))
  const devices = [...new Set(extended), ...(container.volumeDevices ?? []).map((device) => device.devicePath)]
  if (devices.length === 0) return []
  return [{ code: 'Devices', message: `container ${container.name} uses ${devices.join(', ')}: devices stay on their node` }]
}

function privilegeRefusals(container: V1Container): Refusal[] {
  if (!container.securityContext?.privileged) return []
  return [
    {
      code: 'Privileged',
      message: `container ${container.name} is privileged: what it did to its node does not move with it`,
      remedy: 'give it the capabilities it needs instead of privileged: true',
    },
  ]
}

/** The OCI wrapper has no stand-in with a terminal: the destination pod would never stand. */
function terminalRefusals({ name, tty }: V1Container): Refusal[] {
  if (!tty) return []
  return [
    {
      code: 'Terminal',
      message: `container ${name} has a terminal (tty: true), which its node's container runtime holds`,
      remedy: 'remove tty from the pod template',
    },
  ]
}

/** Kubelet kills a frozen source whose liveness probe fails long enough, so the probe has to outlast the freeze. */
function probeRefusals(pod: V1Pod, freezeWindowBudgetMs: number | undefined): Refusal[] {
  const refusals = sidecars(pod)
    .filter((sidecar) => sidecar.startupProbe)
    .map((sidecar) => ({
      code: 'SidecarStartupProbe',
      message: `sidecar ${sidecar.name} has a startupProbe, for which kubelet would wait before it starts the other stand-ins`,
      remedy: 'use a readinessProbe',
    }))
  if (freezeWindowBudgetMs === undefined) return refusals
  return [...refusals, ...movedContainers(pod).flatMap((container) => livenessRefusals(container, freezeWindowBudgetMs))]
}

function execLivenessRefusals(pod: V1Pod): Refusal[] {
  return execLiveness(pod).map((obstacle) => ({
    code: 'PostCopyExecLiveness',
    message: `spec.mode PostCopy: ${obstacle}`,
    remedy: 'use mode PreCopy, or an HTTP, TCP or gRPC probe',
  }))
}

function livenessRefusals(container: V1Container, freezeWindowBudgetMs: number): Refusal[] {
  const probe = container.livenessProbe
  if (!probe) return []
  const patienceMs = (probe.failureThreshold ?? 3) * (probe.periodSeconds ?? 10) * 1000
  if (patienceMs > freezeWindowBudgetMs) return []
  return [
    {
      code: 'LivenessTooShort',
      message: `container ${container.name}: its liveness probe gives up after ${patienceMs} ms, the freeze may take ${freezeWindowBudgetMs} ms`,
      remedy: 'raise failureThreshold × periodSeconds, or lower freezeWindowBudgetMs',
    },
  ]
}
