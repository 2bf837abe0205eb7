// One builder at a time per name, also between processes; a lock whose owner died is taken over.
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cacheDir } from '../layout.ts'

const lookAgainMs = 500

export async function withLock<T>(name: string, work: () => Promise<T>): Promise<T> {
  const file = join(cacheDir(), 'locks', name)
  await mkdir(join(cacheDir(), 'locks'), { recursive: true })
  let said = false
  for (let owner = await tryLock(file); owner !== undefined; owner = await tryLock(file)) {
    if (!said) console.log(`lab: waiting for ${name}, which process ${owner} builds`)
    said = true
    await sleep(lookAgainMs)
  }
  try {
    return await work()
  } finally {
    await rm(file, { force: true })
  }
}

// The owner's process id while somebody else has it.
async function tryLock(file: string): Promise<string | undefined> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' })
    return undefined
  } catch {
    const owner = await readFile(file, 'utf8').catch(() => '')
    // An empty file is one that its owner is about to write.
    if (owner !== '' && !existsSync(`/proc/${owner}`)) await rm(file, { force: true })
    return owner || 'another'
  }
}
