// Our programs on the node: the native ones, and criu and runc of our own where the host's are too old or absent.
import { chmod, copyFile, lstat, mkdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import type { AgentConfig } from '../config.ts'
import { run, runOnHost } from '../run.ts'
import { readText, removeFile, writeIfDifferent } from './host-files.ts'
import { isAtLeast, minimums, parseVersion } from './versions.ts'

const binaries = ['podmotion-runc', 'podmotion-criu', 'podmotion-helper', 'podmotion-pages']
/** What criu loads so that memory which went ahead is left out of its images, and taken from the store. */
const preload = 'podmotion-criu-pages.so'

/** Programs that the image brings as well. */
export type OwnProgram = 'criu' | 'runc'

export async function installPrograms(config: AgentConfig): Promise<void> {
  for (const name of binaries) {
    await writeIfDifferent(path.join(config.optDir, 'bin', name), await readFile(path.join(config.nativeDir, name)), 0o755)
  }
  await writeIfDifferent(path.join(config.optDir, 'libexec', preload), await readFile(path.join(config.nativeDir, preload)), 0o755)
  await linkCriu(config)
  await Promise.all([keepUsable(config, 'criu'), keepUsable(config, 'runc')])
}

export async function uninstallPrograms(config: AgentConfig): Promise<void> {
  await Promise.all(['bin', 'libexec', 'etc', 'dist'].map((name) => rm(path.join(config.optDir, name), { recursive: true, force: true })))
}

/** runc looks for `criu` in PATH, in which the wrapper puts libexec first. */
async function linkCriu(config: AgentConfig): Promise<void> {
  const link = path.join(config.optDir, 'libexec', 'criu')
  const target = '../bin/podmotion-criu'
  if ((await readlink(link).catch(() => undefined)) === target) return
  await mkdir(path.dirname(link), { recursive: true })
  await rm(`${link}.new`, { force: true })
  await symlink(target, `${link}.new`)
  await rename(`${link}.new`, link)
}

/** What the wrapper will start: ours if it was put there, else the host's. */
export async function programPath(config: AgentConfig, name: OwnProgram): Promise<string> {
  return (await readText(pathFile(config, name)))?.split('\n')[0]?.trim() || name
}

export async function hostVersion(command: string): Promise<string | undefined> {
  const result = await runOnHost(command, ['--version'], { reject: false }).catch(() => undefined)
  return result?.exitCode === 0 ? parseVersion(result.stdout) : undefined
}

async function keepUsable(config: AgentConfig, name: OwnProgram): Promise<void> {
  const host = await hostVersion(name)
  if (host !== undefined && isAtLeast(host, minimums[name])) {
    await removeFile(pathFile(config, name))
    return
  }
  const own = await imageProgram(name)
  if (own === undefined) return
  await copyWithLibraries(config, name, own)
  await writeIfDifferent(pathFile(config, name), `${path.join(config.optDir, 'dist', name)}\n`, 0o644)
}

async function imageProgram(name: OwnProgram): Promise<string | undefined> {
  const found = await run('sh', ['-c', `command -v ${name}`], { reject: false })
  return found.exitCode === 0 ? found.stdout.trim() : undefined
}

/** The image's C library is not the host's: the program is started by the loader that belongs to it. */
async function copyWithLibraries(config: AgentConfig, name: OwnProgram, program: string): Promise<void> {
  const folder = path.join(config.optDir, 'dist', `${name}-files`)
  const libraries = parseLibraries((await run('ldd', [program], { reject: false })).stdout)
  await mkdir(folder, { recursive: true })
  for (const file of [program, ...libraries]) await copyProgram(file, path.join(folder, path.basename(file)))
  await writeIfDifferent(path.join(config.optDir, 'dist', name), launcher(folder, name, libraries), 0o755)
}

async function copyProgram(from: string, to: string): Promise<void> {
  await copyFile(from, `${to}.new`)
  await chmod(`${to}.new`, (await lstat(from)).mode | 0o555)
  await rename(`${to}.new`, to)
}

export function launcher(folder: string, name: string, libraries: readonly string[]): string {
  const loader = libraries.find((file) => /^ld-linux|^ld-musl/.test(path.basename(file)))
  const program = path.join(folder, name)
  const start = loader === undefined ? program : `${path.join(folder, path.basename(loader))} --library-path ${folder} ${program}`
  return `#!/bin/sh\nexec ${start} "$@"\n`
}

/** `libc.so.6 => /lib/…/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`. */
export function parseLibraries(ldd: string): string[] {
  return ldd.split('\n').flatMap((line) => /(?:=> )?(\/\S+) \(0x/.exec(line)?.[1] ?? [])
}

function pathFile(config: AgentConfig, name: OwnProgram): string {
  return path.join(config.optDir, 'etc', `${name}-path`)
}
