// podmotion deschedule: which pods a policy would move out of a cluster, why and where to.
import { type Command, InvalidArgumentError } from 'commander'
import { wishOfPolicy, wishOfStockPolicy } from '../descheduler/gather-facts.ts'
import { type AnyPolicy, readPolicy } from '../descheduler/policy-text/read-policy.ts'
import { CodedError } from '../runtime/errors.ts'
import type { Console } from './console.ts'
import { descheduleSnapshot } from './deschedule-snapshot.ts'
import { describeDescheduling } from './descheduling-text.ts'
import { readCluster } from './live-snapshot.ts'
import { parseSnapshot, type Snapshot } from './snapshot.ts'

interface Options {
  snapshot?: string
  policy: string
  kubeconfig?: string
  context?: string
  output: 'json' | 'table'
  at?: number
}

export function addDeschedule(program: Command, console: Console, exit: (code: number) => void): void {
  program
    .command('deschedule')
    .description('the pods that a policy (descheduler/v1alpha2 or MigrationPolicy) would move now, why and where to')
    .requiredOption('--policy <file>', 'the policy, YAML or JSON')
    .option('--snapshot <file>', 'what kubectl get … -A -o json wrote; - is standard input (default: the cluster of the kubeconfig)')
    .option('--kubeconfig <file>', 'where no snapshot is given')
    .option('--context <name>', 'where no snapshot is given')
    .option('--dry-run', 'always so: this program changes nothing')
    .option('--once', 'always so')
    .option('--at <time>', 'the time of the snapshot, for ages of pods (default: now)', instant)
    .option('-o, --output <format>', 'json or table', outputFormat, 'table')
    .action(async (_own: Options, command: Command) => exit(await deschedule(command.optsWithGlobals<Options>(), console)))
}

async function deschedule(options: Options, console: Console): Promise<number> {
  if (options.snapshot === '-' && options.policy === '-')
    throw new CodedError('BothFromInput', 'Reading snapshot and policy: both are -: standard input can be only one of them')
  const read = readPolicy(await textOf(options.policy, 'policy', console), options.policy)
  if ('problems' in read) return refuse(read.problems, console)
  const snapshot = await snapshotFor(options, read.policy, console)
  const outcome = descheduleSnapshot(read, snapshot, { file: options.policy, nowMs: options.at ?? console.clock.nowMs() })
  if ('problems' in outcome) return refuse(outcome.problems, console)
  console.out(options.output === 'json' ? `${JSON.stringify(outcome, null, 2)}\n` : describeDescheduling(outcome))
  return 0
}

async function snapshotFor({ snapshot, kubeconfig, context }: Options, policy: AnyPolicy, console: Console): Promise<Snapshot> {
  if (snapshot !== undefined) return parseSnapshot(await textOf(snapshot, 'snapshot', console), snapshot)
  const wish = 'stock' in policy ? wishOfStockPolicy(policy.stock) : wishOfPolicy(policy.ours.spec)
  return readCluster(console.connect({ kubeconfig, context }), wish)
}

async function textOf(file: string, what: string, console: Console): Promise<string> {
  try {
    return await console.read(file)
  } catch (error) {
    throw new CodedError('NoFile', `Reading the ${what} ${file}`, { cause: error })
  }
}

function refuse(problems: readonly string[], console: Console): number {
  for (const problem of problems) console.err(`${problem}\n`)
  return 1
}

function instant(text: string): number {
  const ms = Date.parse(text)
  if (Number.isFinite(ms)) return ms
  throw new InvalidArgumentError(`expected a time like 2026-05-04T12:00:00Z, got "${text}".`)
}

function outputFormat(text: string): string {
  if (text === 'json' || text === 'table') return text
  throw new InvalidArgumentError(`expected json or table, got "${text}".`)
}
