// When rounds of copying ahead end.
import { expect } from 'chai'
import { endOfRounds, isShort } from '../../../src/agent/memory/convergence.ts'
import { toRound, withMore } from '../../../src/agent/memory/memory-ahead.ts'

const limits = { maximumRounds: 5, thresholdMB: 64 }
const rounds = (...copied: number[]) =>
  copied.map((copiedMB, index) => ({ round: index + 1, pages: copiedMB * 256, copiedMB, dirtyRateMBps: 0, durationMs: 100 }))

describe('rounds of copying ahead', () => {
  const cases: [string, number[], RegExp | undefined][] = [
    ['go on after the first, which copies everything', [1024], undefined],
    ['go on after a first that was small', [0.1], undefined],
    ['end when almost nothing is left', [1024, 1.5], /^converged: 1\.5 MB in round 2$/],
    ['go on after a second that found most of it dirty again', [4100, 3700], undefined],
    [
      'end after a second that found everything written again',
      [1024, 1020],
      /^everything is written again in each round: 1020\.0 MB in round 2, over the threshold of 64 MB$/,
    ],
    ['end below the threshold when everything is written again', [50, 49], /^converged: 49\.0 MB in round 2$/],
    ['go on while each leaves clearly less', [1024, 100, 50, 25], undefined],
    ['end below the threshold when they stop shrinking', [1024, 40, 39], /^converged: 39\.0 MB in round 3$/],
    [
      'say so when they stop shrinking above it',
      [1024, 400, 390],
      /^stopped shrinking: 390\.0 MB in round 3, over the threshold of 64 MB$/,
    ],
    ['end when they are used up', [1024, 640, 320, 160, 80], /^5 rounds used up: 80\.0 MB in round 5$/],
  ]
  for (const [what, copied, expected] of cases) {
    it(what, () => {
      const end = endOfRounds(rounds(...copied), limits)
      if (expected === undefined) expect(end).to.equal(undefined)
      else expect(end).to.match(expected)
    })
  }

  it('are short after one that copied little', () => {
    expect(isShort([])).to.equal(false)
    expect(isShort(rounds(1024))).to.equal(false)
    expect(isShort(rounds(1024, 32))).to.equal(true)
  })

  it('may be the first one alone', () =>
    expect(endOfRounds(rounds(1024), { ...limits, maximumRounds: 1 })).to.equal('1 round used up: 1024.0 MB in round 1'))

  it('adds the containers up', () => {
    const answer = { processes: 1, untracked: [], zeroPages: 0, segments: 0, suspect: 0, pauseUs: 1, stopUs: 1, elapsedUs: 9 }
    const answers = [
      { ...answer, pages: 256, bytes: 2 ** 20, sent: 2 ** 18 },
      { ...answer, pages: 512, bytes: 2 ** 21, sent: 2 ** 20 },
    ]
    const round = { round: 2, pages: 768, copiedMB: 3, sentMB: 1.25, dirtyRateMBps: 5, durationMs: 500 }
    expect(toRound(2, answers, 500, 600)).to.deep.equal(round)
    expect(toRound(1, answers, 500, 600).dirtyRateMBps, 'of the first, which copies all').to.equal(0)
    const twice = withMore(round, round)
    expect([twice.round, twice.pages, twice.copiedMB, twice.durationMs]).to.deep.equal([2, 2 * round.pages, 2 * round.copiedMB, 1000])
    expect([twice.sentMB, twice.dirtyRateMBps]).to.deep.equal([2 * round.sentMB, round.dirtyRateMBps])
  })
})
