// Starts the process that holds the lab, and finds its PID 1.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { labSource, layoutOf } from '../layout.ts'
import type { LabOptions } from '../options.ts'
import type { SetUp } from '../setup/set-up.ts'
import { cgroupOf } from './cgroups.ts'
import { entersLab } from './enter.ts'
import { identify, type ProcessId } from './record.ts'

export type Outer = { readonly outer: ProcessId; readonly init: ProcessId }

export async function startOuter(options: LabOptions, setUp: SetUp): Promise<Outer> {
  const script = join(labSource, 'boot', 'outer.sh')
  const child = execa(script, [cgroupOf(options.name), join(setUp.native, 'init')], {
    detached: true,
    stdio: 'ignore',
    cleanup: false,
    reject: false,
  })
  child.unref()
  const outer = identify(child.pid ?? 0)
  if (!outer) throw new Error('Starting the lab: its first process ended at once')
  const init = await firstChild(outer.pid)
  const { file, args } = entersLab(init.pid, join(labSource, 'boot', 'fabric.sh'), [layoutOf(options.name).state])
  await execa(file, args)
  return { outer, init }
}

async function firstChild(parent: number): Promise<ProcessId> {
  for (let attempt = 0; attempt < 250; attempt++) {
    const found = childrenOf(parent)
      .map(identify)
      .find((process) => process !== undefined && nameOf(process.pid) === 'init')
    if (found) return found
    await sleep(20)
  }
  throw new Error(`Starting the lab: process ${parent} made no namespaces`)
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && parentOf(pid) === parent)
}

function parentOf(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1])
  } catch {
    return undefined
  }
}

/** Empty: it has ended meanwhile, as a shell's subcommands do. */
function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}
