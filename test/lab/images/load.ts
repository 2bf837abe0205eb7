// Imports the product's images, as they are built now, into the running nodes of a lab.
import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isNodeUp } from '../boot/enter.ts'
import type { Lab } from '../lab.ts'
import type { Machine } from '../machine.ts'
import { archive } from './archive.ts'
import { writeProductImages } from './product-images.ts'

export async function loadProductImages(lab: Lab, baseImages: string): Promise<string[]> {
  const scratch = await mkdtemp(join(tmpdir(), 'podmotion-images-'))
  try {
    const layout = join(scratch, 'layout')
    const names = await writeProductImages(layout, scratch, baseImages)
    if (names.length === 0) return []
    const file = join(scratch, 'images.tar')
    // Only the thin layers: containerd finds the others in its store.
    await archive(layout, file)
    const running = lab.nodes.filter((machine) => isNodeUp(lab.layout, machine.name))
    await Promise.all(running.map((machine) => importInto(machine, file)))
    return names
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function importInto(machine: Machine, file: string): Promise<void> {
  await machine.run('ctr', ['-n', 'k8s.io', 'images', 'import', '-'], { input: createReadStream(file) })
}
