// The base images: their layers and documents, and a containerd state with all of them unpacked.
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type RootFileSystems, writeBaseImages } from '../images/base-images.ts'
import { labSource } from '../layout.ts'
import type { Step } from './step.ts'

const images = join(labSource, 'images')

export async function imagesStep(roots: RootFileSystems): Promise<Step> {
  const sources = ['oci.ts', 'archive.ts', 'base-images.ts']
  return {
    name: 'base-images',
    inputs: [...Object.values(roots), process.version, ...(await Promise.all(sources.map((name) => readFile(join(images, name), 'utf8'))))],
    build: async (out) => {
      const scratch = join(out, 'scratch')
      const layers = await writeBaseImages(join(out, 'layout'), scratch, roots)
      await writeFile(join(out, 'layers.json'), JSON.stringify(layers))
      await rm(scratch, { recursive: true, force: true })
    },
  }
}

export async function containerdStateStep(baseImages: string, lowers: string): Promise<Step> {
  const script = join(images, 'containerd-state.sh')
  return {
    name: 'containerd-state',
    inputs: [baseImages, lowers, await readFile(script, 'utf8')],
    build: async (out, run) => {
      const namespaces = ['--mount', '--pid', '--net', '--fork', '--kill-child', '--propagation', 'private']
      await run('unshare', [...namespaces, script, out, lowers, join(baseImages, 'layout')])
    },
  }
}
