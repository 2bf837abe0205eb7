// The stream of images between two agents: many small files and a few huge ones over one socket, without a request for each.
//
// A frame: kind (1 byte), 0, name length (2 bytes), data length (4 bytes), name, data. Data of a file is appended to it.

export const frameKinds = { image: 1, log: 2, end: 3, answer: 4, shared: 5, pages: 6, again: 7, patch: 8, digests: 9 } as const
export type FrameKind = keyof typeof frameKinds
/**
 * image: of criu; log: of a container, appended; shared: of the pod's /dev/shm, whose contents criu leaves to us.
 * pages: of an image, whole, and kept by both ends (page-repeats.ts); again: some of those once more, without data: the name is
 * `first:pages:image`. patch, digests: of files of the pod (storage/patch-stream.ts), on a stream of their own.
 */
export type DataKind = 'image' | 'log' | 'shared' | 'pages' | 'again' | 'patch' | 'digests'
type JsonKind = 'end' | 'answer'

export const headerBytes = 8
export const maximumNameBytes = 512
export const maximumDataBytes = 4 << 20
/** The end and the answer are JSON and held in memory whole. */
const maximumJsonBytes = 1 << 20

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

export interface FrameSink {
  /** A piece of a file's data, in order; called with an empty piece for an empty file. */
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
    else this.#sink.data(frame.kind, frame.name, piece)
    return chunk.subarray(piece.length)
  }

  #takeJson(kind: JsonKind, piece: Buffer, leftBytes: number): void {
    this.#json.push(piece)
    if (leftBytes > 0) return
    const text = Buffer.concat(this.#json).toString()
    this.#json = []
    this.#sink.json(kind, JSON.parse(text))
  }
}

function checkHeader(kind: FrameKind | undefined, nameLength: number, dataLength: number, kindByte: number): asserts kind is FrameKind {
  if (!kind) throw new Error(`Receiving images: unknown frame kind ${kindByte}`)
  const limit = kind === 'end' || kind === 'answer' ? maximumJsonBytes : maximumDataBytes
  if (nameLength <= maximumNameBytes && dataLength <= limit) return
  throw new Error(`Receiving images: a ${kind} frame of ${dataLength} bytes with a name of ${nameLength} bytes is over the limits`)
}
