// Reads what kube-scheduler asks: a body of thousands of names has to cost little more than JSON.parse.
import type { IncomingMessage } from 'node:http'
import type { V1Pod } from '@kubernetes/client-node'
import type { z } from 'zod'
import { ExtenderArguments, ExtenderPreemptionArguments } from '../api/extender-wire.ts'
import { messageOf } from '../runtime/errors.ts'
import { type VictimsByNode, victimsOf } from './preempt.ts'
import { namesIn } from './quick.ts'

/** A scheduler that is not set to nodeCacheCapable sends whole Node objects: 5000 of them are some 60 MB. */
const bodyLimitBytes = 2 ** 27

export interface Asked {
  pod: V1Pod | undefined
  readonly names: readonly string[]
  /** The names as they came, where that is known. */
  namesJson?: Buffer | undefined
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

/** By callbacks: a body of one piece is worth no promises. */
export function readBody(request: IncomingMessage, done: (body: Buffer | WrongRequest) => void): void {
  const chunks: Buffer[] = []
  let size = 0
  request.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size <= bodyLimitBytes) chunks.push(chunk)
  })
  request.on('end', () => {
    if (size > bodyLimitBytes)
      return done(new WrongRequest(413, `Reading ExtenderArgs: more than ${bodyLimitBytes} bytes: set nodeCacheCapable: true`))
    done(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, size))
  })
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch (error) {
    throw new WrongRequest(400, `Reading ExtenderArgs: ${messageOf(error)}: expected JSON`)
  }
}

/** The names of a JSON list without making new strings of them; undefined: it is no plain list. */
export type ReadNames = (namesJson: Buffer) => readonly string[] | undefined

export function askedOf(body: Buffer, readNames: ReadNames = () => undefined): Asked {
  return askedByNames(body, readNames) ?? askedByObjects(checked(ExtenderArguments, parseJson(body)))
}

/** The usual case. Whatever looks different is read the ordinary way. */
function askedByNames(body: Buffer, readNames: ReadNames): Asked | undefined {
  const found = namesIn(body)
  if (!found) return undefined
  try {
    const { Pod } = JSON.parse(`${found.before}}`) as { Pod?: unknown }
    return typeof Pod === 'object' && Pod !== null ? new AskedByNames(Pod as V1Pod, found.namesJson, { body, readNames }) : undefined
  } catch {
    return undefined
  }
}

/** The list that was read last: kube-scheduler asks about the same names twice, to filter and to prioritize. */
let lastNames: { json: Buffer; names: readonly string[] } = { json: Buffer.from('[]'), names: [] }

/** Reads the names when somebody wants to know them: for most pods nobody does. */
class AskedByNames implements Asked {
  readonly pod: V1Pod
  readonly namesJson: Buffer
  readonly items = undefined
  readonly #from: { body: Buffer; readNames: ReadNames }

  constructor(pod: V1Pod, namesJson: Buffer, from: { body: Buffer; readNames: ReadNames }) {
    this.pod = pod
    this.namesJson = namesJson
    this.#from = from
  }

  get names(): readonly string[] {
    if (!this.namesJson.equals(lastNames.json)) lastNames = { json: this.namesJson, names: this.#read() }
    return lastNames.names
  }

  #read(): readonly string[] {
    const quick = this.#from.readNames(this.namesJson)
    if (quick) return quick
    const names: unknown = tryJson(this.namesJson.toString())
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names
    return checked(ExtenderArguments, parseJson(this.#from.body)).NodeNames ?? []
  }
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Every name with no points. No node's name has anything to escape; where nothing is escaped, what stands between two names is inside of none. */
export function neutralJson(namesJson: Buffer): string {
  const text = namesJson.toString()
  if (text.includes('\\')) return JSON.stringify((JSON.parse(text) as string[]).map((Host) => ({ Host, Score: 0 })))
  return `[{"Host":"${text.slice(2, -2).split('","').join('","Score":0},{"Host":"')}","Score":0}]`
}

function askedByObjects({ Pod, Nodes, NodeNames }: ExtenderArguments): Asked {
  const items = NodeNames ? undefined : (Nodes?.items ?? undefined)
  return { pod: (Pod ?? undefined) as V1Pod | undefined, names: NodeNames ?? (items ?? []).map(nameOf), items }
}

export function askedVictims(body: Buffer): AskedVictims {
  const parsed = checked(ExtenderPreemptionArguments, parseJson(body))
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
