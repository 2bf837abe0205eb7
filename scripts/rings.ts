// Runs every ring of tests one after the other, sums what they counted, and ends with the plain line `N passed, N failed`.
import { execa } from 'execa'

interface Ring {
  name: string
  command: string[]
  /** What its output counts: mocha's or Python unittest's closing lines, or the command itself as one test. */
  counts: 'mocha' | 'unittest' | 'one'
}

interface Count {
  passed: number
  failed: number
  skipped: number
}

/** Of a ring that failed this much of its last output is said again at the end, where whoever reads only the end finds it. */
const repeatedCharacters = 6000

const lab = ['node', '--import', 'tsx', 'test/lab/cli.ts']

const traffic = 'cd test/lab/flows/traffic && ! gofmt -d . | grep . && go vet . && go test -count=1 .'

const rings: Ring[] = [
  { name: 'types', command: ['npx', 'tsc', '--noEmit'], counts: 'one' },
  { name: 'lint', command: ['npm', 'run', '--silent', 'lint'], counts: 'one' },
  { name: 'format', command: ['npm', 'run', '--silent', 'format:check'], counts: 'one' },
  { name: 'unused', command: ['npm', 'run', '--silent', 'unused'], counts: 'one' },
  { name: 'functions', command: ['npm', 'run', '--silent', 'functions'], counts: 'one' },
  { name: 'generated', command: ['npm', 'run', '--silent', 'generate', '--', '--check'], counts: 'one' },
  { name: 'setup', command: [...lab, 'setup'], counts: 'one' },
  {
    name: 'native',
    command: ['sh', '-c', `env $(${lab.join(' ')} test-programs) make --no-print-directory -C native test`],
    counts: 'unittest',
  },
  { name: 'traffic', command: ['sh', '-c', traffic], counts: 'one' },
  { name: 'unit', command: ['npx', 'mocha'], counts: 'mocha' },
  { name: 'sim', command: ['npm', 'run', '--silent', 'sim-tests'], counts: 'mocha' },
  { name: 'lab', command: ['npm', 'run', '--silent', 'lab-tests'], counts: 'mocha' },
]

async function main(): Promise<void> {
  const wanted = process.argv.slice(2)
  const total: Count = { passed: 0, failed: 0, skipped: 0 }
  const failures: string[] = []
  for (const ring of rings.filter((one) => wanted.length === 0 || wanted.includes(one.name))) {
    const { count, output } = await runRing(ring)
    add(total, count)
    if (count.failed > 0) failures.push(`== ${ring.name} failed:\n${failurePart(ring, output)}`)
  }
  for (const failure of failures) console.log(failure)
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
  console.log(`${total.passed} passed, ${total.failed} failed${skipped}`)
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0
}

async function runRing(ring: Ring): Promise<{ count: Count; output: string }> {
  const startedMs = Date.now()
  console.log(`== ${ring.name}: ${ring.command.join(' ')}`)
  const [program = '', ...args] = ring.command
  const result = await execa(program, args, {
    reject: false,
    all: true,
    stdin: 'ignore',
    stdout: ['pipe', 'inherit'],
    stderr: ['pipe', 'inherit'],
  })
  const output = result.all ?? ''
  const count = withExitCode(countOutput(ring, output), result.exitCode ?? 1)
  console.log(`== ${ring.name}: ${count.passed} ok, ${count.failed} not ok, ${((Date.now() - startedMs) / 1000).toFixed(1)} s`)
  return { count, output }
}

/** What a ring says of its failures: mocha from `N failing` on, unittest from its first report on. */
function failurePart(ring: Ring, output: string): string {
  const start = { mocha: /^.*\d+ failing/m, unittest: /^={20,}$/m, one: /^/ }[ring.counts].exec(output)?.index
  return start !== undefined && ring.counts !== 'one' ? output.slice(start, start + repeatedCharacters) : output.slice(-repeatedCharacters)
}

function countOutput(ring: Ring, output: string): Count {
  if (ring.counts === 'mocha')
    return { passed: last(output, /(\d+) passing/g), failed: last(output, /(\d+) failing/g), skipped: last(output, /(\d+) pending/g) }
  if (ring.counts === 'unittest') return unittestCount(output)
  return { passed: 0, failed: 0, skipped: 0 }
}

/** A ring that exits 0 without having counted anything is one passed test; one that fails without a failed test is one failed test. */
function withExitCode(count: Count, exitCode: number): Count {
  if (exitCode !== 0 && count.failed === 0) return { ...count, failed: 1 }
  if (exitCode === 0 && count.passed === 0) return { ...count, passed: 1 }
  return count
}

function last(output: string, pattern: RegExp): number {
  return Number([...output.matchAll(pattern)].at(-1)?.[1] ?? 0)
}

/** `Ran 77 tests in 12 s` and `FAILED (failures=1, errors=2, skipped=3)`. */
function unittestCount(output: string): Count {
  const ran = last(output, /^Ran (\d+) tests?/gm)
  const failed = last(output, /\bfailures=(\d+)/g) + last(output, /\berrors=(\d+)/g)
  const skipped = last(output, /\bskipped=(\d+)/g)
  return { passed: Math.max(0, ran - failed - skipped), failed, skipped }
}

function add(total: Count, one: Count): void {
  total.passed += one.passed
  total.failed += one.failed
  total.skipped += one.skipped
}

await main()
