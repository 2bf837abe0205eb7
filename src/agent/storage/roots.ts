// Where the folders of a pod are on this node, as the agent sees them.
import { lstat, stat } from 'node:fs/promises'
import path from 'node:path'
import type { AgentConfig } from '../config.ts'
import type { StorageRoot } from './daemon-configuration.ts'

export function emptyDirFolder(config: AgentConfig, podUid: string, volume: string): string {
  return path.join(config.kubeletDir, 'pods', podUid, 'volumes', 'kubernetes.io~empty-dir', volume)
}

/** The folder of a root; throws when it is not there or is not what it should be. */
export async function resolveRoot(config: AgentConfig, root: StorageRoot): Promise<string> {
  if (root.kind === 'rootfs') return await mountedRootfs(config, root.bundle)
  const folder = emptyDirFolder(config, root.podUid, root.volume)
  const found = await lstat(folder).catch(() => undefined)
  if (!found?.isDirectory()) throw new Error(`Looking for volume ${root.volume}: ${folder} is no directory: is the pod's sandbox ready?`)
  return folder
}

/** containerd mounts a container's root after the agent started, so its own view may lack it (no mount propagation for /run). */
export async function mountedRootfs(config: AgentConfig, bundle: string): Promise<string> {
  const folder = path.join(bundle, 'rootfs')
  for (const candidate of [folder, ...hostViews(config, folder)]) {
    if (await isMountPoint(candidate)) return candidate
  }
  throw new Error(`Looking for the root of a container: nothing is mounted on ${folder}: is the container created?`)
}

/** A folder of the host that the agent does not share: through the host's root, or through the host's first process. */
export async function hostFolder(config: AgentConfig, folder: string): Promise<string> {
  for (const candidate of [...hostViews(config, folder), folder]) {
    const found = await stat(candidate).catch(() => undefined)
    if (found?.isDirectory()) return candidate
  }
  throw new Error(`Looking for ${folder} on the host: it is not there: is ${config.hostRoot} the host's root?`)
}

function hostViews(config: AgentConfig, folder: string): string[] {
  return [path.join(config.hostRoot, folder), `/proc/1/root${folder}`]
}

async function isMountPoint(folder: string): Promise<boolean> {
  const [own, parent] = await Promise.all([stat(folder), stat(path.dirname(folder))]).catch(() => [undefined, undefined])
  return own !== undefined && parent !== undefined && own.dev !== parent.dev
}
