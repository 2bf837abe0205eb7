// Connections that a peer made and the pod has not accepted yet: criu cannot dump them, so the pod gets a moment to take them.
import { readFileSync } from 'node:fs'

const listenState = '0A'

/** Pure: how many wait, over all listeners of a /proc/net/tcp text. A listener's receive queue is its accept queue. */
export function waitingConnections(text: string): number {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === listenState)
    .reduce((sum, fields) => sum + Number.parseInt(fields[4]?.split(':')[1] ?? '0', 16), 0)
}

export function unaccepted(pid: number): number {
  return ['tcp', 'tcp6'].reduce((sum, table) => sum + waitingConnections(readTable(pid, table)), 0)
}

/** New ones go to the destination by now, so this ends as soon as the pod gets to run. */
export async function untilAccepted(pid: number, timeoutMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + timeoutMs
  while (unaccepted(pid) > 0) {
    if (performance.now() > deadlineMs) return false
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return true
}

function readTable(pid: number, table: string): string {
  try {
    return readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
  } catch {
    return ''
  }
}
