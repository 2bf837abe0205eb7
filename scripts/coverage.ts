// How much of the protocol, the machine and the journal is run by their units and the simulation: lines and branches of each file.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, simulatedSeeds, targets, units } from './protocol-tests.ts'

const wanted = '95'

const seen = mkdtempSync(join(tmpdir(), 'coverage-'))
const env = { ...process.env, LOG_LEVEL: 'silent', NODE_V8_COVERAGE: seen }
const runs = [
  ['node_modules/mocha/bin/mocha.js', '--no-config', '--timeout', '60000', '--exit', ...units],
  ['test/sim/cli.ts', '--seeds', String(simulatedSeeds)],
]
for (const run of runs) {
  const { status } = spawnSync(process.execPath, ['--import', './scripts/plain-types.mjs', ...run], {
    cwd: root,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status !== 0) throw new Error(`Covering by ${run[0]}: it ends with ${status}, so what it covers says nothing`)
}
const files = targets.flatMap((target) => ['--include', target])
const limits = ['--check-coverage', '--per-file', '--lines', wanted, '--branches', wanted, '--functions', '0', '--statements', '0']
const report = ['report', '--temp-directory', seen, ...files, '--reporter', 'text', ...limits]
const { status } = spawnSync(join(root, 'node_modules/.bin/c8'), report, { cwd: root, stdio: 'inherit' })
rmSync(seen, { recursive: true })
process.exitCode = status ?? 1
