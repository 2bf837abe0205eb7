// The images that change rarely: pause, the test applications, and what the product's images stand on.
import { copyFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { addLayer, writeIndex } from './archive.ts'
import type { Blob } from './oci.ts'

export const imageNames = {
  pause: 'podmotion.local/pause:1',
  app: 'podmotion.local/app:1',
  traffic: 'podmotion.local/traffic:1',
  controllerBase: 'podmotion.local/controller-base:1',
  agentBase: 'podmotion.local/agent-base:1',
  controller: 'podmotion.local/controller:dev',
  agent: 'podmotion.local/agent:dev',
}

export type RootFileSystems = {
  readonly base: string
  readonly app: string
  readonly agent: string
  readonly pause: string
  readonly traffic: string
}

export type BaseLayers = { readonly controller: readonly Blob[]; readonly agent: readonly Blob[] }

export async function writeBaseImages(layout: string, scratch: string, roots: RootFileSystems): Promise<BaseLayers> {
  const base = await addLayer(layout, roots.base)
  const app = await addLayer(layout, roots.app)
  const agent = await addLayer(layout, roots.agent)
  const pause = await addLayer(layout, roots.pause, true)
  const traffic = await addLayer(layout, roots.traffic, true)
  const node = await addLayer(layout, await nodeFolder(scratch), true)
  const layers = { controller: [base, node], agent: [base, agent, node] }
  await writeIndex(layout, [
    { name: imageNames.pause, layers: [pause], entrypoint: ['/pause'] },
    { name: imageNames.app, layers: [base, app], command: ['sleep', 'infinity'] },
    { name: imageNames.traffic, layers: [traffic], entrypoint: ['/lab-traffic'] },
    { name: imageNames.controllerBase, layers: layers.controller },
    { name: imageNames.agentBase, layers: layers.agent },
  ])
  return layers
}

// The Node that runs this is the one that the product runs on; the base has the libraries it needs.
async function nodeFolder(scratch: string): Promise<string> {
  const folder = join(scratch, 'node')
  await mkdir(join(folder, 'usr', 'local', 'bin'), { recursive: true })
  await copyFile(process.execPath, join(folder, 'usr', 'local', 'bin', 'node'))
  return folder
}
