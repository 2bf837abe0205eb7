// What a client's own capture says of its connections: bytes that came twice or never, resets, answers that waited for a timer. Pure.

/** A TCP segment as the client's host saw it. */
export interface Segment {
  /** Epoch, ms. */
  atMs: number
  /** `address.port`, as tcpdump writes them. */
  from: string
  to: string
  /** Absolute, 32 bits. Undefined: it has no data, and tcpdump does not say. */
  seq: number | undefined
  /** Bytes of data. */
  length: number
  ack: number | undefined
  syn: boolean
  fin: boolean
  reset: boolean
}

/** From when a pod's traffic was held until the pod ran again. Epoch, ms. */
export interface Held {
  fromMs: number
  untilMs: number
}

export interface SequenceReport {
  flows: number
  segments: number
  /** Bytes that their receiver acknowledged, or that later ones passed by, and that were never seen. */
  missing: number
  /** Bytes that were sent again although their receiver's acknowledgement had been on its way to the sender for long. */
  duplicate: number
  /** How far the first new byte after each hold stood from where it belongs, over flows and holds. */
  seqDelta: number
  resets: number
  /** Data that was held and reached nobody: it was answered only after its sender's timer had sent it again, or never. */
  timerWaits: number
  /** Connections that were first seen in their middle. */
  strays: number
  /** What is wrong, for people. */
  findings: string[]
}

const half = 2 ** 31
const whole = 2 ** 32
/** What is held is let go at once; an answer that comes later and follows a repetition waited for that. */
const promptMs = 60
/** An acknowledgement that is this old has arrived, wherever its receiver is: unless it was held. */
const onTheWayMs = 40

/** How far `to` is beyond `from` on the circle of sequence numbers. */
function beyond(to: number, from: number): number {
  return ((((to - from + half) % whole) + whole) % whole) - half
}

/** What one end sends. Positions are counted from its first sequence number on, so they never wrap. */
class Stream {
  readonly #start: number
  /** All before it was seen, but for `gaps`. */
  end = 0
  gaps: [number, number][] = []
  /** What the other end has acknowledged, and since when (epoch, ms). */
  acked = 0
  ackedAtMs = 0
  lastRepeatMs = Number.NEGATIVE_INFINITY

  constructor(start: number) {
    this.#start = start
  }

