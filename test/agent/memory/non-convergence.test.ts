// When the freeze clearly does not fit its budget, and what comes of it.
import { expect } from 'chai'
import { judge } from '../../../src/agent/memory/non-convergence.ts'
import { MoveRequest } from '../../../src/api/agent-wire.ts'
import { moveRequest } from '../samples.ts'

interface Lap {
  copiedMB: number
  ms: number
  /** Since the round before began. */
  sinceMs?: number
}

const roundsOf = (laps: Lap[]) =>
  laps.map(({ copiedMB, ms, sinceMs }, index) => ({
    round: index + 1,
    pages: copiedMB * 256,
    copiedMB,
    dirtyRateMBps: sinceMs === undefined ? 0 : (copiedMB / sinceMs) * 1000,
    durationMs: ms,
  }))
const memory = (...laps: Lap[]) => ({ rounds: roundsOf(laps), broken: undefined, cannotStay: undefined })
const asked = { ...moveRequest, freezeWindowBudgetMs: 500 }

/** All of 1 GB is written again and again, copied with 0.5 MB/ms. */
const hopeless = memory({ copiedMB: 1000, ms: 2000 }, { copiedMB: 995, ms: 2000, sinceMs: 2500 })

describe('memory that is written faster than it is copied', () => {
  const cases: [string, ReturnType<typeof memory>, number, [number, number] | undefined][] = [
    ['says nothing after one round', memory({ copiedMB: 9000, ms: 9000 }), 50, undefined],
    ['says nothing when the pod stands still', memory({ copiedMB: 9000, ms: 9000 }, { copiedMB: 0, ms: 5, sinceMs: 9000 }), 50, undefined],
    ['is clear when all is written in each round', hopeless, 500, [950, 2000]],
    ['is not clear within half of the budget over it', hopeless, 1340, undefined],
    [
      'fits when what was found was written in a long time and goes in a short one',
      memory({ copiedMB: 4000, ms: 8000 }, { copiedMB: 800, ms: 1600, sinceMs: 9000 }, { copiedMB: 150, ms: 300, sinceMs: 1700 }),
      500,
      undefined,
    ],
    [
      'counts a share of the last round by its length',
      memory({ copiedMB: 4000, ms: 8000 }, { copiedMB: 1000, ms: 2000, sinceMs: 8000 }, { copiedMB: 900, ms: 1900, sinceMs: 4000 }),
      300,
      [470, 957],
    ],
    [
      'takes a slow copy beside a busy pod for slower than the freeze',
      memory({ copiedMB: 200, ms: 9000 }, { copiedMB: 140, ms: 7000, sinceMs: 7000 }),
      500,
      undefined,
    ],
    ['but not for any speed', memory({ copiedMB: 900, ms: 40_000 }, { copiedMB: 890, ms: 40_000, sinceMs: 40_000 }), 500, [880, 4450]],
  ]
  for (const [what, rounds, freezeWindowBudgetMs, expected] of cases) {
    it(what, () => {
      const found = judge(rounds, { ...asked, freezeWindowBudgetMs })
      if (!expected) return expect(found).to.equal(undefined)
      const [leastLeftMB, predictedFreezeMs] = expected
      expect(found?.leftMB).to.be.within(leastLeftMB, leastLeftMB * 1.1)
      expect(found?.predictedFreezeMs).to.be.within(predictedFreezeMs * 0.9, predictedFreezeMs * 1.1)
      expect(found?.budgetMs).to.equal(freezeWindowBudgetMs)
    })
  }

  it('is not told from rounds under a bandwidth limit, unless no network would do', () => {
    const slow = memory({ copiedMB: 1000, ms: 80_000 }, { copiedMB: 990, ms: 80_000, sinceMs: 80_000 })
    expect(judge(slow, { ...asked, bandwidthLimitMbps: 100, freezeWindowBudgetMs: 700 })).to.equal(undefined)
    expect(judge(slow, { ...asked, bandwidthLimitMbps: 100, freezeWindowBudgetMs: 600 })?.predictedFreezeMs).to.equal(990)
    expect(judge(slow, { ...asked, freezeWindowBudgetMs: 700 })?.predictedFreezeMs).to.equal(4950)
  })

  it('means nothing in other modes, nor when what was copied does not count', () => {
    for (const mode of ['Cold', 'PostCopy'] as const) expect(judge(hopeless, { ...asked, mode })).to.equal(undefined)
    expect(judge({ ...hopeless, broken: 'round 3 failed' }, asked)).to.equal(undefined)
  })

  const answers: [Partial<MoveRequest>, string | undefined, string, RegExp][] = [
    [{ onNonConvergence: 'Freeze' }, 'criu', 'Freeze', /: the pod is frozen anyway, and goes back when the budget is exceeded$/],
    [{ onNonConvergence: 'Abort' }, 'criu', 'Abort', /\): raise freezeWindowBudgetMs or .*, or set onNonConvergence: PostCopy$/],
    [{ onNonConvergence: 'PostCopy' }, undefined, 'PostCopy', /as in mode PostCopy$/],
    [{ onNonConvergence: 'PostCopy' }, 'criu', 'Abort', /, and mode PostCopy cannot be had \(criu\): raise .* writes less$/],
    [{ onNonConvergence: 'PostCopy', postCopyObstacle: 'a probe' }, undefined, 'Abort', /cannot be had \(a probe\): raise/],
  ]
  for (const [wish, cannotStay, answer, says] of answers) {
    it(`${wish.onNonConvergence}, ${wish.postCopyObstacle ?? cannotStay ?? 'every mode can be had'}: ${answer}`, () => {
      const found = judge({ ...hopeless, cannotStay }, { ...asked, ...wish })
      expect(found?.answer).to.equal(answer)
      expect(found?.message).to.match(says)
      expect(found?.message).to.contain(
        '(at least 398 MB/s are written, 979.1 MB were left after 2 rounds, the freeze is predicted to take 1958 ms, freezeWindowBudgetMs is 500)',
      )
    })
  }

  it('is frozen as ever where the controller is of before', () => {
    const { onNonConvergence: _unknown, ...before } = moveRequest
    expect(MoveRequest.parse(before).onNonConvergence).to.equal('Freeze')
    expect(MoveRequest.parse({ ...before, ofLater: 1 })).not.to.have.property('ofLater')
  })
})
