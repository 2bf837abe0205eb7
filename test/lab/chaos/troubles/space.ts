// No space left: where images are (tmpfs), or where the journal is (the agents' disk, in a chaos lab a small one of its own).
import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../../machine.ts'
import { said } from '../../said.ts'
import type { Scene, Struck, Trouble } from '../scene.ts'

const shortestMs = 500
const longestMs = 10_000

export const spaceTroubles: Trouble[] = (['source', 'destination'] as const).flatMap((side) => [
  { name: `tmpfs full on the ${side}`, strike: (scene: Scene) => fill(scene, scene[side], '/run') },
  { name: `disk full on the ${side}`, strike: (scene: Scene) => fill(scene, scene[side], '/var/lib/podmotion') },
])

/** Its file system is made as small as what is on it: nobody's memory is eaten for that. */
async function fill({ dice }: Scene, machine: Machine, folder: string): Promise<Struck> {
  const awayMs = dice.integer(shortestMs, longestMs)
  const { stdout: type } = await said(machine.run('stat', ['-f', '-c', '%T', folder]))
  if (type !== 'tmpfs') return { text: `${folder} of ${machine.name} is no small disk (make chaos makes one): left alone` }
  const { stdout: size } = await said(machine.run('sh', ['-c', shrink, 'sh', folder]))
  const undo = async (): Promise<void> => {
    await sleep(awayMs)
    await machine.run('mount', ['-o', `remount,size=${size}k`, folder], { reject: false })
  }
  return { text: `${folder} of ${machine.name} full for ${awayMs} ms`, undo }
}

/** What is on it grows between the look and the mount: then it is looked at again. */
const shrink = `
size=$(df -k --output=size "$1" | tail -1)
for try in 1 2 3 4 5 6 7 8 9 10; do
  used=$(df -k --output=used "$1" | tail -1)
  mount -o remount,size=$((used > 0 ? used : 4))k "$1" 2>/tmp/shrink && echo $size && exit
done
cat /tmp/shrink >&2
exit 1`
