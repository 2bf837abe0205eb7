// A lab with the product as it is built now, for as long as a benchmark runs; one that is up already is used.
import { execa } from 'execa'
import { Lab } from '../../test/lab/lab.ts'
import { projectRoot } from '../../test/lab/layout.ts'
import { installProduct } from '../../test/lab/product/install.ts'
import { World } from '../../test/lab/product/world.ts'

const name = process.env.LAB_NAME ?? 'bench'

export async function inProductLab(keep: boolean, work: (world: World) => Promise<void>): Promise<void> {
  await execa('make', ['--no-print-directory', 'bundle', 'native'], { cwd: projectRoot, stdout: 'ignore' })
  const wasUp = Lab.isUp(name)
  const lab = wasUp ? Lab.attach(name) : await Lab.up({ name })
  try {
    await lab.loadImages()
    await installProduct(lab, { restart: wasUp })
    await work(new World(lab))
  } finally {
    if (!keep) await lab.down()
  }
}