  at(seq: number): number {
    return this.end + beyond(seq, (this.#start + this.end) % whole)
  }

  /** Returns where it had to begin to follow on; undefined: nothing of it is new. */
  add(from: number, to: number): number | undefined {
    const expected = this.end
    this.gaps = this.gaps.flatMap(([low, high]) =>
      (
        [
          [low, Math.min(high, from)],
          [Math.max(low, to), high],
        ] as [number, number][]
      ).filter(([one, other]) => one < other),
    )
    if (to <= this.end) return undefined
    if (from > this.end) this.gaps.push([this.end, from])
    this.end = to
    return expected
  }

  get missing(): number {
    return this.gaps.reduce((sum, [low, high]) => sum + high - low, 0)
  }
}

/** One connection, between its opener and the end that was spoken to. */
class Connection {
  readonly name: string
  readonly #streams = new Map<string, Stream>()
  readonly #holds: readonly Held[]
  /** Held connections that have sent nothing new since: by the position of the hold. */
  readonly #awaited = new Map<string, number>()
  readonly #finished = new Set<string>()
  over = false
  /** When it was, for who looks for the cause. */
  readonly when: string[] = []
  readonly counts = { missing: 0, duplicate: 0, seqDelta: 0, resets: 0, timerWaits: 0, strays: 0 }

  constructor(first: Segment, holds: readonly Held[]) {
    this.name = `${first.from} > ${first.to}`
    this.#holds = holds
    if (!first.syn && first.length > 0) this.counts.strays = 1
  }

  add(segment: Segment): void {
    if (segment.reset) {
      // After the end of both directions it only answers what came late, such as a segment that was sent twice while it was held.
      if (this.#finished.size < 2) this.counts.resets += 1
      this.over = true
      return
    }
    if (segment.ack !== undefined) this.#acknowledge(segment)
    if (segment.seq === undefined) return
    const stream = this.#stream(segment.from, segment.seq)
    const from = stream.at(segment.seq)
    const to = from + segment.length + Number(segment.syn) + Number(segment.fin)
    if (segment.fin) {
      this.#finished.add(segment.from)
      this.over = true
    }
    if (to === from) return
    const { end } = stream
    const expected = stream.add(from, to)
    if (from < end) this.#repeated(stream, { from, to, atMs: segment.atMs })
    if (expected !== undefined) this.#followsHold(segment, from - expected)
  }

  finish(): void {
    for (const stream of this.#streams.values()) {
      this.counts.missing += stream.missing + Math.max(0, stream.acked - stream.end)
      // Nobody answers in the middle of a flow that is over; one that hangs does not end.
      if (!this.over && this.#holds.some(({ untilMs }) => stream.lastRepeatMs > untilMs) && stream.acked < stream.end)
        this.counts.timerWaits += 1
    }
  }

  #stream(end: string, seq: number): Stream {
    const known = this.#streams.get(end) ?? new Stream(seq)
    this.#streams.set(end, known)
    return known
  }

  #acknowledge({ to, ack, atMs }: Segment): void {
    const stream = this.#streams.get(to)
    if (!stream || ack === undefined) return
    const acked = stream.at(ack)
    if (acked <= stream.acked) return
    const hold = this.#holds.findLast(({ untilMs }) => untilMs <= atMs)
    const sinceRelease = hold ? atMs - hold.untilMs : 0
    const wasHeld = hold !== undefined && stream.acked < stream.end && stream.ackedAtMs < hold.untilMs
    if (wasHeld && sinceRelease > promptMs && stream.lastRepeatMs > hold.untilMs) this.counts.timerWaits += 1
    stream.acked = acked
    stream.ackedAtMs = atMs
  }

  /** Sent again: for nothing, when the sender must have known that it had arrived. */
  #repeated(stream: Stream, { from, to, atMs }: { from: number; to: number; atMs: number }): void {
    stream.lastRepeatMs = atMs
    const known = Math.min(to, stream.acked) - from
    const hold = this.#holds.findLast(({ fromMs }) => fromMs <= atMs)
    const arrivedMs = hold && stream.ackedAtMs >= hold.fromMs - onTheWayMs ? Math.max(hold.untilMs, stream.ackedAtMs) : stream.ackedAtMs
    if (known <= 0 || atMs <= arrivedMs + onTheWayMs) return
    this.counts.duplicate += known
    const acknowledged = `${Math.round(atMs - stream.ackedAtMs)} ms after its acknowledgement`
    this.when.push(hold ? `${acknowledged}, ${Math.round(atMs - hold.untilMs)} ms after the release of a hold` : acknowledged)
  }

  /** The first new bytes after a hold must follow on. */
  #followsHold({ from, atMs }: Segment, offBy: number): void {
    const position = this.#holds.findLastIndex(({ untilMs }) => untilMs <= atMs)
    if (position < 0 || this.#awaited.get(from) === position) return
    this.#awaited.set(from, position)
    this.counts.seqDelta += Math.abs(offBy)
  }
}

/** Segments in the order in which they were seen. */
export function checkSequences(segments: readonly Segment[], holds: readonly Held[]): SequenceReport {
  const open = new Map<string, Connection>()
  const all: Connection[] = []
  for (const segment of segments) {
    const key = [segment.from, segment.to].sort().join(' ')
    const begins = segment.syn && segment.ack === undefined
    let connection = open.get(key)
    if (!connection || (begins && connection.over)) {
      // The last acknowledgement of one that ended before the capture began says nothing.
      connection = new Connection(segment, holds)
      open.set(key, connection)
      all.push(connection)
    }
    connection.add(segment)
  }
  for (const connection of all) connection.finish()
  const sum = (pick: (counts: Connection['counts']) => number): number => all.reduce((total, { counts }) => total + pick(counts), 0)
  return {
    flows: all.length,
    segments: segments.length,
    missing: sum(({ missing }) => missing),
    duplicate: sum(({ duplicate }) => duplicate),
    seqDelta: sum(({ seqDelta }) => seqDelta),
    resets: sum(({ resets }) => resets),
    timerWaits: sum(({ timerWaits }) => timerWaits),
    strays: sum(({ strays }) => strays),
    findings: all.flatMap(({ name, counts, when }) => {
      const wrong = Object.entries(counts).filter(([, count]) => count > 0)
      const text = wrong.map(([what, count]) => `${what} ${count}`).join(', ')
      return wrong.length > 0 ? [`${name}: ${[text, ...when].join('; ')}`] : []
    }),
  }
}

export function sequenceLine(client: string, report: SequenceReport): string {
  const { flows, segments, missing, duplicate, seqDelta, resets, timerWaits, strays } = report
  return `capture at ${client}: ${flows} flows, ${segments} segments · missing ${missing} · duplicate ${duplicate} · seq_delta=${seqDelta} · resets ${resets} · waited for a timer ${timerWaits} · strays ${strays}`
}
