// kill -9 of a part: whichever process of it is found within a moment.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../../machine.ts'
import { leaderNode } from '../../product/own-pods.ts'
import { findOn, isCriu, kill } from '../../product/victims.ts'
import type { Scene, Struck, Trouble } from '../scene.ts'

const foundWithinMs = 300

type Side = 'source' | 'destination'
type IsPart = (args: readonly string[]) => boolean

const isProgram =
  (name: string): IsPart =>
  (args) =>
    args[0] !== undefined && args[0].split('/').at(-1) === name
export const isAgent: IsPart = (args) => args[1] === '/app/agent.cjs'
const isController: IsPart = (args) => args[1] === '/app/controller.cjs'
const isRunc: IsPart = (args) => isProgram('runc')(args) && !isCriu(args)
const isOfMemory: IsPart = (args) => /podmotion-pages/.test(args[0] ?? '')
const isStandIn: IsPart = (args) => args.some((arg) => /podmotion-(runc|stand)/.test(arg))

export const kills: Trouble[] = [
  { name: 'kill the leading controller', strike: async (scene) => killOn(await leaderNode(scene.world), isController) },
  { name: 'kill both controllers', strike: killAllControllers },
  ...onEach('kill the agent', isAgent),
  ...onEach('kill criu', isCriu, true),
  ...onEach('kill runc', isRunc, true),
  { name: 'kill wrapper and stand-ins on the destination', strike: (scene) => killOn(scene.destination, isStandIn, 'destinationRestore') },
  ...onEach('kill containerd', isProgram('containerd')),
  ...onEach('kill kubelet', isProgram('kubelet')),
  ...onEach('kill rsync', isProgram('rsync')),
  { name: 'kill the tracker of memory', strike: (scene) => killOn(scene.source, isOfMemory) },
  { name: 'kill the store of memory', strike: (scene) => killOn(scene.destination, isOfMemory, 'destinationRestore') },
]

function onEach(what: string, isPart: IsPart, mayEndProgram = false): Trouble[] {
  return (['source', 'destination'] as const).map((side) => ({
    name: `${what} on the ${side}`,
    strike: (scene: Scene) => killOn(scene[side], isPart, mayEndProgram ? killedOn(side) : undefined),
  }))
}

function killedOn(side: Side): NonNullable<Struck['killed']> {
  return side === 'source' ? 'sourceDump' : 'destinationRestore'
}

async function killOn(node: Machine, isPart: IsPart, killed?: Struck['killed']): Promise<Struck> {
  const endMs = Date.now() + foundWithinMs
  for (;;) {
    const found = findOn(node, isPart)
    const count = kill(found.map(({ pid }) => pid))
    if (count > 0) {
      const names = found.map(({ args, pid }) => `${args.join(' ').slice(0, 60)} (${pid})`)
      return { text: `killed on ${node.name}: ${names.join(', ')}`, ...(killed ? { killed } : {}) }
    }
    if (Date.now() > endMs) return { text: `nothing of it ran on ${node.name}` }
    await sleep(1)
  }
}

async function killAllControllers({ world }: Scene): Promise<Struck> {
  const found = world.lab.nodes.flatMap((node) => findOn(node, isController))
  return { text: `killed ${kill(found.map(({ pid }) => pid))} controllers` }
}
