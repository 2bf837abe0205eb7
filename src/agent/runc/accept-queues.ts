// Connections that a peer made and the pod has not accepted yet: criu cannot dump them, so the pod gets a moment to take them.
import { closeSync, openSync, readSync } from 'node:fs'

const listenState = '0A'
/** Of /proc/net/tcp; one of tcp6 comes in two pieces. */
const lineLength = 150

/** Pure: how many wait, over all listeners of a /proc/net/tcp text. A listener's receive queue is its accept queue. */
export function waitingConnections(text: string): number {
  return text
    .split('\n')
    .map(fieldsOf)
    .filter((fields) => stateOf(fields) === listenState)
    .reduce((sum, fields) => sum + Number.parseInt(fields[4]?.split(':')[1] ?? '0', 16), 0)
}

function fieldsOf(line: string): string[] {
  return line.trim().split(/\s+/)
}

function stateOf(fields: readonly string[]): string | undefined {
  return fields[3]
}

export function unaccepted(pid: number): number {
  return ['tcp', 'tcp6'].reduce((sum, table) => sum + waitingConnections(readListeners(pid, table)), 0)
}

/** New ones go to the destination by now, so this ends as soon as the pod gets to run. */
export async function untilAccepted(pid: number, timeoutMs: number): Promise<void> {
  await untilNone(() => unaccepted(pid), timeoutMs)
}

/** Or the time is over. */
export async function untilNone(waiting: () => number, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  while (waiting() > 0 && performance.now() < deadlineMs) await new Promise((resolve) => setTimeout(resolve, 1))
}

/**
 * Listeners come first. All the rest would be looked for through the whole host's table (5 to 10 ms each, in the freeze), so it is read by the
 * length of a line, until the first one that does not listen.
 */
function readListeners(pid: number, table: string): string {
  let file: number | undefined
  try {
    file = openSync(`/proc/${pid}/net/${table}`, 'r')
    const piece = Buffer.alloc(lineLength)
    let text = ''
    while (onlyListeners(text)) {
      const length = readSync(file, piece)
      if (length === 0) break
      text += piece.toString('latin1', 0, length)
    }
    return text
  } catch {
    return ''
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** As far as whole lines say; the first is the heading. */
export function onlyListeners(text: string): boolean {
  const whole = text.split('\n').slice(1, -1)
  return whole.every((line) => stateOf(fieldsOf(line)) === listenState)
}
