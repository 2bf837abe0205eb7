// The stream of images between two agents: many small files and a few huge ones over one socket, without a request for each.
//
// A frame: kind (1 byte), 0, name length (2 bytes), data length (4 bytes), name, data. Data of a file is appended to it.

export const frameKinds = {
  image: 1,
  log: 2,
  end: 3,
  answer: 4,
  shared: 5,
  pool: 6,
  patch: 7,
  pooled: 8,
  adopt: 9,
  keep: 10,
  detach: 11,
} as const
export type FrameKind = keyof typeof frameKinds
/**
 * image: of criu, appended; log: of a container, appended; shared: of the pod's /dev/shm, whose contents criu leaves to us.
 * pool: pages copied before the freeze, appended to the segment of that name; patch: a page of it again, number and bytes.
 * Of an image: pooled, pages copied from a segment are the next ones; adopt, the segment is the image's file from now on, at its beginning;
 * keep, so many pages of it are right as they are; detach, the file is one of its own again, and the segment remains.
 */
export type DataKind = Exclude<FrameKind, JsonKind>
type JsonKind = 'end' | 'answer'
type SmallKind = 'patch' | 'pooled' | 'adopt' | 'keep' | 'detach'
const smallKinds: ReadonlySet<FrameKind> = new Set(['patch', 'pooled', 'adopt', 'keep', 'detach'])

export const headerBytes = 8
export const maximumNameBytes = 512
export const maximumDataBytes = 4 << 20
/** What is held in memory whole. */
const maximumWholeBytes = 1 << 20

const kindNames = new Map<number, FrameKind>(Object.entries(frameKinds).map(([name, kind]) => [kind, name as FrameKind]))

export function encodeHeader(kind: FrameKind, name: string, dataLength: number): Buffer {
  const nameBytes = Buffer.from(name)
  if (nameBytes.length > maximumNameBytes)
    throw new Error(`Sending ${name.slice(0, 80)}: its name is longer than ${maximumNameBytes} bytes`)
  const header = Buffer.allocUnsafe(headerBytes + nameBytes.length)
  header.writeUInt8(frameKinds[kind], 0)
  header.writeUInt8(0, 1)
  header.writeUInt16BE(nameBytes.length, 2)
  header.writeUInt32BE(dataLength, 4)
  nameBytes.copy(header, headerBytes)
  return header
}

export function encodeJson(kind: JsonKind, value: unknown): Buffer {
  const data = Buffer.from(JSON.stringify(value))
  return Buffer.concat([encodeHeader(kind, '', data.length), data])
}

/** The whole numbers in front of patch, pooled, adopt and keep. */
export function encodeNumbers(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(numbers.length * 4)
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number, index * 4)
  return bytes
}

export function decodeNumbers(bytes: Buffer, count: number): number[] {
  if (bytes.length < count * 4) throw new Error(`Receiving images: ${count} numbers in ${bytes.length} bytes`)
  return Array.from({ length: count }, (_, index) => bytes.readUInt32BE(index * 4))
}

export interface FrameSink {
  /** A piece of a file's data, in order; called with an empty piece for an empty file. The small kinds come whole. */
  data(kind: DataKind, name: string, piece: Buffer): void
  json(kind: JsonKind, value: unknown): void
}

interface Current {
  kind: FrameKind
  name: string
  leftBytes: number
}

/** Takes the stream in pieces of any size. Throws on anything that no sender of ours writes. */
export class FrameParser {
  readonly #sink: FrameSink
  #head: Buffer = Buffer.alloc(0)
  #current: Current | undefined
  #json: Buffer[] = []
  #whole: Buffer[] = []

  constructor(sink: FrameSink) {
    this.#sink = sink
  }

  /** True between frames: the stream may end here. */
  get idle(): boolean {
    return this.#current === undefined && this.#head.length === 0
  }

  push(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) rest = this.#current ? this.#takeData(this.#current, rest) : this.#takeHead(rest)
  }

  #takeHead(chunk: Buffer): Buffer {
    const head = this.#head.length > 0 ? Buffer.concat([this.#head, chunk]) : chunk
    if (head.length < headerBytes) return this.#keep(head)
    const kind = kindNames.get(head.readUInt8(0))
    const nameLength = head.readUInt16BE(2)
    const leftBytes = head.readUInt32BE(4)
    checkHeader(kind, nameLength, leftBytes, head.readUInt8(0))
    if (head.length < headerBytes + nameLength) return this.#keep(head)
    this.#head = Buffer.alloc(0)
    this.#begin({ kind, name: head.toString('utf8', headerBytes, headerBytes + nameLength), leftBytes })
    return head.subarray(headerBytes + nameLength)
  }

  #keep(head: Buffer): Buffer {
    this.#head = head
    return Buffer.alloc(0)
  }

  #begin(frame: Current): void {
    this.#current = frame
    if (frame.leftBytes === 0) this.#takeData(frame, Buffer.alloc(0))
  }

  #takeData(frame: Current, chunk: Buffer): Buffer {
    const piece = chunk.subarray(0, frame.leftBytes)
    frame.leftBytes -= piece.length
    if (frame.leftBytes === 0) this.#current = undefined
    if (frame.kind === 'end' || frame.kind === 'answer') this.#takeJson(frame.kind, piece, frame.leftBytes)
    else if (isSmall(frame.kind)) this.#takeWhole(frame, frame.kind, piece)
    else this.#sink.data(frame.kind, frame.name, piece)
    return chunk.subarray(piece.length)
  }

  #takeWhole(frame: Current, kind: DataKind, piece: Buffer): void {
    if (frame.leftBytes === 0 && this.#whole.length === 0) return this.#sink.data(kind, frame.name, piece)
    this.#whole.push(Buffer.from(piece))
    if (frame.leftBytes > 0) return
    const whole = Buffer.concat(this.#whole)
    this.#whole = []
    this.#sink.data(kind, frame.name, whole)
  }

  #takeJson(kind: JsonKind, piece: Buffer, leftBytes: number): void {
    this.#json.push(piece)
    if (leftBytes > 0) return
    const text = Buffer.concat(this.#json).toString()
    this.#json = []
    this.#sink.json(kind, JSON.parse(text))
  }
}

function isSmall(kind: FrameKind): kind is SmallKind {
  return smallKinds.has(kind)
}

function checkHeader(kind: FrameKind | undefined, nameLength: number, dataLength: number, kindByte: number): asserts kind is FrameKind {
  if (!kind) throw new Error(`Receiving images: unknown frame kind ${kindByte}`)
  const limit = isSmall(kind) || kind === 'end' || kind === 'answer' ? maximumWholeBytes : maximumDataBytes
  if (nameLength <= maximumNameBytes && dataLength <= limit) return
  throw new Error(`Receiving images: a ${kind} frame of ${dataLength} bytes with a name of ${nameLength} bytes is over the limits`)
}
