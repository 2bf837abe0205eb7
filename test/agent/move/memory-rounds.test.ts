// When memory is copied ahead of the freeze, and what the move's record says of it: rounds of pretended sizes stand in for the tracker.
import { expect } from 'chai'
import type { PreCopy } from '../../../src/agent/memory/pre-copy.ts'
import { MemoryRounds } from '../../../src/agent/move/memory-rounds.ts'
import type { MoveFacts } from '../../../src/agent/protocol/move.ts'
import { RateLimit } from '../../../src/agent/transfer/rate-limit.ts'
import type { MoveRequest } from '../../../src/api/agent-wire.ts'
import type { PreCopyRound } from '../../../src/api/pod-migration.ts'
import { realClock } from '../../../src/runtime/clock.ts'
import { moveRequest, sourceMove, uid } from '../samples.ts'

/** `copies`: what each round copies, in MB, in a second; the pod writes it in two. */
function scene(copies: readonly number[], request: Partial<MoveRequest> = {}, copied: Partial<PreCopy> = {}) {
  const rounds: PreCopyRound[] = []
  const round = async (): Promise<void> => {
    const copiedMB = copies[rounds.length] ?? 0
    rounds.push({
      round: rounds.length + 1,
      pages: copiedMB * 256,
      copiedMB,
      dirtyRateMBps: rounds.length > 0 ? copiedMB / 2 : 0,
      durationMs: 1000,
    })
  }
  const told: MoveFacts = {}
  const did: string[] = []
  const later: boolean[] = []
  const lookAgain = async (): Promise<void> => void did.push('looks again')
  const memory = {
    rounds,
    bytes: 7,
    lazy: true,
    broken: undefined,
    cannotStay: undefined,
    isInDoubt: async () => false,
    round,
    lookAgain,
    ...copied,
  }
  const rest = {
    dumpOptions: () => ({ skip: '/skip' }),
    close: () => did.push('closed'),
    final: (stays: boolean) => void later.push(stays),
  }
  const ofMove = { ...moveRequest, ...request }
  const source = () => ({ ...sourceMove(), request: ofMove, facts: told })
  const moves = { source, facts: (_uid: string, facts: MoveFacts) => Object.assign(told, facts) }
  const limit = new RateLimit(0, realClock)
  const of = new MemoryRounds({
    moves: moves as never,
    uid,
    request: ofMove,
    limit,
    copyAll: async () => {
      if (copies.length === 0) throw new Error('no tracker here')
      await round()
      return { ...memory, ...rest } as PreCopy
    },
    lend: async () => void did.push('lends'),
    signal: new AbortController().signal,
  })
  /** All up to the freeze. */
  const ahead = async (mbps = 0): Promise<void> => {
    await of.start(mbps)
    await of.catchUp()
    await of.last()
  }
  return { of, ahead, told, did, later, made: () => rounds.length }
}

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => '',
    (error: { code?: string }) => error.code ?? String(error),
  )

