// What the source agent sees of a pod before anything happens: sizes, connections, and every reason against a move.
import { readFileSync } from 'node:fs'
import type { Inventory, InventoryRequest } from '../../api/agent-wire.ts'
import type { AgentContext } from '../context.ts'
import { isBelow } from '../criu/process-tree.ts'
import { readReasons } from '../criu/sockets.ts'
import type { NodeReason } from '../rooms.ts'
import { processesOf } from '../runc/freezer.ts'
import { type RunningContainer, type RunningPod, readPod } from '../runc/state.ts'
import { touchedMemory } from './touched.ts'

export async function takeInventory({ config, network, storage }: AgentContext, request: InventoryRequest): Promise<Inventory> {
  const { pod, podCidrs, serviceIps } = request
  const running = await readPod(pod.containers)
  const pids = processesOfPod(running)
  const storagePod = { uid: pod.uid, containers: running.containers, volumes: pod.volumes }
  const [survey, { reasons, ...files }, descriptors, touched] = await Promise.all([
    network.survey({ ips: pod.ips, sandboxPid: running.sandboxPid, podCidrs, serviceIps }),
    storage.measure(storagePod),
    readReasons(config, pids),
    touchedMemory(pids),
  ])
  return {
    connections: survey.connections,
    listeners: survey.listeners,
    memoryBytes: pids.reduce((sum, pid) => sum + residentBytes(pid), 0),
    ...touched,
    ...files,
    processes: pids.length,
    reasons: [...survey.reasons, ...reasons, ...descriptors.map(descriptorReason), ...running.containers.flatMap(strangers)],
  }
}

function processesOfPod(pod: RunningPod): number[] {
  return pod.containers.flatMap(({ freezer }) => processesOf(freezer.folder))
}

function descriptorReason(sentence: string): NodeReason {
  return {
    code: 'DescriptorNotMovable',
    message: `Looking at the pod's descriptors: ${sentence}`,
    remedy: 'exclude the pod with the annotation podmotion.io/migrate: "false", or change the program',
    blocking: true,
  }
}

/** `kubectl exec`: its process hangs on a stream of the source's runtime, which stays behind. */
function strangers({ name, initPid, freezer }: RunningContainer): NodeReason[] {
  const others = processesOf(freezer.folder).filter((pid) => !isBelow(initPid, pid))
  if (others.length === 0) return []
  const message = `Looking at container ${name}: ${others.length} processes were put in from outside (kubectl exec?): ${others.slice(0, 5).map(describe).join(', ')}`
  return [{ code: 'ExecInProgress', message, remedy: 'end the kubectl exec sessions, then try again', blocking: true }]
}

function describe(pid: number): string {
  return `${pid} (${readProcFile(pid, 'comm').trim()})`
}

/** Shared pages count once per process that maps them as a proportional share. */
function residentBytes(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+) kB/m.exec(readProcFile(pid, 'smaps_rollup'))?.[1]
  return Number(kilobytes ?? 0) * 1024
}

function readProcFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}
