// The product's images: one thin layer with the bundles above a base that every node already has.
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { projectRoot } from '../layout.ts'
import { addLayer, writeIndex } from './archive.ts'
import { type BaseLayers, imageNames } from './base-images.ts'
import type { Blob, ImageRecipe } from './oci.ts'

export async function writeProductImages(layout: string, scratch: string, baseImages: string): Promise<string[]> {
  const bases = JSON.parse(await readFile(join(baseImages, 'layers.json'), 'utf8')) as BaseLayers
  const recipes: ImageRecipe[] = []
  for (const part of ['controller', 'agent'] as const) {
    const folder = await appFolder(scratch, part)
    if (folder) recipes.push(recipe(part, [...bases[part], await addLayer(layout, folder, true)]))
  }
  if (recipes.length > 0) await writeIndex(layout, recipes)
  return recipes.map(({ name }) => name)
}

function recipe(part: 'controller' | 'agent', layers: readonly Blob[]): ImageRecipe {
  return { name: imageNames[part], layers, entrypoint: ['node', `/app/${part}.cjs`] }
}

// undefined while the bundle does not exist.
async function appFolder(scratch: string, part: string): Promise<string | undefined> {
  const dist = join(projectRoot, 'dist')
  if (!existsSync(join(dist, `${part}.cjs`))) return undefined
  const app = join(scratch, part, 'app')
  await mkdir(app, { recursive: true })
  for (const name of await readdir(dist)) {
    if (name.startsWith(`${part}.cjs`)) await cp(join(dist, name), join(app, name))
  }
  if (part === 'agent') await addNative(join(app, 'native'))
  return join(scratch, part)
}

async function addNative(target: string): Promise<void> {
  const built = join(projectRoot, 'native', 'build')
  if (!existsSync(built)) return
  await mkdir(target)
  for (const name of await readdir(built)) {
    if (!name.startsWith('podmotion-')) continue
    await cp(join(built, name), join(target, name))
    await chmod(join(target, name), 0o755)
  }
}
