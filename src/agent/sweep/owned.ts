// What migrations leave on this node besides the network: every file and folder by the migration that owns it.
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { checkpointsFolder, keepingFolder, readRecords } from '../checkpoint/places.ts'
import type { AgentConfig } from '../config.ts'

/** images, work: of one attempt. socket: a stream's. marker: no second start of the source (`podUid`). awaited, restored: a received pod's. checkpoint: images that are kept (`expiresAtMs`), and their record. */
export type OwnedKind = 'images' | 'work' | 'socket' | 'marker' | 'awaited' | 'restored' | 'checkpoint'

export interface Owned {
  kind: OwnedKind
  path: string
  /** The migration; unknown for what belongs to a received pod. */
  uid?: string
  podUid?: string
  /** `<namespace>_<pod>` */
  podKey?: string
  expiresAtMs?: number
}

export async function listOwned(config: AgentConfig): Promise<Owned[]> {
  const { runDir, stateDir } = config
  const lists = [
    list(path.join(runDir, 'images'), (name) => ({ kind: 'images', uid: uidOf(name) })),
    list(path.join(runDir, 'work'), (name) => ({ kind: 'work', uid: uidOf(name) })),
    list(path.join(runDir, 'transport'), (name) => ({ kind: 'socket', uid: name.split('.')[0] ?? name })),
    list(path.join(runDir, 'awaited'), (name) => ({ kind: 'awaited', podKey: name })),
    list(path.join(stateDir, 'restored'), (name) => ({ kind: 'restored', podKey: name })),
    listMarkers(path.join(stateDir, 'moving')),
    listCheckpoints(config),
  ]
  return (await Promise.all(lists)).flat()
}

async function list(folder: string, describe: (name: string) => Omit<Owned, 'path'>): Promise<Owned[]> {
  const names = await readdir(folder).catch(() => [])
  return names.toSorted().map((name) => ({ ...describe(name), path: path.join(folder, name) }))
}

async function listMarkers(folder: string): Promise<Owned[]> {
  const markers = await list(folder, (name) => ({ kind: 'marker', podUid: name }))
  const read = async (marker: Owned): Promise<Owned> => {
    const text = await readFile(marker.path, 'utf8').catch(() => '')
    return { ...marker, uid: text.trim() }
  }
  return Promise.all(markers.map(read))
}

/** Their record is there before they are. */
async function listCheckpoints(config: AgentConfig): Promise<Owned[]> {
  const lists = [checkpointsFolder(config), keepingFolder(config)].map((folder) =>
    list(folder, (name) => ({ kind: 'checkpoint', uid: name.replace(/\..*$/, '') })),
  )
  // A record that is being written is none yet.
  const found = (await Promise.all(lists)).flat().filter((one) => !one.path.endsWith('.new'))
  const records = await readRecords(config)
  return found.map((one) => {
    const record = records.find(({ uid }) => uid === one.uid)
    return record ? { ...one, expiresAtMs: record.expiresAtMs } : one
  })
}

/** `<uid>-source` and `<uid>-destination`. */
function uidOf(name: string): string {
  return name.replace(/-(source|destination)$/, '')
}
