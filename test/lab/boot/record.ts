// What is written down about a running lab, so that any later command finds it.
import { existsSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { layoutOf } from '../layout.ts'
import type { LabOptions } from '../options.ts'
import type { SetUp } from '../setup/set-up.ts'

// A process id alone may have been given to somebody else since.
export type ProcessId = { readonly pid: number; readonly startTime: string }

export type LabRecord = {
  readonly options: LabOptions
  readonly setUp: SetUp
  readonly outer: ProcessId
  readonly init: ProcessId
}

export async function writeRecord(record: LabRecord): Promise<void> {
  await writeFile(layoutOf(record.options.name).record, JSON.stringify(record, null, 2))
}

export function readRecord(name: string): LabRecord | undefined {
  const file = layoutOf(name).record
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as LabRecord
  } catch {
    // A lab that died while it was written: what it left is found by its cgroups.
    return undefined
  }
}

export function identify(pid: number): ProcessId | undefined {
  const startTime = startTimeOf(pid)
  return startTime === undefined ? undefined : { pid, startTime }
}

export function isAlive({ pid, startTime }: ProcessId): boolean {
  return startTimeOf(pid) === startTime
}

// Field 22 of stat; the command in field 2 may hold spaces and brackets.
function startTimeOf(pid: number): string | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
