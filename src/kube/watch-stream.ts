// One watch request: the API server's JSON lines as events, until it ends, breaks or says ERROR.
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { CodedError, messageOf } from '../runtime/errors.ts'
import type { Connection } from './connection.ts'
import { KubeError, type KubeStatus } from './kube-error.ts'
import { describe, open } from './request.ts'

export interface WatchEvent<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  object: T
}

// Watches end after 5 to 10 minutes (spread, so that they do not all come back at once). Bookmarks come about once a minute, so a connection
// that says nothing for longer is dead even if no packet told us so.
const shortestSeconds = 300
const silenceMs = 150_000

export async function* readWatch<T>(
  connection: Connection,
  pathWith: (extra: Record<string, string | number | boolean>) => string,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>> {
  const timeoutSeconds = Math.round(shortestSeconds * (1 + Math.random()))
  const request = {
    method: 'GET',
    path: pathWith({ watch: true, allowWatchBookmarks: true, timeoutSeconds }),
    timeoutMs: silenceMs,
    signal,
  }
  const response = await open(connection, request)
  const status = response.statusCode ?? 0
  if (status >= 400) throw new KubeError(describe(request), status, await text(response))
  try {
    for await (const line of linesOf(response)) if (line !== '') yield parseEvent<T>(line, describe(request))
  } catch (error) {
    if (error instanceof KubeError) throw error
    throw new CodedError('WatchBroken', `${describe(request)}: connection broke (${messageOf(error)})`, { retryable: true, cause: error })
  } finally {
    response.destroy()
  }
}

/** readline swallows the stream's error, and a broken watch would look like one that ended well. */
async function* linesOf(response: NodeJS.ReadableStream): AsyncGenerator<string> {
  let broken: Error | undefined
  response.on('error', (error: Error) => {
    broken = error
  })
  yield* createInterface({ input: response, crlfDelay: Number.POSITIVE_INFINITY })
  if (broken) throw broken
}

function parseEvent<T>(line: string, request: string): WatchEvent<T> {
  const event = JSON.parse(line) as { type: WatchEvent<T>['type'] | 'ERROR'; object: unknown }
  if (event.type !== 'ERROR') return event as WatchEvent<T>
  const status = event.object as KubeStatus
  throw new KubeError(request, status.code ?? 500, JSON.stringify(status))
}
