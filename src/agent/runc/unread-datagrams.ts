// Datagrams that came and that the pod has not read yet: criu leaves them out, so the pod gets a moment to read them.
import { readFileSync } from 'node:fs'
import { untilNone } from './until-none.ts'

/** Pure: the sockets of a /proc/net/udp text whose receive queue is not empty. */
export function unreadSockets(text: string): number {
  return text.split('\n').filter((line) => /^[0-9A-F]{8}:(?!0{8})/.test(line.trim().split(/\s+/)[4] ?? '')).length
}

export function unread(pid: number): number {
  return ['udp', 'udp6'].reduce((sum, table) => sum + unreadSockets(readTable(pid, table)), 0)
}

/** As with connections, the next ones wait on the destination by now. One that nobody ever reads makes no move wait for longer than this. */
export async function untilRead(pid: number, timeoutMs: number): Promise<void> {
  await untilNone(() => unread(pid), timeoutMs)
}

function readTable(pid: number, table: string): string {
  try {
    return readFileSync(`/proc/${pid}/net/${table}`, 'latin1')
  } catch {
    return ''
  }
}
