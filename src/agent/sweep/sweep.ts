// Removes what no migration of this node needs any more: by the agent now and then, and by hand with `agent sweep [--dry-run]`.
import { readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { realClock } from '../../runtime/clock.ts'
import type { AgentConfig } from '../config.ts'
import { DiskFiles } from '../journal/disk-files.ts'
import { Journal, type JournalFiles } from '../journal/journal.ts'
import { ipsOf, NetworkRecords } from '../network/records.ts'
import { isOpen, type Move } from '../protocol/move.ts'
import type { PodNetwork } from '../rooms.ts'
import { sweepCriuMounts } from './criu-mounts.ts'
import { isNeeded, type NodeView } from './needed.ts'
import { listOwned, type Owned } from './owned.ts'
import { sweepTraces } from './traces.ts'

export interface SweepReport {
  kept: string[]
  removed: string[]
}

/** `movesNow` is asked after the looking: what a move makes, it makes after it was journalled, so nothing young is taken for left behind. */
export async function sweepFiles(config: AgentConfig, movesNow: () => readonly Move[], dryRun: boolean): Promise<SweepReport> {
  const owned = await listOwned(config)
  const pods = await podsOf(config)
  const view: NodeView = { moves: movesNow(), ...pods, nowMs: realClock.nowMs() }
  const left = owned.filter((one) => !isNeeded(one, view))
  if (!dryRun) await Promise.all(left.map((one) => rm(one.path, { recursive: true, force: true })))
  const removed = [...left.map(describe), ...(await sweepCriuMounts(dryRun)), ...(await sweepTraces(config.helper, dryRun))]
  return { kept: owned.filter((one) => !left.includes(one)).map(describe), removed }
}

/** Without the agent, or beside it: reads its journal and changes nothing in it. */
export async function sweepAlone(config: AgentConfig, network: PodNetwork, dryRun: boolean): Promise<SweepReport> {
  const movesNow = () => [...new Journal(readOnly(new DiskFiles(`${config.stateDir}/journal`))).load().values()]
  const files = await sweepFiles(config, movesNow, dryRun)
  const records = new NetworkRecords(config)
  const all = await records.list()
  const open = movesNow()
    .filter(isOpen)
    .map(({ uid }) => uid)
  const needed = new Set([...open, ...(await records.youngHomes()).map(({ uid }) => uid)])
  const kept = all.filter(({ uid }) => needed.has(uid))
  const removed = await network.sweep(open, dryRun)
  const keptNetwork = kept.map((record) => `network record of migration ${record.uid} (${record.role} of ${ipsOf(record).join(', ')})`)
  return { kept: [...files.kept, ...keptNetwork], removed: [...files.removed, ...removed] }
}

/** Logs and folders of pods outlive a reboot, and go when kubelet has forgotten the pod. */
async function podsOf(config: AgentConfig): Promise<Pick<NodeView, 'podUids' | 'podKeys'>> {
  const [folders, logs] = await Promise.all([readdir(path.join(config.kubeletDir, 'pods')).catch(() => []), readdir(config.podLogDir)])
  return { podUids: new Set(folders), podKeys: new Set(logs.map((name) => name.slice(0, name.lastIndexOf('_')))) }
}

function describe({ kind, path: where, uid, podKey }: Owned): string {
  return `${kind} ${where} of ${uid ? `migration ${uid}` : `pod ${(podKey ?? 'nobody').replace('_', '/')}`}`
}

/** Beside an agent that runs: its journal is read, and not a byte of it is changed. */
function readOnly(files: JournalFiles): JournalFiles {
  const nothing = () => undefined
  const { names, read } = { names: () => files.names(), read: (name: string) => files.read(name) }
  return {
    names,
    read,
    cut: nothing,
    append: () => 0,
    sync: nothing,
    remove: nothing,
    reserve: () => false,
    useReserve: () => false,
    close: nothing,
  }
}
