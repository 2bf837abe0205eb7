// One move of a chaos run, as its troubles see it.
import type { V1Pod } from '@kubernetes/client-node'
import type { Dice } from '../../sim/dice.ts'
import type { Machine } from '../machine.ts'
import type { World } from '../product/world.ts'

export interface Scene {
  world: World
  /** The PodMigration. */
  name: string
  uid: string
  pod: V1Pod
  source: Machine
  destination: Machine
  dice: Dice
}

/** What a trouble did; `undo` brings back what does not come back by itself. */
export interface Struck {
  text: string
  undo?: () => Promise<void>
  /** Nodes whose processes were all killed: connections that they carried may have ended. */
  destroyed?: string[]
  /** The pod object that a person deleted. */
  deleted?: 'source' | 'destination'
  /** A program whose end may be the end of the pod's own program, by where the move is then. */
  killed?: 'sourceDump' | 'destinationRestore'
}

export interface Trouble {
  name: string
  strike(scene: Scene): Promise<Struck>
}