describe('the memory of a pod that moves', () => {
  it('goes in rounds until little is left, and once more', async () => {
    const { ahead, told, made } = scene([500, 100, 1, 1])
    await ahead()
    expect(made()).to.equal(4)
    expect(told.preCopy?.rounds).to.have.length(4)
    expect(told.preCopy?.reason).to.equal('converged: 1.0 MB in round 3')
  })

  it('goes once more at the very end, if one more is allowed', async () => {
    const [more, none] = [scene([500, 100, 1, 9, 2]), scene([500, 100, 1, 9, 2], { preCopyMaxRounds: 2 })]
    for (const { ahead, of } of [more, none]) {
      await ahead()
      await of.lastOfAll()
    }
    expect([more.made(), none.made()]).to.deep.equal([5, 2])
    expect(more.told.preCopy?.rounds).to.have.length(5)
    expect(more.told.preCopy?.reason).to.equal('converged: 1.0 MB in round 3')
  })

  it('is looked at again as a part of the last round, if that leaves a doubt', async () => {
    const [doubt, none, whole] = [scene([500, 1], {}, { isInDoubt: async () => true }), scene([500, 1]), scene([])]
    for (const { ahead } of [doubt, none, whole]) await ahead()
    expect(await Promise.all([doubt, none, whole].map(({ of }) => of.isInDoubt()))).to.deep.equal([true, false, false])
    const before = doubt.made()
    await doubt.of.lookAgain()
    await whole.of.lookAgain()
    expect(doubt.did).to.deep.equal(['looks again'])
    expect([doubt.made(), doubt.told.preCopy?.rounds.length]).to.deep.equal([before, before])
    expect(whole.told.preCopy).to.deep.equal({ rounds: [], reason: 'no tracker here' })
  })

  it('makes no last round that would find everything again, but after paced ones', async () => {
    const [full, paced] = [
      scene([500, 499, 499, 499], { freezeWindowBudgetMs: 9000 }),
      scene([500, 499, 499, 499], { freezeWindowBudgetMs: 9000 }),
    ]
    await full.ahead()
    await paced.ahead(1000)
    expect([full.made(), paced.made()]).to.deep.equal([2, 3])
  })

  it('never goes in more rounds than are allowed', async () => {
    const { of, ahead, told, made } = scene([500, 300, 200, 100], { preCopyMaxRounds: 3, freezeWindowBudgetMs: 9000 })
    await ahead()
    await of.lastOfAll()
    expect(made()).to.equal(3)
    expect(told.preCopy?.reason).to.equal('1 round used up: 500.0 MB in round 1')
  })

  it('is no reason to give a move up where it cannot be copied, and both criu run as they are', async () => {
    for (const [one, reason] of [
      [scene([]), 'no tracker here'],
      [scene([500], { mode: 'Cold' }), 'mode Cold copies no memory ahead'],
    ] as const) {
      await one.ahead()
      expect(one.told.preCopy).to.deep.equal({ rounds: [], reason })
      expect([one.of.lazy, one.of.bytes, one.of.dumpOptions('main'), one.of.final()]).to.deep.equal([false, 0, {}, undefined])
    }
  })

  it('is a reason in mode PostCopy, and so is memory that cannot stay', async () => {
    expect(await codeOf(scene([], { mode: 'PostCopy' }).ahead())).to.equal('PostCopyUnavailable')
    const fails = scene([500], { mode: 'PostCopy' }, { cannotStay: 'the stores are too old' })
    expect(await codeOf(fails.ahead())).to.equal('PostCopyUnavailable')
    expect(fails.did).to.deep.equal([])
    // It was open already, and whoever gives the move up closes it.
    fails.of.close()
    expect(fails.did).to.deep.equal(['closed'])
  })

  it('stays here in mode PostCopy, from before the freeze on', async () => {
    const { of, ahead, did, told, later } = scene([500, 100, 1, 1], { mode: 'PostCopy' })
    await ahead()
    expect(did).to.deep.equal(['lends'])
    of.final()
    of.stayed({ bytes: 0, sent: 0, left: 3 << 20 })
    expect(later).to.deep.equal([true])
    expect(told.stayedMB).to.be.within(3, 3.2)
  })

  it('is said to be no longer of use when it broke', async () => {
    const { ahead, told } = scene([500, 100], {}, { broken: 'criu exited 1' })
    await ahead()
    expect(told.preCopy?.reason).to.equal('criu exited 1')
    expect(told.preCopy?.rounds).to.have.length(1)
  })

  describe('when it does not converge', () => {
    const hopeless = [2000, 1999]
    const stories = { Abort: 'NotConverging', Freeze: '', PostCopy: '' } as const
    for (const [onNonConvergence, code] of Object.entries(stories)) {
      it(`is answered before the freeze: ${onNonConvergence}`, async () => {
        const { of, ahead, told, did, later } = scene(hopeless, { onNonConvergence: onNonConvergence as keyof typeof stories })
        expect(await codeOf(ahead())).to.equal(code)
        expect(told.preCopy?.nonConvergence?.answer).to.equal(onNonConvergence)
        expect(told.preCopy?.rounds).to.have.length(2)
        const becomes = onNonConvergence === 'PostCopy'
        expect(told.mode).to.equal(becomes ? 'PostCopy' : undefined)
        expect(did).to.deep.equal(becomes ? ['lends'] : [])
        of.final()
        expect(later).to.deep.equal([becomes])
      })
    }
  })
})
