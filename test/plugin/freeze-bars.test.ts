// Bars of the steps of a freeze, and the rounds before it.
import { expect } from 'chai'
import { freezeBars } from '../../src/plugin/freeze-bars.ts'

describe('the freeze as bars', () => {
  it('puts every step at its place on one scale', () => {
    const text = freezeBars({
      freeze: {
        steps: [
          { name: 'locked', ms: 10 },
          { name: 'dumped', ms: 60 },
          { name: 'restored', ms: 30 },
        ],
      },
    })
    const bars = text.split('\n').flatMap((line) => /\|(.*)\|/.exec(line)?.[1] ?? [])
    expect(bars.map((bar) => [bar.indexOf('#'), bar.lastIndexOf('#') + 1])).to.deep.equal([
      [0, 4],
      [4, 28],
      [28, 40],
    ])
    expect(text).to.include('0 to 100 ms')
  })

  it('shows a step of no length, and stays inside', () => {
    const text = freezeBars({
      freeze: {
        steps: [
          { name: 'dumped', ms: 100 },
          { name: 'granted', ms: 0 },
        ],
      },
    })
    const bars = text.split('\n').flatMap((line) => /\|(.*)\|/.exec(line)?.[1] ?? [])
    expect(bars.map((bar) => bar.length)).to.deep.equal([40, 40])
    expect(bars[1]).to.match(/#$/)
  })

  it('lists the rounds', () => {
    const round = { round: 1, pages: 256, copiedMB: 1, dirtyRateMBps: 0, durationMs: 7 }
    const text = freezeBars({ preCopy: { rounds: [round, { ...round, round: 2, sentMB: 0.4, dirtyRateMBps: 3.5 }] } })
    expect(text).to.match(/2 +1 MB +0\.4 MB +7 ms +3\.5 MB\/s/)
  })

  it('is nothing before there is a freeze', () => expect(freezeBars({})).to.equal(''))
})
