// The short form of the simulation: some hundred seeds are clean, and a seed always tells the same story.
import { expect } from 'chai'
import { planFor, runSeed } from './run.ts'
import { shrink } from './shrink.ts'
import { storyOf } from './story.ts'
import { tableInDocument } from './table.ts'
import { variants } from './variants.ts'

/** `make sim` runs 2,000 of them. */
const seeds = 250
const first = 1
const moves = 3

describe('the simulation', function () {
  this.timeout(240_000)

  it(`of ${seeds} seeds from ${first}: never two copies, never none, nothing left behind`, async () => {
    const ends = new Set<string>()
    for (let seed = first; seed < first + seeds; seed++) {
      const result = await runSeed({ seed, moves })
      if (result.violations.length > 0) expect.fail(storyOf(await shrink({ seed, moves }, result)))
      for (const end of Object.keys(result.ends)) ends.add(end)
    }
    expect([...ends]).to.include.members(['Complete', 'RolledBack', 'Failed'])
  })

  it('binds a source that was granted when a destination that lost everything asks it', async () => {
    // Its Node object is deleted, and the node comes back: the destination is resolved as gone after the source was asked whether it goes on.
    const plan = { ...planFor(1291, moves), replicas: 1 }
    const { violations, ends } = await runSeed({ seed: 1291, moves, plan })
    expect(violations).to.deep.equal([])
    expect(ends).to.include({ Complete: 1 })
  })

  it('plays every crash as docs/protocol.md tells it (npm run sim -- --table writes it anew)', async () => {
    const { said, meant } = await tableInDocument()
    expect(said).to.equal(meant)
  })

  it('replays a seed exactly', async () => {
    const told = async (seed: number) => storyOf(await runSeed({ seed, moves }))
    for (const seed of [1, 28, 112]) expect(await told(seed)).to.equal(await told(seed))
  })

  it('cuts a failing plan down to what matters', async () => {
    const { rules = {}, foundBy } = variants.find(({ name }) => name.includes('not answered in time')) ?? expect.fail('no such variant')
    const options = { seed: foundBy, moves, rules }
    const failed = await runSeed(options)
    const small = await shrink(options, failed)
    expect(small.plan.events.length).to.be.lessThan(failed.plan.events.length)
    expect(small.violations[0]?.checker).to.equal(failed.violations[0]?.checker)
  })
})
