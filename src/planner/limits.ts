// How long a search may go on and how far it may go.
import type { Chance } from './random.ts'

export interface Limits {
  /** True once the time is used up: searches end soon after with the best that they have. */
  isOver(): boolean
  /** Moves of one plan; balance alone keeps to it, the other goals need what they need. */
  mostMoves: number
  chance: Chance
  /** Rounds without anything better after which a search ends before its time. */
  patienceRounds: number
}
