// `make chaos MOVES=N SEED=S`: boots a lab with the product, then moves a pod N times while one thing or another breaks each time.
import { Lab } from '../lab.ts'
import { installProduct } from '../product/install.ts'
import { World } from '../product/world.ts'
import { chaosRun, plansFrom } from './run.ts'
import { giveSmallDisks } from './small-disk.ts'

const moves = Number(process.env.MOVES || 20)
const seed = Number(process.env.SEED || Date.now() % 1_000_000_000)
const say = (line: string): void => console.log(line)

if (!Number.isInteger(moves) || moves < 1) throw new Error(`Reading MOVES: expected a whole number from 1, got ${process.env.MOVES}`)
if (!Number.isInteger(seed) || seed < 0) throw new Error(`Reading SEED: expected a whole number from 0, got ${process.env.SEED}`)

const wasUp = Lab.isUp()
const lab = wasUp ? Lab.attach() : await Lab.up()
await giveSmallDisks(lab)
if (!process.env.LAB_AS_IS) {
  await lab.loadImages()
  await installProduct(lab, { say, restart: wasUp })
}
const { failed, ends, worstMs, ...rest } = await chaosRun(new World(lab), { plans: plansFrom(seed, moves), say }).finally(async () => {
  if (!wasUp && !process.env.LAB_KEEP) await lab.down()
})
const ended = Object.entries(ends).map(([phase, count]) => `${count} ${phase}`)
say(`chaos: ${rest.moves} moves from seed ${seed} · ${ended.join(', ')} · worst pause ${worstMs} ms · ${failed} failed`)
process.exit(failed > 0 ? 1 : 0)
