// Reads what kube-scheduler asks: a body of thousands of names has to cost little more than JSON.parse.
import type { IncomingMessage } from 'node:http'
import type { V1Pod } from '@kubernetes/client-node'
import type { z } from 'zod'
import { ExtenderArguments, ExtenderPreemptionArguments } from '../api/extender-wire.ts'
import { messageOf } from '../runtime/errors.ts'
import { type VictimsByNode, victimsOf } from './preempt.ts'

/** A scheduler that is not set to nodeCacheCapable sends whole Node objects: 5000 of them are some 60 MB. */
const bodyLimitBytes = 2 ** 27

export interface Asked {
  pod: V1Pod | undefined
  names: readonly string[]
  /** Present when the scheduler sent objects: the same objects must come back. */
  items: readonly object[] | undefined
}

export interface AskedVictims {
  pod: V1Pod | undefined
  victims: VictimsByNode
}

/** What is wrong with a request, for its sender. */
export class WrongRequest extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > bodyLimitBytes)
      throw new WrongRequest(413, `Reading ExtenderArgs: more than ${bodyLimitBytes} bytes: set nodeCacheCapable: true`)
  }
  try {
    return JSON.parse(chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks, size).toString())
  } catch (error) {
    throw new WrongRequest(400, `Reading ExtenderArgs: ${messageOf(error)}: expected JSON`)
  }
}

export function askedOf(body: unknown): Asked {
  return askedByNames(body) ?? askedByObjects(checked(ExtenderArguments, body))
}

/** The usual case, without a look at anything that nobody uses. */
function askedByNames(body: unknown): Asked | undefined {
  const { Pod, NodeNames } = (body ?? {}) as { Pod?: unknown; NodeNames?: unknown }
  const isUsual = typeof Pod === 'object' && Pod !== null && Array.isArray(NodeNames) && NodeNames.every((name) => typeof name === 'string')
  return isUsual ? { pod: Pod as V1Pod, names: NodeNames as string[], items: undefined } : undefined
}

function askedByObjects({ Pod, Nodes, NodeNames }: ExtenderArguments): Asked {
  const items = NodeNames ? undefined : (Nodes?.items ?? undefined)
  return { pod: (Pod ?? undefined) as V1Pod | undefined, names: NodeNames ?? (items ?? []).map(nameOf), items }
}

export function askedVictims(body: unknown): AskedVictims {
  const parsed = checked(ExtenderPreemptionArguments, body)
  return { pod: (parsed.Pod ?? undefined) as V1Pod | undefined, victims: victimsOf(parsed) }
}

function checked<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
  throw new WrongRequest(400, `Reading ExtenderArgs: ${issues}`)
}

export function nameOf(node: object): string {
  return (node as { metadata?: { name?: string } }).metadata?.name ?? ''
}
