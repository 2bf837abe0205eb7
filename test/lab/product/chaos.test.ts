// The short form of a chaos run: a few moves with a fixed choice of troubles. `make chaos` draws many.
import { expect } from 'chai'
import { drawPlan, type Plan } from '../chaos/plan.ts'
import { chaosRun } from '../chaos/run.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

describe('moves in which something breaks', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })

  it('lose nothing, double nothing, leave nothing', async function () {
    // A pod that was lost is not tried again; and the waits of three moves end before this does, or the next test would begin beside them.
    this.retries(0)
    this.timeout(1_600_000)
    const said: string[] = []
    const summary = await chaosRun(world, { plans: shortForm(), say: (line) => said.push(line) })
    expect(summary.failed, said.join('\n')).to.equal(0)
    expect(summary.moves).to.equal(3)
  })
})

/** Each of another kind: something of ours, the wire, a person. */
function shortForm(): Plan[] {
  const wanted = [/kill kubelet on the source/, /packets cut between the agents/, /the migration is deleted/]
  return wanted.map((pattern) => firstPlan((plan) => pattern.test(plan.trouble.name) && plan.instant.side !== 'clock'))
}

function firstPlan(isWanted: (plan: Plan) => boolean): Plan {
  for (let seed = 1; seed < 10_000; seed++) {
    const plan = drawPlan(seed)
    if (isWanted(plan)) return plan
  }
  throw new Error('no seed below 10000 draws that plan')
}
