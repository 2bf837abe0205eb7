// A running container as runc's and containerd's files describe it: no program is started to ask.
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { CodedError } from '../../runtime/errors.ts'

export const containerdRoot = '/run/containerd'
export const runcRoot = `${containerdRoot}/runc/k8s.io`
const bundleRoot = `${containerdRoot}/io.containerd.runtime.v2.task/k8s.io`

const RuncState = z.looseObject({
  init_process_pid: z.int().positive(),
  cgroup_paths: z.record(z.string(), z.string()),
})

const BundleConfig = z.looseObject({
  annotations: z.record(z.string(), z.string()).default({}),
  mounts: z.array(z.looseObject({ destination: z.string(), source: z.string().optional() })).default([]),
})

export interface RunningContainer {
  name: string
  id: string
  bundle: string
  initPid: number
  freezer: Freezer
}

/** v1: the freezer hierarchy's folder; v2: the one folder. */
export interface Freezer {
  version: 1 | 2
  folder: string
}

export interface RunningPod {
  containers: RunningContainer[]
  /** A process that lives as long as the pod's network namespace: the pause container's, else the first container's. */
  sandboxPid: number
}

export function bundleOf(id: string): string {
  return path.join(bundleRoot, checkedId(id))
}

export async function readContainer(name: string, id: string): Promise<RunningContainer> {
  const state = await readState(id)
  return { name, id, bundle: bundleOf(id), initPid: state.init_process_pid, freezer: freezerOf(state.cgroup_paths) }
}

export async function readPod(containers: readonly { name: string; id: string }[]): Promise<RunningPod> {
  const running = await Promise.all(containers.map(({ name, id }) => readContainer(name, id)))
  const first = running[0] as RunningContainer
  return { containers: running, sandboxPid: (await sandboxPidOf(first.bundle)) ?? first.initPid }
}

export function freezerOf(cgroupPaths: Readonly<Record<string, string>>): Freezer {
  if (cgroupPaths.freezer) return { version: 1, folder: cgroupPaths.freezer }
  const unified = cgroupPaths['']
  if (unified) return { version: 2, folder: unified }
  throw new CodedError(
    'NoFreezer',
    `Looking for the container's freezer: runc knows the cgroups ${Object.keys(cgroupPaths).join(', ')} only`,
  )
}

export async function sandboxPidOf(bundle: string): Promise<number | undefined> {
  try {
    const config = BundleConfig.parse(JSON.parse(await readFile(`${bundle}/config.json`, 'utf8')))
    const sandboxId = config.annotations['io.kubernetes.cri.sandbox-id']
    return sandboxId === undefined ? undefined : (await readState(sandboxId)).init_process_pid
  } catch {
    return undefined
  }
}

/**
 * The folder behind the pod's /dev/shm, one for all its containers: a mount from outside to criu, which leaves its contents to us.
 * undefined: the pod has a volume there, which travels as one.
 */
export async function sharedMemoryFolder(bundle: string): Promise<string | undefined> {
  const config = BundleConfig.parse(JSON.parse(await readFile(`${bundle}/config.json`, 'utf8')))
  const source = config.mounts.find((mount) => mount.destination === '/dev/shm')?.source
  return source?.startsWith(`${containerdRoot}/`) ? source : undefined
}

async function readState(id: string): Promise<z.infer<typeof RuncState>> {
  const file = path.join(runcRoot, checkedId(id), 'state.json')
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CodedError(
      'ContainerNotRunning',
      `Reading the state of container ${id.slice(0, 13)}: runc knows no such container here: is it running under the RuntimeClass podmotion?`,
      { cause },
    )
  })
  return RuncState.parse(JSON.parse(text))
}

function checkedId(id: string): string {
  if (/^[0-9a-zA-Z][0-9a-zA-Z_.-]{0,127}$/.test(id) && !id.includes('..')) return id
  throw new CodedError('InvalidContainerId', `Reading a container: "${id.slice(0, 130)}" is no containerd id`)
}
