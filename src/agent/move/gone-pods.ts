// What a received pod needed on its node goes when the pod has gone: its meeting folder and the marks that its containers were restored.
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import type { AgentConfig } from '../config.ts'

/**
 * Pure. Folders are named <namespace>_<pod>, kubelet's log folders <namespace>_<pod>_<uid>; those last as long as kubelet knows the pod,
 * and no name has an underscore.
 */
export function goneFolders(folders: readonly string[], logFolders: readonly string[], open: ReadonlySet<string>): string[] {
  const known = new Set(logFolders.map((name) => name.slice(0, name.lastIndexOf('_'))))
  return folders.filter((name) => !known.has(name) && !open.has(name))
}

export async function sweepGonePods(config: AgentConfig, open: ReadonlySet<string>): Promise<void> {
  const places = [path.join(config.runDir, 'awaited'), path.join(config.stateDir, 'restored')]
  for (const place of places) {
    // In this order: a pod that comes between the two is known.
    const folders = await readdir(place).catch(() => [])
    const logFolders = await readdir(config.podLogDir)
    const gone = goneFolders(folders, logFolders, open)
    await Promise.all(gone.map((name) => rm(path.join(place, name), { recursive: true, force: true })))
  }
}
