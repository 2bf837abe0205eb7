// Lists what a container changed in its image: the paths of the overlay's upper folder, and what they hide below.
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import type { Layers } from './mount-info.ts'

export interface LayerView extends Layers {
  /** The merged folder, as the container sees it. */
  merged: string
}

/**
 * Paths relative to the root. Those that the merged folder lacks (a whiteout, or hidden by an opaque folder) are listed too: rsync deletes
 * them on the destination, which has the same image below. What the merged folder shows though neither layer has it there (a renamed
 * folder of redirect_dir) is listed whole. So no overlay attribute has to be read.
 */
export async function listChanges(view: LayerView): Promise<string[]> {
  return await listFolder(view, '')
}

async function listFolder(view: LayerView, folder: string): Promise<string[]> {
  const [upper, merged, ...lowers] = await Promise.all([
    entriesOf(view.upper, folder),
    entriesOf(view.merged, folder),
    ...view.lowers.map((lower) => entriesOf(lower, folder)),
  ])
  const below = new Set(lowers.flatMap((entries) => [...entries.keys()]))
  const hidden = [...below].filter((name) => !merged.has(name) && !upper.has(name))
  const moved = [...merged.keys()].filter((name) => !upper.has(name) && !below.has(name))
  const nested = await Promise.all([
    ...[...upper].filter(([, isFolder]) => isFolder).map(([name]) => listFolder(view, path.join(folder, name))),
    ...moved.filter((name) => merged.get(name)).map((name) => listWhole(view.merged, path.join(folder, name))),
  ])
  const own = [...upper.keys(), ...hidden, ...moved].map((name) => path.join(folder, name))
  return [...own, ...nested.flat()]
}

async function listWhole(root: string, folder: string): Promise<string[]> {
  const entries = await entriesOf(root, folder)
  const nested = await Promise.all(
    [...entries].filter(([, isFolder]) => isFolder).map(([name]) => listWhole(root, path.join(folder, name))),
  )
  return [...[...entries.keys()].map((name) => path.join(folder, name)), ...nested.flat()]
}

/** Names and whether each is a folder; an absent folder, or one that went meanwhile, has none. Names are bytes, one a character. */
async function entriesOf(root: string, folder: string): Promise<Map<string, boolean>> {
  const location = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(folder, 'latin1')])
  const entries = await readdir(location, { withFileTypes: true, encoding: 'latin1' }).catch(noneIfAbsent)
  return new Map(entries.map((entry) => [entry.name, entry.isDirectory()]))
}

/** Anything else would pass for "nothing was changed here", and lose it. */
function noneIfAbsent(error: NodeJS.ErrnoException): [] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
  throw error
}
