// `runc checkpoint --pre-dump` of one container: criu copies what was written since the last round, and lets the container run on.
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { CodedError } from '../../runtime/errors.ts'
import type { AgentConfig } from '../config.ts'
import { pauseMs } from '../criu/dump-stats.ts'
import { runOutliving } from '../run.ts'
import { pageBytes } from '../transfer/page-repeats.ts'
import { criuEnvironment, type DumpFolders, dumpReason, realRunc } from './checkpoint.ts'
import { runcRoot } from './state.ts'

const preDumpTimeoutMs = 300_000

export interface PreDumped {
  pages: number
  bytes: number
  /** How long the container stood still for it. */
  pauseMs: number
}

/** Pure: the arguments after `runc`. `parent` is the round before, as seen from the images. */
export function preDumpArguments(id: string, { images, work, parent }: Omit<DumpFolders, 'skip'>): string[] {
  const options = ['--pre-dump', '--tcp-established', '--manage-cgroups-mode', 'ignore', '--image-path', images, '--work-path', work]
  return ['--root', runcRoot, 'checkpoint', ...options, ...(parent === undefined ? [] : ['--parent-path', parent]), id]
}

/** Never ended half-way but by its time: a criu that is killed may leave the container standing. */
export async function preDump(config: AgentConfig, container: { name: string; id: string }, folders: DumpFolders): Promise<PreDumped> {
  await Promise.all([folders.images, folders.work].map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })))
  const result = await runOutliving(realRunc(config), preDumpArguments(container.id, folders), {
    env: criuEnvironment(config),
    timeoutMs: preDumpTimeoutMs,
    reject: false,
  })
  if (result.exitCode !== 0) throw failure(container.name, result.exitCode, await dumpReason(folders, result))
  const bytes = await pagesBytes(folders.images)
  const stats = await readFile(`${folders.work}/stats-dump`).catch(() => Buffer.alloc(0))
  return { pages: bytes / pageBytes, bytes, pauseMs: pauseMs(stats) ?? 0 }
}

function failure(name: string, exitCode: number, reason: string): CodedError {
  return new CodedError(
    'PreDumpFailed',
    `Copying memory of container ${name} ahead of the freeze: runc checkpoint --pre-dump exited ${exitCode} (${reason})`,
  )
}

async function pagesBytes(images: string): Promise<number> {
  const files = (await readdir(images)).filter((name) => /^pages-\d+\.img$/.test(name))
  const sizes = await Promise.all(files.map(async (name) => (await stat(`${images}/${name}`)).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}
