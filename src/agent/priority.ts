// The agent's share of its node's processor. While it dumps and sends, a pod stands still, and every lost time slice is its freeze: then its
// work comes first. Whatever it does while the pod runs, before and after, takes slices from pods: then it is a process like any other, and
// while it copies memory it takes what is left.
import type { ChildProcess } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import type { MoveState } from '../api/agent-wire.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import type { AgentConfig } from './config.ts'
import type { Moves } from './moves.ts'
import type { Move } from './protocol/move.ts'
import { isToBeUndone } from './protocol/source.ts'

/** From the resume on, who has waited for the pod is served first: all that is left of the move can wait for that. */
export const serveFirstMs = 150

const foremostNice = -20
const firstNice = -15
const ordinaryNice = 0
/** As the tracker's (track-pace.c): a tenth of the weight of an ordinary thread. */
const aheadNice = 10

/** States in which a pod waits for this agent. */
const waitedFor = new Set<MoveState>(['frozen', 'granted', 'holding', 'restoring', 'held', 'committed'])

/** The main thread's nice, which does all that the agent does itself; undefined: not ours to set. */
let nice: number | undefined
let copies = 0
/** Programs that are as urgent as the agent, whatever it comes to while they run. */
const alike = new Set<number>()

/**
 * Out of the pod's share (and throttling) of the processor, with all programs it starts; memory and pids stay accounted to the pod.
 * Only where the cpu controller has a hierarchy of its own (cgroup v1): in v2 a process leaves all its accounts or none.
 */
export function takePriority({ cgroupDir }: AgentConfig): void {
  const processes = `${cgroupDir}/cpu/cgroup.procs`
  try {
    if (existsSync(processes)) writeFileSync(processes, String(process.pid))
    setPriority(firstNice)
    nice = firstNice
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'taking priority on the processor failed')
  }
}

/** Whether a pod waits for this agent, be it to be thawed, in a move other than that of UID. */
export function isWaitedFor(moves: Moves, uid?: string): boolean {
  return moves.list().some((move) => move.uid !== uid && waits(move))
}

export function waits(move: Move): boolean {
  // Running again: what is left of its move can wait.
  if (move.steps.some(({ step }) => step === 'resumed' || step === 'thawed')) return false
  return waitedFor.has(move.state) || (move.role === 'source' && isToBeUndone(move))
}

/** While WORK copies memory of a pod that runs, unless another pod waits. */
export async function copyAhead<T>(moves: Moves, work: () => Promise<T>): Promise<T> {
  copies++
  review(moves)
  try {
    return await work()
  } finally {
    copies--
    review(moves)
  }
}

/** A move has come to where a pod waits for this agent, or waits no longer. */
export function review(moves: Moves): void {
  const wanted = isWaitedFor(moves) ? firstNice : copies > 0 ? aheadNice : ordinaryNice
  if (nice === undefined || nice === wanted) return
  try {
    setPriority(wanted)
    nice = wanted
    for (const pid of alike) give(pid, wanted)
  } catch (error) {
    log.warn({ reason: messageOf(error) }, 'changing the priority on the processor failed')
  }
}

/** A program that waits for the freeze is started before it. */
export function putFirst(pid: number | undefined): void {
  raise(pid, firstNice)
}

/** Not as slow as a copy: something may wait for the program that did not wait when it was started. */
export function putBeforeCopies(pid: number | undefined): void {
  if (nice === aheadNice) raise(pid, ordinaryNice)
}

/** A program that carries files: it may be there before the freeze and in it. */
export function keepAlike(child: Pick<ChildProcess, 'pid' | 'once'>): void {
  const { pid } = child
  if (pid === undefined) return
  alike.add(pid)
  child.once('exit', () => alike.delete(pid))
}

/** Before all else of the freeze: the dump is what it waits for. */
export function putForemost(pid: number | undefined): void {
  raise(pid, foremostNice)
}

function raise(pid: number | undefined, to: number): void {
  if (nice !== undefined && nice !== to && pid !== undefined) give(pid, to)
}

function give(pid: number, to: number): void {
  try {
    setPriority(pid, to)
  } catch {
    // It has ended, or keeps what it has.
  }
}
