// Where kept images lie on a node, and what is known of them. The file that says so is there before the images, and goes after them.
import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { KeptCheckpoint } from '../../api/agent-wire.ts'
import type { AgentConfig } from '../config.ts'

export type CheckpointPlace = Pick<AgentConfig, 'stateDir' | 'runDir'>

const suffix = '.json'

/** On disk. Of it: <uid>.json, <uid> with a folder of images for each container, and <uid>.part while that is written. */
export function checkpointsFolder({ stateDir }: CheckpointPlace): string {
  return path.join(stateDir, 'checkpoints')
}

/** On tmpfs, as criu left them, until they are on disk. */
export function keepingFolder({ runDir }: CheckpointPlace): string {
  return path.join(runDir, 'keeping')
}

export function recordFile(place: CheckpointPlace, uid: string): string {
  return path.join(checkpointsFolder(place), `${uid}${suffix}`)
}

/** undefined: nothing is kept of it. */
export async function readRecord(place: CheckpointPlace, uid: string): Promise<KeptCheckpoint | undefined> {
  const text = await readFile(recordFile(place, uid), 'utf8').catch(() => '')
  try {
    return KeptCheckpoint.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

export async function readRecords(place: CheckpointPlace): Promise<KeptCheckpoint[]> {
  const names = await readdir(checkpointsFolder(place)).catch(() => [])
  const uids = names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length))
  const records = await Promise.all(uids.toSorted().map((uid) => readRecord(place, uid)))
  return records.filter((record) => record !== undefined)
}
