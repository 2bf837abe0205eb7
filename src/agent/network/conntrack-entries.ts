// Connection tracking entries as the native helper prints and reads them, one a line (native/README.md).

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

export function parseEntries(text: string): ConntrackEntry[] {
  return text
    .split('\n')
    .map(parseEntry)
    .filter((entry) => entry !== undefined)
}

function parseEntry(line: string): ConntrackEntry | undefined {
  const words = line.trim().split(/\s+/)
  const protocol = words[0]
  if (protocol !== 'tcp' && protocol !== 'udp') return undefined
  const plain = words.slice(1).filter((word) => /^[\d.]+$/.test(word))
  const original = tupleFrom(plain.slice(0, 4))
  const reply = tupleFrom(plain.slice(4, 8))
  if (!original || !reply) return undefined
  const numbers = new Map(words.filter((word) => word.includes('=')).map(parsePair))
  const status = numbers.get('status') ?? 0
  return {
    protocol,
    original,
    reply,
    sourceNat: (status & sourceNatStatus) !== 0,
    destinationNat: (status & destinationNatStatus) !== 0,
    mark: numbers.get('mark') ?? 0,
    state: numbers.get('state') ?? 0,
    windowScaleOriginal: numbers.get('wo') ?? 0,
    windowScaleReply: numbers.get('wr') ?? 0,
  }
}

function parsePair(word: string): [string, number] {
  const [key = '', value = ''] = word.split('=')
  return [key, Number(value)]
}

function tupleFrom(words: readonly string[]): Tuple | undefined {
  const [source, sourcePort, destination, destinationPort] = words
  if (source === undefined || sourcePort === undefined || destination === undefined || destinationPort === undefined) return undefined
  return { source, sourcePort: Number(sourcePort), destination, destinationPort: Number(destinationPort) }
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
