import { expect } from 'chai'
import { segmentsOf } from '../../lab/flows/capture.ts'
import { checkSequences, type Segment } from '../../lab/flows/sequence.ts'

const client = '172.30.0.1.40000'
const pod = '10.244.1.5.7000'
/** Just below the wrap: positions go on over it. */
const clientStart = 2 ** 32 - 150
const podStart = 5000
const hold = { fromMs: 1000, untilMs: 1400 }

function segment(
  atMs: number,
  from: 'client' | 'pod',
  more: { at?: number; length?: number; ack?: number } & Partial<Segment> = {},
): Segment {
  const [own, other] = from === 'client' ? [clientStart, podStart] : [podStart, clientStart]
  const { at, ack, length = 0, ...rest } = more
  return {
    atMs,
    from: from === 'client' ? client : pod,
    to: from === 'client' ? pod : client,
    seq: at === undefined ? undefined : (own + at) % 2 ** 32,
    length,
    ack: ack === undefined ? undefined : (other + ack) % 2 ** 32,
    syn: false,
    fin: false,
    reset: false,
    ...rest,
  }
}

const opened = [
  segment(10, 'client', { at: 0, syn: true }),
  segment(11, 'pod', { at: 0, ack: 1, syn: true }),
  segment(12, 'client', { ack: 1 }),
  segment(500, 'client', { at: 1, length: 100, ack: 1 }),
  segment(501, 'pod', { at: 1, length: 100, ack: 101 }),
  segment(502, 'client', { ack: 101 }),
]
/** Asked while the pod was held; the timer of the client has sent it twice. */
const asked = [segment(1100, 'client', { at: 101, length: 100, ack: 101 }), segment(1310, 'client', { at: 101, length: 100, ack: 101 })]
const answered = (atMs: number) => [segment(atMs, 'pod', { at: 101, length: 100, ack: 201 }), segment(atMs + 1, 'client', { ack: 201 })]
const clean = { missing: 0, duplicate: 0, seqDelta: 0, resets: 0, timerWaits: 0, strays: 0, findings: [] }

describe('the sequence numbers that a client saw', () => {
  it('are whole when what was held is answered at once', () => {
    const report = checkSequences([...opened, ...asked, ...answered(1405)], [hold])
    expect(report).to.deep.equal({ flows: 1, segments: 10, ...clean })
  })

  it('tell of a hold that dropped: the answer waited for the next repetition', () => {
    const repeated = segment(1730, 'client', { at: 101, length: 100, ack: 101 })
    const report = checkSequences([...opened, ...asked, repeated, ...answered(1732)], [hold])
    expect(report).to.deep.include({ timerWaits: 1, findings: [`${client} > ${pod}: timerWaits 1`] })
  })

  it('tell of a flow that nobody answers any more', () => {
    const repeated = segment(1730, 'client', { at: 101, length: 100, ack: 101 })
    expect(checkSequences([...opened, ...asked, repeated], [hold])).to.deep.include({ timerWaits: 1 })
  })

  it('tell of bytes that never came', () => {
    const skipped = segment(1405, 'pod', { at: 151, length: 50, ack: 201 })
    expect(checkSequences([...opened, ...asked, skipped], [hold])).to.deep.include({ missing: 50, seqDelta: 50 })
  })

  it('tell of bytes that came twice, though their receiver had said that it has them', () => {
    const again = segment(1600, 'pod', { at: 101, length: 100, ack: 201 })
    const findings = [`${client} > ${pod}: duplicate 100; 194 ms after its acknowledgement, 200 ms after the release of a hold`]
    expect(checkSequences([...opened, ...asked, ...answered(1405), again], [hold])).to.deep.include({
      duplicate: 100,
      seqDelta: 0,
      findings,
    })
  })

  it('excuse bytes that came twice because the acknowledgement was held', () => {
    const held = [segment(990, 'pod', { at: 101, length: 10, ack: 101 }), segment(991, 'client', { ack: 111 })]
    const again = segment(1402, 'pod', { at: 101, length: 10, ack: 101 })
    expect(checkSequences([...opened, ...held, again], [hold])).to.deep.include({ duplicate: 0, seqDelta: 0 })
  })

  it('take a gap that is filled later for whole', () => {
    const parts = [segment(600, 'pod', { at: 151, length: 50, ack: 101 }), segment(601, 'pod', { at: 101, length: 50, ack: 101 })]
    expect(checkSequences([...opened, ...parts], [])).to.deep.include({ missing: 0 })
  })

  it('tell of resets and of connections without a beginning', () => {
    const other = { from: '10.244.1.5.41000', to: '172.30.0.1.9000' }
    const stray = segment(1500, 'pod', { at: 700, length: 10, ack: 1, ...other })
    const reset = segment(1501, 'client', { at: 1, from: other.to, to: other.from, reset: true })
    expect(checkSequences([...opened, stray, reset], [hold])).to.deep.include({ flows: 2, strays: 1, resets: 1 })
  })

  it('forgive a reset after both ends have finished, and none before', () => {
    const fins = [segment(600, 'client', { at: 101, ack: 101, fin: true }), segment(601, 'pod', { at: 101, ack: 102, fin: true })]
    const reset = segment(700, 'client', { at: 102, reset: true })
    expect(checkSequences([...opened, ...fins, reset], [])).to.deep.include({ resets: 0 })
    expect(checkSequences([...opened, ...fins.slice(0, 1), reset], [])).to.deep.include({ resets: 1 })
  })

  it('are kept apart where a port is used again', () => {
    const ended = [segment(600, 'client', { at: 101, ack: 101, fin: true }), segment(601, 'pod', { at: 101, ack: 102, fin: true })]
    const again = segment(700, 'client', { seq: 77, syn: true })
    expect(checkSequences([...opened, ...ended, again], [])).to.deep.include({ flows: 2, ...clean })
  })
})

describe('what tcpdump prints', () => {
  it('is read, segments without data too', () => {
    const text = [
      '1700000000.000100 IP 172.30.0.1.40000 > 10.244.1.5.7000: Flags [S], seq 17, win 64240, options [mss 1460], length 0',
      '1700000000.000200 IP 10.244.1.5.7000 > 172.30.0.1.40000: Flags [P.], seq 5001:5101, ack 18, win 502, options [nop,nop,TS val 1 ecr 2], length 100',
      '1700000000.000300 IP 172.30.0.1.40000 > 10.244.1.5.7000: Flags [.], ack 5101, win 501, length 0',
      '1700000000.000400 IP 172.30.0.1.5353 > 10.244.1.5.53: UDP, length 30',
    ]
    expect(segmentsOf(text.join('\n')).map(({ from, seq, length, ack, syn }) => ({ from, seq, length, ack, syn }))).to.deep.equal([
      { from: '172.30.0.1.40000', seq: 17, length: 0, ack: undefined, syn: true },
      { from: '10.244.1.5.7000', seq: 5001, length: 100, ack: 18, syn: false },
      { from: '172.30.0.1.40000', seq: undefined, length: 0, ack: 5101, syn: false },
    ])
  })
})
