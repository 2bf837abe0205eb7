// Connection tracking entries as the native helper prints them (native/README.md), and its answer to changes.
import { z } from 'zod'

export type Protocol = 'tcp' | 'udp'

export interface Tuple {
  source: string
  sourcePort: number
  destination: string
  destinationPort: number
}

export interface ConntrackEntry {
  protocol: Protocol
  original: Tuple
  reply: Tuple
  sourceNat: boolean
  destinationNat: boolean
  mark: number
  /** TCP state of the kernel: 3 is established; 0 for UDP. */
  state: number
  windowScaleOriginal: number
  windowScaleReply: number
}

/** IPS_SRC_NAT and IPS_DST_NAT of the status word. */
const sourceNatStatus = 0x10
const destinationNatStatus = 0x20

const WireTuple = z.tuple([z.string(), z.int(), z.string(), z.int()])
const WireEntries = z.array(
  z.object({
    proto: z.enum(['tcp', 'udp']),
    orig: WireTuple,
    reply: WireTuple,
    status: z.int(),
    mark: z.int(),
    state: z.int(),
    wscaleOrig: z.int(),
    wscaleReply: z.int(),
  }),
)

export function parseEntries(text: string): ConntrackEntry[] {
  return WireEntries.parse(JSON.parse(text)).map((entry) => ({
    protocol: entry.proto,
    original: tupleOf(entry.orig),
    reply: tupleOf(entry.reply),
    sourceNat: (entry.status & sourceNatStatus) !== 0,
    destinationNat: (entry.status & destinationNatStatus) !== 0,
    mark: entry.mark,
    state: entry.state,
    windowScaleOriginal: entry.wscaleOrig,
    windowScaleReply: entry.wscaleReply,
  }))
}

function tupleOf([source, sourcePort, destination, destinationPort]: z.infer<typeof WireTuple>): Tuple {
  return { source, sourcePort, destination, destinationPort }
}

const Applied = z.object({ errors: z.array(z.object({ line: z.int(), errno: z.int() })) })
/** EEXIST: a packet of the flow was faster than we and made the entry itself. */
const alreadyThere = 17

export interface RefusedLine {
  message: string
  /** Lines to apply once more: the packet's own entry has to go. It may lack the translation, and a reset would end one that saw no answer. */
  again?: string[]
  /** Nothing but that is wrong with the packet's own entry. */
  plain?: true
}

/** The lines that the kernel refused; empty: all is as wanted. */
export function refusedLines(answer: string, lines: readonly string[]): RefusedLine[] {
  return Applied.parse(JSON.parse(answer)).errors.map(({ line, errno }) => {
    const message = `${lines[line - 1]}: errno ${errno}`
    if (errno !== alreadyThere) return { message }
    return { message, again: withDeletions(lines, line - 1), ...(isExact(lines[line - 1] ?? '') ? {} : { plain: true }) }
  })
}

/** Translated, or marked as relayed. */
function isExact(line: string): boolean {
  return !/ dnat=- mark=0 /.test(line)
}

/** An insertion follows the deletions that make room for it. */
function withDeletions(lines: readonly string[], index: number): string[] {
  const before = lines.slice(0, index)
  const lastOther = before.findLastIndex((line) => !line.startsWith('D '))
  return lines.slice(lastOther + 1, index + 1)
}

export function inverse(tuple: Tuple): Tuple {
  return {
    source: tuple.destination,
    sourcePort: tuple.destinationPort,
    destination: tuple.source,
    destinationPort: tuple.sourcePort,
  }
}

export function tupleKey(protocol: Protocol, tuple: Tuple): string {
  return `${protocol} ${tuple.source} ${tuple.sourcePort} ${tuple.destination} ${tuple.destinationPort}`
}

/** The same key for both directions of a flow. */
export function flowKey(protocol: Protocol, tuple: Tuple): string {
  const keys = [tupleKey(protocol, tuple), tupleKey(protocol, inverse(tuple))]
  return keys.sort().join(' | ')
}
