// The tests of the protocol, the machine and the journal as two bundles without a transpiler's helpers: units, and a run of the simulation.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'

export const root = join(import.meta.dirname, '..')
export const targets = [
  'src/agent/protocol/destination.ts',
  'src/agent/protocol/move.ts',
  'src/agent/protocol/source.ts',
  'src/agent/journal/journal.ts',
  'src/agent/journal/line.ts',
  'src/migrator/machine.ts',
  'src/migrator/phases/cutover-complete.ts',
  'src/migrator/phases/follow.ts',
  'src/migrator/phases/interruption.ts',
  'src/migrator/phases/rolling-back.ts',
]
export const units = [
  'test/agent/protocol/destination.test.ts',
  'test/agent/protocol/move.test.ts',
  'test/agent/protocol/source.test.ts',
  'test/agent/protocol/world.test.ts',
  'test/agent/journal/journal.test.ts',
  'test/agent/moves.test.ts',
  'test/migrator/machine.test.ts',
  'test/migrator/phases.test.ts',
  'test/transcripts/moves.test.ts',
]
const simulatedSeeds = 150

/** A folder in which bundles find the packages and the transcripts; the caller removes it. */
export function workshop(): string {
  const folder = mkdtempSync(join(tmpdir(), 'protocol-tests-'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'tests'))
  for (const name of readdirSync(join(root, 'test/transcripts')).filter((one) => one.endsWith('.txt')))
    cpSync(join(root, 'test/transcripts', name), join(folder, 'tests', name))
  writeFileSync(join(folder, 'units.ts'), units.map((test) => `import '${join(root, test)}'`).join('\n'))
  const run = `import { runSeed } from '${join(root, 'test/sim/run.ts')}'
for (let seed = 1; seed <= ${simulatedSeeds}; seed++) {
  const { violations } = await runSeed({ seed, moves: 3 })
  if (violations.length > 0) process.exit(1)
}
process.exit(0)`
  writeFileSync(join(folder, 'sim.ts'), run)
  return folder
}

/** Builds one of the two; what to give `node` to run it. */
export async function commandFor(folder: string, what: 'units' | 'sim', plugins: Plugin[] = []): Promise<string[]> {
  const outfile = join(folder, 'tests', `${what}.test.mjs`)
  const entryPoints = [join(folder, `${what}.ts`)]
  const form = { bundle: true, platform: 'node', format: 'esm', packages: 'external', sourcemap: 'linked' } as const
  await build({ entryPoints, outfile, ...form, plugins, logLevel: 'silent' })
  return what === 'units'
    ? [join(root, 'node_modules/mocha/bin/mocha.js'), '--no-config', '--bail', '--timeout', '20000', outfile]
    : [outfile]
}
