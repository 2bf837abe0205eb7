// A program that writes its memory faster than it can be copied, under a budget that its freeze cannot keep: each answer that may be wished.
import { expect } from 'chai'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { WritingHeap } from './writing-heap.ts'

const heapMB = 512
const freezeWindowBudgetMs = 400

describe('memory that does not converge', function () {
  this.timeout(400_000)
  const heap = new WritingHeap(heapMB)

  async function move(onNonConvergence: string): Promise<PodMigration> {
    const moved = await heap.moveWhileItWrites({ onNonConvergence, freezeWindowBudgetMs })
    const { preCopy, freeze } = moved.status ?? {}
    console.log(`      ${preCopy?.nonConvergence?.message ?? preCopy?.reason}; frozen for ${freeze?.freezeMs} ms`)
    console.log(`      rounds: ${preCopy?.rounds.map((one) => `${one.copiedMB} MB in ${one.durationMs} ms`).join(', ')}`)
    return moved
  }

  const stepsOf = ({ status }: PodMigration): string[] => status?.timeline?.map(({ step }) => step) ?? []

  async function events(name: string): Promise<string[]> {
    const found = await heap.world.list<{ reason: string }>('events', '--field-selector', `involvedObject.name=${name}`)
    return found.map(({ reason }) => reason)
  }

  it('Abort: goes back before anything is held or frozen, and says what to do', async () => {
    const { status, ...moved } = await move('Abort')
    expect(status?.phase, status?.message).to.equal('RolledBack')
    expect(status?.failure?.code).to.equal('NotConverging')
    expect(status?.failure?.message).to.match(
      /it does not converge \(at least \d+ MB\/s are written, [\d.]+ MB were left after \d rounds, the freeze is predicted to take \d+ ms, freezeWindowBudgetMs is 400\): raise/,
    )
    expect(status?.preCopy?.nonConvergence?.answer).to.equal('Abort')
    expect(stepsOf({ ...moved, ...(status ? { status } : {}) }))
      .not.to.include.members(['held'])
      .and.not.to.include.members(['frozen'])
  })

  it('Freeze: says so, is frozen all the same, and goes back when the budget is exceeded', async () => {
    const moved = await move('Freeze')
    const { status } = moved
    expect(status?.preCopy?.nonConvergence?.answer).to.equal('Freeze')
    expect(stepsOf(moved)).to.include('frozen')
    expect(await events(moved.metadata.name)).to.include('NotConverging')
    // It may have been quick enough after all; nothing else may have come of it.
    if (status?.phase !== 'Complete') expect(status?.failure?.code, status?.message).to.equal('FreezeBudgetExceeded')
  })

  it('PostCopy: goes on in that mode, and nothing is lost', async () => {
    const moved = await move('PostCopy')
    const { status } = moved
    expect(status?.phase, status?.message).to.equal('Complete')
    expect(status?.mode).to.equal('PostCopy')
    expect(status?.preCopy?.nonConvergence?.answer).to.equal('PostCopy')
    expect(status?.postCopy?.stayedMB).to.be.greaterThan(heapMB / 4)
    expect(status?.postCopy?.atSourceMB).to.equal(0)
    expect(status?.freeze?.freezeMs).to.be.lessThan(freezeWindowBudgetMs)
    expect(await events(moved.metadata.name)).to.include('NotConverging')
  })

  it('means nothing for a program that converges', async () => {
    const { status } = await heap.move({ onNonConvergence: 'Abort', freezeWindowBudgetMs: 8000 })
    expect(status?.phase, status?.message).to.equal('Complete')
    expect(status?.preCopy?.nonConvergence).to.equal(undefined)
    expect(status?.mode).to.equal(undefined)
    await heap.expectWhole()
  })
})
