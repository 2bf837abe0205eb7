// A node loses its power and gets it back; with or without its Node object deleted meanwhile.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scene, Struck, Trouble } from '../scene.ts'

const shortestMs = 500
const longestMs = 8000

export const nodeTroubles: Trouble[] = [
  { name: "the source's node loses its power", strike: (scene) => powerCut(scene, scene.source.name) },
  { name: "the destination's node loses its power", strike: (scene) => powerCut(scene, scene.destination.name) },
  { name: 'a third node loses its power', strike: (scene) => powerCut(scene, thirdNode(scene)) },
  { name: "the destination's node is deleted", strike: deleteDestination },
]

async function powerCut({ world: { lab }, dice }: Scene, name: string): Promise<Struck> {
  const awayMs = dice.integer(shortestMs, longestMs)
  await lab.killNode(name)
  const undo = async (): Promise<void> => {
    await sleep(awayMs)
    await lab.startNode(name)
  }
  return { text: `${name} off for ${awayMs} ms`, destroyed: [name], undo }
}

async function deleteDestination(scene: Scene): Promise<Struck> {
  const struck = await powerCut(scene, scene.destination.name)
  await scene.world.kubectl('delete', 'node', scene.destination.name, '--wait=false')
  return { ...struck, text: `${struck.text}, its Node object deleted` }
}

function thirdNode({ world, source, destination }: Scene): string {
  const other = world.lab.nodes.find(({ name }) => name !== source.name && name !== destination.name)
  return other?.name ?? destination.name
}
