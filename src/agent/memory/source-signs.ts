// Whether the node that still has memory of a pod is there at all: its kernel answers, or its kubelet renews its lease. An agent that is
// stopped or away, or a disk that is busy, is no reason to give it up.
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Kubelet renews its lease every 10 s; a node that is rebooted has lost the memory anyway. */
const lostAfterMs = 12_000
const lookEveryMs = 1000
const answerTimeoutMs = 1000

/** `unknown`: the API server did not say, so that it may be this node that is cut off; undefined: the node has no lease. */
export type Lease = string | 'unknown' | undefined

export interface Signs {
  kernelAnswers(): Promise<boolean>
  lease(): Promise<Lease>
}

export interface Sighting {
  aliveAtMs: number
  lease: Lease
}

/** Pure. What was seen last, and what is seen now. */
export function sight(before: Sighting, now: { answers: boolean; lease: Lease; atMs: number }): Sighting {
  const { answers, lease, atMs } = now
  const isAlive = answers || lease === 'unknown' || (lease !== undefined && lease !== before.lease)
  return { aliveAtMs: isAlive ? atMs : before.aliveAtMs, lease: lease === 'unknown' ? before.lease : lease }
}

export function isLost({ aliveAtMs }: Sighting, atMs: number): boolean {
  return atMs - aliveAtMs >= lostAfterMs
}

/** Looks until the node is lost, or `signal` ends it; resolves to whether it is lost. */
export async function watchSource(signs: Signs, signal: AbortSignal): Promise<boolean> {
  let seen: Sighting = { aliveAtMs: performance.now(), lease: await signs.lease() }
  while (!signal.aborted) {
    const [answers, lease] = await Promise.all([signs.kernelAnswers(), signs.lease()])
    const atMs = performance.now()
    seen = sight(seen, { answers, lease, atMs })
    if (isLost(seen, atMs)) return !signal.aborted
    await sleep(lookEveryMs, undefined, { signal }).catch(() => undefined)
  }
  return false
}

/** A refusal is an answer too: the agent is away, its node is not. */
export function kernelAnswers(address: string): Promise<boolean> {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replaceAll(/[[\]]/g, '')
  return new Promise((resolve) => {
    const socket = net.connect({ host, port: Number(address.slice(colon + 1)), timeout: answerTimeoutMs })
    const end = (answers: boolean): void => {
      socket.destroy()
      resolve(answers)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', ({ code }: NodeJS.ErrnoException) => end(code === 'ECONNREFUSED' || code === 'ECONNRESET'))
  })
}
