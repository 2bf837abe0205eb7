// The numbers that the freeze benchmark is judged by.
import { expect } from 'chai'
import { lastLine, median, ms, percentile } from '../../../bench/freeze/statistics.ts'

describe('bench/freeze statistics', () => {
  it('takes the middle of an odd number of values, in any order', () => expect(median([900, 100, 300])).to.equal(300))
  it('takes the mean of the two middle ones of an even number', () => expect(median([100, 200, 400, 1000])).to.equal(300))
  it('has no median of nothing', () => expect(median([])).to.equal(undefined))

  it('takes the nearest rank: the worst of few, not the worst of many', () => {
    const hundreds = Array.from({ length: 200 }, (_none, index) => index + 1)
    expect(percentile([3, 1, 2], 0.99)).to.equal(3)
    expect(percentile(hundreds, 0.99)).to.equal(198)
    expect(percentile(hundreds, 0)).to.equal(1)
  })

  it('says a missing time as a dash', () => expect([ms(12.6), ms(undefined)]).to.deep.equal(['13 ms', '- ms']))

  it('prints the line that is asked for', () =>
    expect(lastLine([100, 300, 200], [400, 400], 2)).to.equal(
      'freeze: ours p50 200 ms p99 300 ms · plain p50 400 ms · ratio 0.50 · failed 2',
    ))

  it('has no ratio when no plain move could be measured', () => expect(lastLine([100], [], 0)).to.contain('plain p50 - ms · ratio - ·'))
})
