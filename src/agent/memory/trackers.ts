// Which tracker copies memory ahead of the freeze, by what the source's kernel can tell of written pages.
import { access } from 'node:fs/promises'
import { release } from 'node:os'
import type { AgentConfig, MemoryTracker } from '../config.ts'
import { programPath } from '../install/programs.ts'
import { isAtLeast, parseVersion } from '../install/versions.ts'
import { runOnHost } from '../run.ts'

/** Write-protection without a fault that somebody has to answer (UFFD_FEATURE_WP_ASYNC), and PAGEMAP_SCAN. */
const userfaultfdFrom = '6.7'
/** Exit codes from here on are of who should have started criu. */
const cannotStart = 126

export interface KernelTrackers {
  userfaultfd: boolean
  softDirty: boolean
}

export async function kernelTrackers(config: AgentConfig): Promise<KernelTrackers> {
  const [userfaultfd, softDirty] = await Promise.all([protectsAsynchronously(), tracksSoftDirty(config)])
  return { userfaultfd, softDirty }
}

/** Pure: whether the destination is to be asked for them, which starts them. */
export function wantsStores(wanted: MemoryTracker, { userfaultfd }: KernelTrackers): boolean {
  return userfaultfd && (wanted === 'auto' || wanted === 'userfaultfd')
}

type Choice = { tracker: 'userfaultfd' | 'soft-dirty' } | { reason: string }

/** Pure. `stores`: the destination has somewhere to put what our tracker sends. */
export function chooseTracker(wanted: MemoryTracker, { userfaultfd, softDirty }: KernelTrackers, stores: boolean): Choice {
  if (wanted === 'none') return { reason: "MEMORY_TRACKER=none in the agent's environment: no memory is copied ahead" }
  if (wanted !== 'soft-dirty' && userfaultfd && stores) return { tracker: 'userfaultfd' }
  if (wanted !== 'userfaultfd' && softDirty) return { tracker: 'soft-dirty' }
  if (wanted !== 'soft-dirty' && userfaultfd)
    return { reason: 'the destination cannot take memory ahead: see podmotion-pages in native/README.md' }
  return { reason: `the source's kernel cannot tell which pages are written: ${missing[wanted]}` }
}

const missing = {
  auto: `it has no soft-dirty bits, and is older than Linux ${userfaultfdFrom}`,
  userfaultfd: `it is older than Linux ${userfaultfdFrom}`,
  'soft-dirty': 'it has no soft-dirty bits',
}

async function protectsAsynchronously(): Promise<boolean> {
  const there = await access('/proc/sys/vm/unprivileged_userfaultfd').then(
    () => true,
    () => false,
  )
  return there && isAtLeast(parseVersion(release()) ?? '0', userfaultfdFrom)
}

/** A kernel stays what it is; criu itself may not be there yet. */
let softDirty: boolean | undefined

async function tracksSoftDirty(config: AgentConfig): Promise<boolean> {
  if (softDirty !== undefined) return softDirty
  const criu = await programPath(config, 'criu')
  const result = await runOnHost(criu, ['check', '--feature', 'mem_dirty_track'], { reject: false }).catch(() => undefined)
  if (result && result.exitCode < cannotStart) softDirty = result.exitCode === 0
  return softDirty ?? false
}
