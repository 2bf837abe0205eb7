// The marker that keeps kubelet from starting a second copy of a pod while it is moved away.
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { AgentConfig } from '../config.ts'
import { movingMarker } from '../context.ts'
import { writeDurably } from '../journal/durable-file.ts'

export async function writeMarker(config: AgentConfig, podUid: string, migrationUid: string): Promise<void> {
  const file = movingMarker(config, podUid)
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  await writeDurably(file, `${migrationUid}\n`)
}

export async function removeMarker(config: AgentConfig, podUid: string): Promise<void> {
  await rm(movingMarker(config, podUid), { force: true })
}
