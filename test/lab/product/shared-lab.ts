// One lab with the product installed for all of these tests; it ends with the run (LAB_KEEP=1 leaves it up).
import { execa } from 'execa'
import { Lab } from '../lab.ts'
import { projectRoot } from '../layout.ts'
import { installProduct } from './install.ts'
import { World } from './world.ts'

const name = process.env.LAB_NAME ?? 'product-test'
const say = (line: string): void => console.log(`    lab: ${line}`)
let world: Promise<World> | undefined

/** For `before` hooks: the first caller boots and installs, the others wait for it. */
export function sharedWorld(): Promise<World> {
  world ??= start()
  return world
}

async function start(): Promise<World> {
  // LAB_AS_IS=1: the product that is in the lab already, for running one test file again.
  if (process.env.LAB_AS_IS) return new World(Lab.attach(name))
  await execa('make', ['--no-print-directory', 'bundle', 'native'], { cwd: projectRoot })
  const wasUp = Lab.isUp(name)
  const lab = wasUp ? Lab.attach(name) : await Lab.up({ name })
  await lab.loadImages()
  await installProduct(lab, { say, restart: wasUp })
  return new World(lab)
}

export const mochaHooks = {
  async afterAll(this: Mocha.Context): Promise<void> {
    this.timeout(60_000)
    if (world === undefined || process.env.LAB_KEEP) return
    await world.catch(() => undefined)
    await Lab.remove(name)
  },
}
