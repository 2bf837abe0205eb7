// Freezes and thaws containers by writing to their cgroups: all at once, waiting for none before all were told.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { CodedError } from '../../runtime/errors.ts'
import type { Freezer } from './state.ts'

/** A task in an uninterruptible sleep can hold a freeze up; longer than this is a refusal, not a wait. */
const freezeTimeoutMs = 2000

export async function freeze(freezers: readonly Freezer[]): Promise<void> {
  for (const freezer of freezers) tell(freezer, true)
  await waitUntil(freezers, true, freezeTimeoutMs)
}

/** Missing folders are containers that ended: nothing to thaw. */
export async function thaw(freezers: readonly Freezer[]): Promise<void> {
  const there = freezers.filter((freezer) => readState(freezer) !== undefined)
  for (const freezer of there) tell(freezer, false)
  await waitUntil(there, false, freezeTimeoutMs)
}

export function isFrozen(freezer: Freezer): boolean {
  return readState(freezer) === true
}

/** All processes of the container, those in cgroups below it included. */
export function processesOf(folder: string): number[] {
  const own = readFileSync(path.join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)
  const below = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => processesOf(path.join(folder, entry.name)))
  return [...own, ...below]
}

function tell({ version, folder }: Freezer, frozen: boolean): void {
  if (version === 1) writeFileSync(`${folder}/freezer.state`, frozen ? 'FROZEN' : 'THAWED')
  else writeFileSync(`${folder}/cgroup.freeze`, frozen ? '1' : '0')
}

async function waitUntil(freezers: readonly Freezer[], frozen: boolean, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  // Reading v1's state is also what makes the kernel look again whether all tasks have stopped.
  while (freezers.some((freezer) => (readState(freezer) ?? frozen) !== frozen)) {
    if (performance.now() > deadlineMs) throw failure(frozen, timeoutMs)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function failure(frozen: boolean, timeoutMs: number): CodedError {
  const what = frozen ? 'Freezing' : 'Thawing'
  return new CodedError(
    'FreezeFailed',
    `${what} the pod: its processes did not follow within ${timeoutMs} ms (one sleeps uninterruptibly?): try again`,
  )
}

/** undefined: the cgroup is gone. */
function readState({ version, folder }: Freezer): boolean | undefined {
  try {
    if (version === 1) return readFileSync(`${folder}/freezer.state`, 'utf8').trim() === 'FROZEN'
    return /^frozen 1$/m.test(readFileSync(`${folder}/cgroup.events`, 'utf8'))
  } catch {
    return undefined
  }
}
