// Turns one comparison at a time of the protocol, the machine and the journal around, and says which of these no test noticed.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { parseSync } from 'oxc-parser'
import { root, simulatedSeeds, targets, units } from './protocol-tests.ts'

const turned: Record<string, string> = { '===': '!==', '!==': '===', '<': '>=', '>': '<=', '<=': '>', '>=': '<', '&&': '||', '||': '&&' }

interface Mutation {
  file: string
  line: number
  text: string
  source: string
}

interface SyntaxNode {
  type: string
  start: number
  end: number
  operator?: string
  left?: SyntaxNode
  right?: SyntaxNode
}

export function mutationsOf(file: string, source: string): Mutation[] {
  const found: SyntaxNode[] = []
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) walk(one)
    else if (typeof value === 'object' && value !== null) {
      const node = value as SyntaxNode
      if ((node.type === 'BinaryExpression' || node.type === 'LogicalExpression') && turned[node.operator ?? '']) found.push(node)
      for (const inner of Object.values(value)) walk(inner)
    }
  }
  walk(parseSync(file, source).program)
  return found.map((node) => turn(file, source, node))
}

function turn(file: string, source: string, { operator = '', left, right }: SyntaxNode): Mutation {
  const [from, to] = [left?.end ?? 0, right?.start ?? 0]
  const between = source.slice(from, to).replace(operator, turned[operator] ?? operator)
  const line = source.slice(0, from).split('\n').length
  const text = `${operator} → ${turned[operator]} in \`${source.split('\n')[line - 1]?.trim()}\``
  return { file, line, text, source: source.slice(0, from) + between + source.slice(to) }
}

/** A folder in which bundles find the packages and the transcripts; the caller removes it. */
function workshop(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mutations-'))
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

/** Builds one of the two, without a transpiler's helpers; what to give `node` to run it. */
async function commandFor(folder: string, what: 'units' | 'sim', plugins: Plugin[]): Promise<string[]> {
  const outfile = join(folder, 'tests', `${what}.test.mjs`)
  const entryPoints = [join(folder, `${what}.ts`)]
  const form = { bundle: true, platform: 'node', format: 'esm', packages: 'external' } as const
  await build({ entryPoints, outfile, ...form, plugins, logLevel: 'silent' })
  return what === 'units'
    ? [join(root, 'node_modules/mocha/bin/mocha.js'), '--no-config', '--bail', '--timeout', '20000', outfile]
    : [outfile]
}

function inPlaceOf({ file, source }: Mutation): Plugin {
  return {
    name: 'mutation',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\.ts$/ }, ({ path }) => (path === join(root, file) ? { contents: source, loader: 'ts' } : undefined)),
  }
}

/** Did anything notice? */
async function isNoticed(folder: string, mutation: Mutation, what: 'units' | 'sim'): Promise<boolean> {
  const args = await commandFor(folder, what, [inPlaceOf(mutation)])
  const options = { cwd: folder, env: { ...process.env, LOG_LEVEL: 'silent' }, timeout: 240_000 }
  return spawnSync(process.execPath, ['--stack-trace-limit=0', ...args], options).status !== 0
}

async function main(): Promise<void> {
  const wanted = process.argv.slice(2)
  const folder = workshop()
  const counts = { units: 0, sim: 0, nobody: 0 }
  for (const file of targets.filter((target) => wanted.length === 0 || wanted.some((part) => target.includes(part))))
    for (const mutation of mutationsOf(file, readFileSync(join(root, file), 'utf8'))) {
      const by = (await isNoticed(folder, mutation, 'units')) ? 'units' : (await isNoticed(folder, mutation, 'sim')) ? 'sim' : 'nobody'
      counts[by]++
      console.error(`${mutation.file}:${mutation.line} ${mutation.text}: ${by}`)
      if (by === 'nobody') console.log(`nobody noticed ${relative('.', file)}:${mutation.line} ${mutation.text}`)
    }
  rmSync(folder, { recursive: true })
  console.log(`${counts.units} noticed by units, ${counts.sim} by the simulation, ${counts.nobody} by nobody`)
  if (counts.nobody > 0) process.exitCode = 1
}

if (import.meta.filename === process.argv[1]) await main()
