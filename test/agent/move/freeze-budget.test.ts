// What the freeze still waits for.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { FreezeBudget } from '../../../src/agent/move/freeze-budget.ts'
import { nowMs } from '../../../src/agent/moves.ts'

describe('the budget of a freeze', () => {
  const frozenFor = (ms: number): FreezeBudget => {
    const atMs = nowMs() - ms
    return new FreezeBudget(500, () => atMs)
  }

  it('is what is left of it since the pod was frozen', () => {
    expect(frozenFor(100).leftMs()).to.be.at.most(400)
    expect(frozenFor(700).leftMs()).to.be.at.most(-200)
  })

  it('waits for what ends in time, well or not', async () => {
    expect(await frozenFor(0).within(sleep(10, 'done'))).to.equal('done')
    const fails = sleep(10).then(() => Promise.reject(new Error('criu exited 1')))
    expect(
      await frozenFor(0)
        .within(fails)
        .catch((error: Error) => error.message),
    ).to.equal('criu exited 1')
  })

  it('waits for nothing that it is too late for, and what fails afterwards is nobody’s failure', async () => {
    let fail = (_error: Error): void => undefined
    const late = new Promise<void>((_resolve, reject) => {
      fail = reject
    })
    const failure = await frozenFor(490)
      .within(late)
      .catch((error: unknown) => error)
    expect(failure).to.include({ code: 'FreezeBudgetExceeded' })
    expect((failure as Error).message).to.include('500 ms')
    fail(new Error('criu exited 1'))
    // An unhandled rejection would end this process.
    await sleep(10)
  })
})
