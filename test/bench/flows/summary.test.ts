// What the flows' reports are condensed to, and the last line that people and scripts read.
import { expect } from 'chai'
import type { FlowReport } from '../../lab/flows/flows.ts'
import { errorsOf, lastLine, latenessOf, resetsOf, stallsOf, totalsOf, waitsBeyondFreeze, waitsOf } from '../../lab/flows/summary.ts'

const report = (more: Partial<FlowReport>): FlowReport => ({
  kind: 'outside->pod',
  mode: 'request',
  requests: 100,
  bytes: 0,
  retried: 0,
  worstMs: 1,
  gaps: [],
  error: null,
  over: true,
  ...more,
})
const move = { fromMs: 1000, untilMs: 1300, freezeMs: 250, relayed: 4 }

describe('the summary of flows', () => {
  it('a wait counts to the move in which it ended, beyond the freeze', () => {
    const gaps: [number, number][] = [
      [900, 80],
      [1305, 310],
      [1400, 30],
      [9000, 700],
    ]
    expect(waitsBeyondFreeze([report({ gaps }), report({})], [move])).to.deep.equal([60, 0])
  })

  it('the wait of a move that follows soon is not one of this move, nor of a freeze in place', () => {
    const gaps: [number, number][] = [
      [1305, 310],
      [5000, 900],
      [7000, 800],
    ]
    const next = { fromMs: 4000, untilMs: 4900, freezeMs: 890, relayed: 4 }
    const inPlace = { fromMs: 6500, untilMs: 6990, freezeMs: 490, relayed: 0 }
    expect(waitsBeyondFreeze([report({ gaps })], [move, next], ['request'], [inPlace])).to.deep.equal([60, 10])
    expect(waitsBeyondFreeze([report({ gaps })], [inPlace], ['request'], [move, next])).to.deep.equal([310])
  })

  it('says in which moves flows waited longer than nearly all may, and of which kinds they were', () => {
    const late = report({ gaps: [[1305, 310]] })
    const reports = [late, late, report({ kind: 'node-1->pod', gaps: [[1305, 280]] }), report({ gaps: [[1305, 269]] })]
    expect(latenessOf(waitsOf(reports, [move]))).to.deep.equal([
      'in move 1 3 flows of 2 kinds more than 20 ms, the longest 60: outside->pod 2, node-1->pod 1',
    ])
  })

  it('streams and datagrams are no requests', () => {
    const gaps: [number, number][] = [[1305, 900]]
    expect(waitsBeyondFreeze([report({ mode: 'bulk', gaps }), report({ mode: 'datagrams', gaps })], [move])).to.deep.equal([])
  })

  it('long waits of any kind are told with their move', () => {
    const gaps: [number, number][] = [
      [900, 251],
      [1305, 400],
      [2600, 900],
      [2700, 1000],
    ]
    expect(stallsOf([report({ mode: 'bulk', gaps })], [move, { ...move, fromMs: 2000, freezeMs: 100 }])).to.deep.equal([
      'outside->pod in move 0: 1, the longest 251 ms beyond the freeze',
      'outside->pod in move 2: 2, the longest 900 ms beyond the freeze',
    ])
  })

  it('an error, a reset and a flow that never ended', () => {
    const reports = [
      report({ error: 'outside->pod 0: errno 104 after 3 requests at 1.0' }),
      report({ error: 'outside->pod 1: closed by the other end after 3 requests at 1.0' }),
      report({ over: false }),
      report({}),
    ]
    expect(errorsOf(reports)).to.have.length(3)
    expect(resetsOf(reports)).to.equal(1)
  })

  it('the last line', () => {
    const reports = [report({ worstMs: 312.4 }), report({ kind: 'moved->outside' })]
    expect(lastLine(totalsOf(reports, [move, { ...move, relayed: 0 }]))).to.equal(
      'flows: kinds 2 flows 2 moves 2 · errors 0 · resets 0 · worst gap 312 ms · freeze 250 ms · relayed 4',
    )
  })
})
