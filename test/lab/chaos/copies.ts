// The copies of the chaos pod, seen from outside: who runs, and whether the source lived on after the destination had committed.
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../machine.ts'
import { journalOf } from '../product/journals.ts'
import { processesOn } from '../product/victims.ts'
import type { Scene } from './scene.ts'
import { programMark } from './workload.ts'

const lookEveryMs = 20

export function copiesOn(nodes: readonly Machine[]): string[] {
  return nodes.flatMap((node) => {
    const found = processesOn(node).filter(({ args }) => args[0] === 'python3' && args.some((arg) => arg.includes(programMark)))
    return found.map(({ pid }) => `${node.name} process ${pid}${isFrozen(pid) ? ' (frozen)' : ''}`)
  })
}

function isFrozen(pid: number): boolean {
  try {
    const cgroup = /^\d+:freezer:(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? ''
    return readFileSync(`/sys/fs/cgroup/freezer${cgroup}/freezer.state`, 'utf8').trim() !== 'THAWED'
  } catch {
    return false
  }
}

/** The number that the copy of a pod on a node writes into its own file every 20 ms; nobody else writes there on the source. */
export function ticksOf(node: Machine, podUid: string): { start: string; number: number } | undefined {
  try {
    const volume = 'volumes/kubernetes.io~empty-dir/data/ticks'
    const [start = '', number] = readFileSync(`/proc/${node.pid}/root/var/lib/kubelet/pods/${podUid}/${volume}`, 'utf8').split(' ')
    return { start, number: Number(number) }
  } catch {
    // The node is off, or the pod's folder is gone.
    return undefined
  }
}

/** Watches until told that it is over; afterwards: what the source did after the commit, which must be nothing. */
export async function watchSource({ source, destination, uid, pod }: Scene, over: AbortSignal): Promise<string[]> {
  const podUid = pod.metadata?.uid ?? ''
  while (!over.aborted && !committedOn(destination, uid)) await sleep(lookEveryMs)
  const atCommit = ticksOf(source, podUid)
  const wrong = new Set<string>()
  while (!over.aborted) {
    const now = ticksOf(source, podUid)
    if (atCommit && now && (now.start !== atCommit.start || now.number !== atCommit.number))
      wrong.add(`the source ran after the commit: it was at ${atCommit.start} ${atCommit.number}, then at ${now.start} ${now.number}`)
    await sleep(lookEveryMs)
  }
  return [...wrong].slice(0, 3)
}

export function committedOn(destination: Machine, uid: string): boolean {
  try {
    return journalOf(destination, uid).includes('"state":"committed"')
  } catch {
    // Its power is off.
    return false
  }
}
