// The folders of a pod that travel by rsync: its emptyDirs and the writable layer of each container.
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { AgentConfig } from '../config.ts'
import type { NodeReason, StorageDestination, StoragePod } from '../rooms.ts'
import { type StorageRoot, tokenOf } from './daemon-configuration.ts'
import type { SyncedFolder } from './mapped-files.ts'
import { overlayLayers, parseMountInfo } from './mount-info.ts'
import { emptyDirFolder, hostFolder, mountedRootfs } from './roots.ts'
import type { LayerView } from './upper-tree.ts'

export interface SyncedRoot {
  /** For messages: `emptyDir data`, `writable layer of app`. */
  label: string
  folder: string
  /** Only for writable layers: what is listed and what is measured. */
  layers?: LayerView
  /** How mappings of the pod's processes are recognised as files of this folder. */
  identity: SyncedFolder
  /** The same folder on the destination. */
  target: (destination: StorageDestination) => StorageRoot
}

export async function syncedRoots(config: AgentConfig, pod: StoragePod): Promise<SyncedRoot[]> {
  const volumes = pod.volumes.filter(({ kind }) => kind === 'emptyDir' || kind === 'emptyDirMemory')
  const mounts = parseMountInfo(await readFile('/proc/1/mountinfo', 'utf8'))
  return await Promise.all([
    ...volumes.map((volume) => emptyDirRoot(config, pod.uid, volume.name)),
    ...pod.containers.map((container) => writableLayerRoot(config, container, mounts)),
  ])
}

async function emptyDirRoot(config: AgentConfig, podUid: string, volume: string): Promise<SyncedRoot> {
  const folder = emptyDirFolder(config, podUid, volume)
  const [own, parent] = await Promise.all([stat(folder), stat(path.dirname(folder))])
  const ownFileSystem = own.dev !== parent.dev
  return {
    label: `emptyDir ${volume}`,
    folder,
    identity: { device: deviceText(own.dev), rootSuffix: ownFileSystem ? '/' : `/${podUid}/volumes/kubernetes.io~empty-dir/${volume}` },
    target: (destination) => ({ kind: 'emptyDir', podUid: destination.podUid, volume }),
  }
}

async function writableLayerRoot(
  config: AgentConfig,
  container: StoragePod['containers'][number],
  mounts: ReturnType<typeof parseMountInfo>,
): Promise<SyncedRoot> {
  const folder = await mountedRootfs(config, container.bundle)
  const layers = overlayLayers(mounts, path.join(container.bundle, 'rootfs'))
  if (!layers) {
    throw new Error(`Reading the writable layer of ${container.name}: its root is no overlay: use containerd's overlayfs snapshotter`)
  }
  const [upper = '', ...lowers] = await Promise.all([layers.upper, ...layers.lowers].map((layer) => hostFolder(config, layer)))
  return {
    label: `writable layer of ${container.name}`,
    folder,
    layers: { merged: folder, upper, lowers },
    identity: { device: deviceText((await stat(folder)).dev), rootSuffix: '/' },
    target: (destination) => {
      const bundle = destination.bundles[container.name]
      if (bundle === undefined) throw new Error(`Copying the writable layer of ${container.name}: the destination has no such container`)
      return { kind: 'rootfs', bundle }
    },
  }
}

export function tokenFor(root: SyncedRoot, destination: StorageDestination): string {
  return tokenOf(root.target(destination))
}

function deviceText(device: number): string {
  // glibc's makedev: the minor is split around the major.
  const major = ((device >>> 8) & 0xfff) | 0
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00)
  return `${major}:${minor}`
}

/** Volumes that no tier can carry, by the kinds that the controller gave. */
export function volumeReasons(pod: StoragePod): NodeReason[] {
  return pod.volumes
    .filter(({ kind }) => kind === 'skip')
    .map(({ name }) => ({
      code: 'VolumeNotMovable',
      message: `volume ${name} is of a kind that cannot be carried or attached on another node: it would be empty or another one there`,
      remedy: 'use an emptyDir, a shared (ReadWriteMany) volume, or storageStrategy Skip if its contents do not matter',
      blocking: true,
    }))
}
