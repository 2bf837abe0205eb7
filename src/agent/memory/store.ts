// The store of one awaited container (podmotion-pages, started by its stand-in): takes the memory that comes ahead and serves it after the restore.
import net from 'node:net'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { CodedError } from '../../runtime/errors.ts'
import { LineClient, shortSocketPath } from '../criu/line-client.ts'

const answerTimeoutMs = 10_000
/** Background fill of many GB beside a program that uses them. */
const localTimeoutMs = 600_000

const lookEveryMs = 400

const Status = z.looseObject({ state: z.string(), reason: z.string().optional(), sourceBytesLeft: z.int().default(0) })
export type StoreStatus = z.infer<typeof Status>

function socketOf(meeting: string): string {
  return path.join(meeting, 'pages.sock')
}

/** Carries the stream of a tracker (`stream`) or a lender (`lend`) into the store, until either ends. */
export async function serveStore(stream: Duplex, meeting: string, word: 'stream' | 'lend'): Promise<void> {
  const { place, close } = shortSocketPath(socketOf(meeting))
  const store = net.connect({ path: place, allowHalfOpen: true })
  store.once('connect', close)
  store.once('error', close)
  store.write(`${word}\n`)
  await Promise.all([pipeline(stream, store), pipeline(store, stream)])
}

/** All pages are there and the images are prepared: from here the restore may begin. */
export async function storeReady(meeting: string): Promise<void> {
  const store = await LineClient.connect(socketOf(meeting))
  const answer = await store.ask('ready', answerTimeoutMs).finally(() => store.close())
  if (answer !== 'ready')
    throw new CodedError('MemoryIncomplete', `Preparing the restore: the memory that came ahead is not usable: ${answer}`)
}

/** All processes wait at the gate: their pages are copied meanwhile, and need not be waited for when they run. Without an answer they are still. */
export async function fillAhead(meeting: string): Promise<void> {
  const store = await LineClient.connect(socketOf(meeting))
  await store.ask('fill', answerTimeoutMs).finally(() => store.close())
}

export interface SourceWatch {
  /** Hears how many bytes are still at the source. */
  onLeft: (bytes: number) => void
  /** Its node is lost. */
  lost: AbortSignal
}

/** Resolves when no page of the container waits in the store any more; at once when it has none, or was never given anything. */
export async function storeLocal(meeting: string, watch: SourceWatch): Promise<StoreStatus | undefined> {
  const status = await sourceEmptied(meeting, watch)
  // It may be gone the moment after.
  if (status?.state === 'failed') return status
  if (status?.state !== 'receiving') return status && (await ask(meeting, 'wait', localTimeoutMs))
  // It would wait as long as the container lives.
  const store = await LineClient.connect(socketOf(meeting)).catch(() => undefined)
  store?.send('quit')
  await store?.waitFor(() => false, answerTimeoutMs).catch(() => undefined)
  store?.close()
  return undefined
}

/** However long that takes: the store ends it when nothing comes any more, or when it hears that nothing can. */
async function sourceEmptied(meeting: string, { onLeft, lost }: SourceWatch): Promise<StoreStatus | undefined> {
  let status = await ask(meeting, 'status', answerTimeoutMs)
  while (status?.state === 'serving' && status.sourceBytesLeft > 0) {
    onLeft(status.sourceBytesLeft)
    await sleep(lookEveryMs)
    if (lost.aborted) await tellLost(meeting)
    status = (await ask(meeting, 'status', answerTimeoutMs)) ?? {
      ...status,
      state: 'failed',
      reason: 'its store has ended',
    }
  }
  if (status?.state === 'serving' || status?.state === 'local') onLeft(0)
  return status
}

/** It says why to whoever asks, and ends a second later. */
async function tellLost(meeting: string): Promise<void> {
  const store = await LineClient.connect(socketOf(meeting)).catch(() => undefined)
  store?.send('lost')
  store?.close()
}

async function ask(meeting: string, line: string, timeoutMs: number): Promise<StoreStatus | undefined> {
  const store = await LineClient.connect(socketOf(meeting)).catch(() => undefined)
  if (!store) return undefined
  return Status.parse(JSON.parse(await store.ask(line, timeoutMs).finally(() => store.close())))
}
