// One move of a chaos run, as its troubles see it.
import type { V1Pod } from '@kubernetes/client-node'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
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

/** The PodMigration is created; what it does meanwhile is for the caller to watch. */
export async function beginMove(
  world: World,
  pod: V1Pod,
  dice: Dice,
  wish: { spec: object; name?: string; targetNodeName?: string },
): Promise<Scene> {
  const source = world.lab.node(pod.spec?.nodeName ?? '')
  const others = world.lab.nodes.filter(({ name }) => name !== source.name)
  const destination = others.find(({ name }) => name === wish.targetNodeName) ?? dice.pick(others)
  const wanted = world.migration({ podName: pod.metadata?.name, targetNodeName: destination.name, ...wish.spec }, wish.name)
  const applied = await world.apply(wanted)
  if (applied.exitCode !== 0) throw new Error(`Beginning a move: ${applied.all}`)
  const { name } = wanted.metadata
  const uid = (await world.get<PodMigration>('podmigration', name))?.metadata.uid ?? ''
  return { world, name, uid, pod, source, destination, dice }
}
