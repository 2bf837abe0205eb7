// Files of the host, changed so that a reader sees the old or the new one, and only when they differ.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'

export async function readText(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw error
  })
}

/** Returns whether anything changed. */
export async function writeIfDifferent(file: string, content: string | Uint8Array, mode: number): Promise<boolean> {
  const wanted = Buffer.from(content)
  const current = await readFile(file).catch(() => undefined)
  if (current?.equals(wanted)) return false
  await mkdir(path.dirname(file), { recursive: true })
  // Hidden and without a known ending: programs that read a whole folder pass over it. A running program can be replaced only by a rename.
  const temporary = path.join(path.dirname(file), `.podmotion-${process.pid}.new`)
  await writeFile(temporary, wanted, { mode })
  await rename(temporary, file)
  return true
}

export async function removeFile(file: string): Promise<boolean> {
  const existed = (await readText(file)) !== undefined
  await rm(file, { force: true })
  return existed
}
