// "Who owns the pod when somebody dies": crashes, losses and duplicates in any order, and never two copies, never none.
import { expect } from 'chai'
import fc from 'fast-check'
import { events, World, type WorldEvent } from './world.ts'

const good: WorldEvent[] = [
  'sourceProceeds',
  'sourceProceeds',
  'sourceActs',
  'destinationProceeds',
  'destinationProceeds',
  'destinationProceeds',
  'destinationProceeds',
  'destinationActs',
  'destinationActs',
  'destinationActs',
  'sourceProceeds',
  'sourceActs',
]

/** Random events, most of them after a good start: pure noise rarely reaches the grant. */
const histories = fc
  .tuple(fc.integer({ min: 0, max: good.length }), fc.array(fc.constantFrom(...events), { maxLength: 40 }))
  .map(([start, noise]) => [...good.slice(0, start), ...noise])

function play(history: readonly WorldEvent[], check: (world: World) => void): World {
  const world = new World()
  for (const event of history) {
    world.happen(event)
    check(world)
  }
  return world
}

describe('the protocol of grant and commit', () => {
  it('moves when nothing goes wrong', () => {
    const world = play([...good, 'grantArrives', 'destinationActs', 'outcomeIsAsked'], () => {})
    expect(world.destinationRuns).to.equal(true)
    expect(world.source.state).to.equal('committed')
    expect(world.sourceFrozen).to.equal(true)
  })

  it('reaches the grant in the histories that are tried', () => {
    let reached = 0
    fc.assert(
      fc.property(histories, (history) => void (reached += play(history, () => {}).source.granted ? 1 : 0)),
      { numRuns: 300, seed: 7 },
    )
    expect(reached).to.be.greaterThan(10)
  })

  it('never lets two copies run', () => {
    fc.assert(
      fc.property(histories, (history) => void play(history, (world) => expect(world.sourceRuns && world.destinationRuns).to.equal(false))),
      { numRuns: 3000 },
    )
  })

  it('never commits without a grant, and never after a "never"', () => {
    const check = ({ source, destination, destinationDiscarded, destinationRuns }: World): void => {
      if (destination.committed) expect(source.granted).to.equal(true)
      if (destination.committed) expect(destination.state).to.not.equal('aborted')
      expect(destinationDiscarded && destinationRuns).to.equal(false)
    }
    fc.assert(
      fc.property(histories, (history) => void play(history, check)),
      { numRuns: 3000 },
    )
  })

  it('never thaws after the grant unless the destination said never', () => {
    const check = ({ source, sourceFrozen, sourceEnded, destination }: World): void => {
      if (source.granted && !sourceFrozen && !sourceEnded)
        expect(destination.state === 'aborted' || destination.state === 'finished').to.equal(true)
      if (source.granted && !sourceFrozen && !sourceEnded) expect(destination.committed).to.equal(false)
    }
    fc.assert(
      fc.property(histories, (history) => void play(history, check)),
      { numRuns: 3000 },
    )
  })

  it('always ends with exactly one copy running', () => {
    const one = (history: WorldEvent[]): void => {
      const world = play(history, () => {})
      world.comeToRest()
      expect([world.sourceRuns, world.destinationRuns], `${world.source.state} / ${world.destination.state}`).to.have.members([true, false])
    }
    fc.assert(fc.property(histories, one), { numRuns: 3000 })
  })
})
