// What happens to one move: drawn from its seed, the same each time.
import { Dice } from '../../sim/dice.ts'
import { describeInstant, drawInstant, type Instant } from './instants.ts'
import type { Trouble } from './scene.ts'
import { kills } from './troubles/kill.ts'
import { nodeTroubles } from './troubles/nodes.ts'
import { objectTroubles } from './troubles/objects.ts'
import { spaceTroubles } from './troubles/space.ts'
import { wireTroubles } from './troubles/wire.ts'

export interface Plan {
  seed: number
  trouble: Trouble
  instant: Instant
  /** For what the trouble itself leaves to chance. */
  dice: Dice
}

export function drawPlan(seed: number): Plan {
  const dice = new Dice(seed)
  const family = dice.pick([kills, kills, kills, nodeTroubles, wireTroubles, spaceTroubles, objectTroubles, objectTroubles])
  const trouble = dice.pick(family)
  return { seed, trouble, instant: drawInstant(dice), dice: dice.fork('trouble') }
}

export function describePlan({ seed, trouble, instant }: Plan): string {
  return `seed ${seed}: ${trouble.name}, at ${describeInstant(instant)}`
}
