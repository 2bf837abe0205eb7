// Runs the stock descheduler once, dry, and reads from its log whom it would have evicted.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'

export interface StockVictim {
  namespace: string
  name: string
  strategy: string
  profile: string
}

export interface StockResult {
  /** One choice for each cycle: where the order is that of a Go map, cycles differ. */
  choices: StockVictim[][]
  /** What it logged as errors. */
  errors: string[]
}

const runTimeoutMs = 60_000
/** The first cycle of a dry run may start before its copy of the cluster is complete; from the second on it is. */
const defaultCycles = 4
const interval = '100ms'

export interface StockProgram {
  program: string
  kubeconfig: string
  /** What starts it elsewhere, like `ip netns exec x`. */
  prefix?: readonly string[]
}

export async function runStock(
  { program, kubeconfig, prefix = [] }: StockProgram,
  policy: string,
  cycles = defaultCycles,
): Promise<StockResult> {
  const folder = mkdtempSync(join(tmpdir(), 'stock-descheduler-'))
  try {
    const file = join(folder, 'policy.yaml')
    writeFileSync(file, policy)
    const args = ['--kubeconfig', kubeconfig, '--policy-config-file', file, '--dry-run', '-v', '1', '--secure-port', '0']
    const speed = [
      '--client-connection-qps',
      '1000',
      '--client-connection-burst',
      '1000',
      '--disable-metrics',
      '--descheduling-interval',
      interval,
    ]
    const [command = program, ...rest] = [...prefix, program, ...args, ...speed]
    return readLog(await logOf(command, rest, cycles))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Until the last of the cycles has ended, or the program has. */
async function logOf(command: string, args: readonly string[], cycles: number): Promise<string[]> {
  const running = execa(command, args, { reject: false, timeout: runTimeoutMs, from: 'stderr' })
  const lines: string[] = []
  let ended = 0
  for await (const line of running.iterable({ from: 'stderr' })) {
    lines.push(line)
    if (line.includes(endOfCycle) && ++ended === cycles) running.kill('SIGTERM')
  }
  return lines
}

/** For an API server without credentials. */
export function kubeconfigFor(url: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: url } }],
    users: [{ name: 'u', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  })
}

const evicted = /"Evicted pod in dry run mode" pod="([^/"]+)\/([^"]+)" .*?strategy="([^"]*)".* profile="([^"]*)"/

const endOfCycle = '"Number of evictions/requests"'

/** Of all whole cycles but the first. */
export function readLog(lines: readonly string[]): StockResult {
  const choices: StockVictim[][] = [[]]
  for (const line of lines) {
    const [, namespace, name, strategy, profile] = evicted.exec(line) ?? []
    if (namespace && name) choices.at(-1)?.push({ namespace, name, strategy: strategy ?? '', profile: profile ?? '' })
    if (line.includes(endOfCycle)) choices.push([])
  }
  const errors = lines.filter((line) => /^E\d{4} |^Error/.test(line) && !line.includes('context canceled'))
  return { choices: choices.slice(1, -1), errors }
}
