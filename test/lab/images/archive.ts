// Writes OCI image layouts without a daemon: layers are tars of folders, an archive is a tar of the layout.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { execa } from 'execa'
import { type Blob, type Document, type ImageRecipe, imageConfig, imageIndex, imageManifest, type NamedManifest } from './oci.ts'

// Package lists and downloads serve the next layer's installation only; the rest belongs to the running system.
const leftOut = ['./var/lib/apt/lists/*', './var/cache/apt/*', './proc/*', './sys/*', './dev/*', './tmp/*']

// The same folder always gives the same digest: times are those of the files unless `flatTimes` is asked for.
export async function addLayer(layout: string, folder: string, flatTimes = false): Promise<Blob> {
  const blobs = join(layout, 'blobs', 'sha256')
  await mkdir(blobs, { recursive: true })
  const unfinished = join(blobs, `.layer-${process.pid}-${Math.random().toString(36).slice(2)}`)
  await execa('tar', [
    '--sort=name',
    '--numeric-owner',
    ...(flatTimes ? ['--mtime=@0', '--owner=0', '--group=0'] : []),
    ...leftOut.map((pattern) => `--exclude=${pattern}`),
    '-C',
    folder,
    '-cf',
    unfinished,
    '.',
  ])
  const digest = await sha256(unfinished)
  const { size } = await stat(unfinished)
  await rename(unfinished, join(blobs, digest))
  return { digest: `sha256:${digest}`, bytes: size }
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}

export async function writeIndex(layout: string, recipes: readonly ImageRecipe[]): Promise<void> {
  const images: NamedManifest[] = []
  for (const recipe of recipes) {
    const config = await addDocument(layout, imageConfig(recipe))
    const manifest = await addDocument(layout, imageManifest(recipe, config))
    images.push({ name: recipe.name, manifest })
  }
  await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  await writeFile(join(layout, 'index.json'), JSON.stringify(imageIndex(images)))
}

async function addDocument(layout: string, document: Document): Promise<Blob> {
  const file = join(layout, 'blobs', 'sha256', document.digest.replace('sha256:', ''))
  await writeFile(file, document.text)
  return document
}

export async function archive(layout: string, file: string): Promise<void> {
  await execa('tar', ['-C', layout, '-cf', file, 'oci-layout', 'index.json', 'blobs'])
}
