// `make guest-test`: rounds by criu's pre-dumps on a kernel that has soft-dirty bits, which this machine's need not have. Exits 1 on a wrong byte.
import { rmSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { build } from 'esbuild'
import { execa } from 'execa'
import { projectRoot } from '../lab/layout.ts'
import { rootFileSystems } from '../lab/setup/root-fs.ts'
import { prepareHost } from '../lab/setup/set-up.ts'
import { type Entry, initramfs } from './initramfs.ts'
import { emulatedMachine, type Machine, runGuest } from './machine.ts'

const here = import.meta.dirname
const timeoutMs = 3_600_000
/** TIMES: how often each program is moved. */
const environment = `LOG_LEVEL=silent TIMES=${Number(process.env['TIMES'] ?? 3)}`

async function main(): Promise<number> {
  await prepareHost()
  const { node, base } = await rootFileSystems()
  const machine = await emulatedMachine()
  const scratch = await mkdtemp(join(tmpdir(), 'podmotion-guest-'))
  // However it ends: the emulator goes with this process, and nothing of either stays.
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  const own = await ownFolder(join(scratch, 'own'))
  await writeFile(join(scratch, 'initramfs'), initramfs(await firstFiles(scratch, machine)))
  return await runGuest({ machine, initramfs: join(scratch, 'initramfs'), shares: { own, node, base }, environment, timeoutMs })
}

async function firstFiles(scratch: string, { modules }: Machine): Promise<Entry[]> {
  await compile(join(here, 'init.c'), join(scratch, 'init'))
  const numbered = modules.map(async (path, index): Promise<Entry> => {
    return { name: `modules/${String(index).padStart(2, '0')}-${basename(path)}`, content: await readFile(path) }
  })
  const folders = ['modules', 'dev', 'own', 'node', 'base', 'top', 'root'].map((name) => ({ name }))
  return [...folders, ...(await Promise.all(numbered)), { name: 'init', content: await readFile(join(scratch, 'init')) }]
}

/** What the guest has beside a node's own programs: ours where an agent installs them, Node, and the programs that are moved. */
async function ownFolder(own: string): Promise<string> {
  const [opt, guest, bin] = ['opt/podmotion', 'guest', 'usr/local/bin'].map((name) => join(own, name)) as [string, string, string]
  for (const folder of [join(opt, 'bin'), join(opt, 'libexec'), guest, bin]) await mkdir(folder, { recursive: true })
  await execa('make', ['--no-print-directory', '-C', join(projectRoot, 'native')])
  const native = join(projectRoot, 'native', 'build')
  await copyFile(join(native, 'podmotion-criu'), join(opt, 'bin', 'podmotion-criu'))
  await copyFile(join(native, 'podmotion-criu-pages.so'), join(opt, 'libexec', 'podmotion-criu-pages.so'))
  await symlink('../bin/podmotion-criu', join(opt, 'libexec', 'criu'))
  await copyFile(process.execPath, join(bin, 'node'))
  await chmod(join(bin, 'node'), 0o755)
  await compile(join(projectRoot, 'test/lab/workloads/heap.c'), join(guest, 'heap'))
  await compile(join(projectRoot, 'native/test/fixtures/memory.c'), join(guest, 'memory'))
  await build({
    entryPoints: [join(here, 'inside.ts')],
    outfile: join(guest, 'inside.cjs'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  })
  return own
}

async function compile(source: string, program: string): Promise<void> {
  await execa('gcc', ['-O2', '-s', '-static', '-pthread', '-o', program, source])
}

process.exitCode = await main()
