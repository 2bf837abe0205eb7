// The processes that the kill tests end with SIGKILL, found in /proc of this machine: nodes are PID namespaces, so all are visible.
import { readdirSync, readFileSync } from 'node:fs'
import type { Machine } from '../machine.ts'

export const victims = ['controller', 'sourceAgent', 'destinationAgent', 'sourceCriu', 'destinationCriu', 'standIn'] as const
export type Victim = (typeof victims)[number]

export interface NodeProcess {
  pid: number
  parent: number
  /** Its pid in each PID namespace from this machine's inwards. */
  pids: number[]
  args: string[]
}

/** All below the node's first process, those in containers included. */
export function processesOn(node: Machine): NodeProcess[] {
  const all = allPids().flatMap(describe)
  const known = new Map(all.map((one) => [one.pid, one]))
  return all.filter((one) => isBelow(one, node.pid, (pid) => known.get(pid)))
}

/** The same, quicker where few are wanted: what they are called is read of all, the rest of those alone. */
export function findOn(node: Machine, isWanted: (args: readonly string[]) => boolean): NodeProcess[] {
  const wanted = allPids().filter((pid) => isWanted(argsOf(pid)))
  return wanted.flatMap(describe).filter((one) => isBelow(one, node.pid, (pid) => describe(pid)[0]))
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
}

function argsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
  } catch {
    return []
  }
}

function isBelow({ parent }: NodeProcess, root: number, find: (pid: number) => NodeProcess | undefined): boolean {
  for (let pid = parent; pid !== root; pid = find(pid)?.parent ?? 0) if (pid === 0) return false
  return true
}

function describe(pid: number): NodeProcess[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const field = (name: string): string => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? ''
    return [{ pid, parent: Number(field('PPid')), pids: field('NSpid').split(/\s+/).map(Number), args: argsOf(pid) }]
  } catch {
    // It has ended meanwhile.
    return []
  }
}

export function findVictims(victim: Victim, node: Machine): number[] {
  if (victim !== 'standIn') return findOn(node, (args) => isVictim(victim, args)).map((one) => one.pid)
  const all = processesOn(node)
  const standIns = new Set(standInPids(node))
  const depth = pidDepth(node)
  return all.filter((one) => standIns.has(one.pids[depth] ?? 0)).map((one) => one.pid)
}

/** runc's child, also under the name that it takes when it begins. */
export function isCriu(args: readonly string[]): boolean {
  return args.includes('swrk') || args[0]?.startsWith('criu: ') === true
}

function isVictim(victim: Victim, args: readonly string[]): boolean {
  if (victim === 'controller') return args[1] === '/app/controller.cjs'
  if (victim === 'sourceAgent' || victim === 'destinationAgent') return args[1] === '/app/agent.cjs'
  return isCriu(args)
}

function pidDepth(node: Machine): number {
  return (describe(node.pid)[0]?.pids.length ?? 1) - 1
}

function standInPids(node: Machine): number[] {
  const folder = `/proc/${node.pid}/root/run/podmotion/standins`
  try {
    return readdirSync(folder).map((id) => Number(readFileSync(`${folder}/${id}`, 'utf8').split('\n')[0]))
  } catch {
    return []
  }
}

export function kill(pids: readonly number[]): number {
  let killed = 0
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
      killed++
    } catch {
      // It has ended meanwhile.
    }
  }
  return killed
}
