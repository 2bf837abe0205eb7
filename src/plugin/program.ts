// The commands of the plugin and their options; each command is one file, this is the table of contents.
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { migrationModes, nonConvergenceAnswers } from '../api/pod-migration.ts'
import { consoleOf } from '../cli/console.ts'
import { addDeschedule } from '../cli/deschedule.ts'
import { CodedError, messageOf } from '../runtime/errors.ts'
import { cancel } from './commands/cancel.ts'
import { describe } from './commands/describe.ts'
import { doctor } from './commands/doctor.ts'
import { estimate } from './commands/estimate.ts'
import { list } from './commands/list.ts'
import { migrate } from './commands/migrate.ts'
import { plan } from './commands/plan.ts'
import { resolve } from './commands/resolve.ts'
import { status } from './commands/status.ts'
import { watch } from './commands/watch.ts'
import { complete } from './completion.ts'
import type { Invocation, PluginOptions } from './invocation.ts'
import type { Terminal } from './terminal.ts'

type Handler = (invocation: Invocation) => Promise<number>

/** The exit code, as kubectl has it: 0 done, 1 not. */
export async function runPlugin(argv: readonly string[], terminal: Terminal): Promise<number> {
  let exitCode = 0
  const program = buildProgram(terminal, async (handler, name, options) => {
    const { client, namespace } = terminal.connect(options)
    exitCode = await handler({ terminal, client, namespace: options.namespace ?? namespace, name, options })
  })
  addDeschedule(program, consoleOf(terminal), (code) => {
    exitCode = code
  })
  try {
    if (argv[0] === '__complete') terminal.out(await complete(program, argv.slice(1), terminal))
    else await program.parseAsync([...argv], { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has already said what is wrong with the command line.
    if (error instanceof CommanderError) return error.exitCode
    terminal.err(`error: ${messageOf(error)}\n`)
    return 1
  }
}

type Run = (handler: Handler, name: string | undefined, options: PluginOptions) => Promise<void>

function buildProgram(terminal: Terminal, run: Run): Command {
  const program = withCluster(new Command('kubectl podmotion').description('Moves running pods between nodes'))
  program.exitOverride().configureOutput({ writeOut: (text) => terminal.out(text), writeErr: (text) => terminal.err(text) })
  const add = (usage: string, summary: string, handler: Handler): Command => {
    const command = program.command(usage).description(summary).copyInheritedSettings(program)
    return withOutput(withCluster(command)).action(async (...given: unknown[]) => {
      const name = typeof given[0] === 'string' ? nameIn(given[0]) : undefined
      await run(handler, name, command.optsWithGlobals<PluginOptions>())
    })
  }
  withMoveOptions(add('migrate <pod>', 'move a pod to another node', migrate))
    .option('--dry-run', 'only say whether it could be moved, and why not')
    .option('--bandwidth-mbps <n>', 'limit of the transfer', count)
    .option('--freeze-budget-ms <n>', 'longest freeze that is accepted', count)
    .option('--on-non-convergence <answer>', 'when it writes too fast for its budget: Freeze (default), Abort or PostCopy', answer)
    .option('--wait', 'wait for the end; exit code 1 unless it is Complete')
    .option('--timeout <seconds>', 'give up after this long', count)
    .option('--no-network-continuity', 'do not insist on keeping connections')
  withMoveOptions(add('estimate <pod>', 'can it be moved, or every reason why not, and how long would it freeze', estimate))
  withAllNamespaces(add('status [name]', 'one line about a migration, by its name or its pod', status))
  add('describe <name>', 'everything that happened to a migration', describe)
  add('cancel <name>', 'give a migration up; the pod stays where it is', cancel)
  withAllNamespaces(add('list', 'all migrations', list))
  withAllNamespaces(add('watch [name]', 'follow migrations as they go on', watch))
  add('resolve <name>', 'your word that the destination node of a granted migration is gone for good', resolve).option(
    '--destination-gone',
    'the node will not come back, nothing of the pod runs there',
  )
  add('plan [pod]', 'what would be moved now and why; for a pod: every node with its score', plan)
    .option('--goal <goal>', 'balance (default), consolidate or evacuate=NODE,NODE')
    .option('--seconds <n>', 'time for the search (default: 5)', count)
    .option('--max-moves <n>', 'moves of a balance plan (default: 3 of 100 pods, 20 at least)', count)
    .option('--bandwidth-mbps <n>', 'for the expected time (default: 1000)', count)
    .option('--seed <n>', 'the same seed and enough time give the same plan', count)
    .option('--snapshot <file>', 'what kubectl get … -A -o json wrote, instead of the cluster; - is standard input')
  add('doctor', 'check every node: can it take part, and why not', doctor)
  return program
}

function withCluster(command: Command): Command {
  return command
    .option('-n, --namespace <namespace>', 'namespace (default: of the context)')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--kubeconfig <file>', 'path of the kubeconfig')
}

function withOutput(command: Command): Command {
  return command.option('-o, --output <format>', 'json, yaml, wide or name', outputFormat)
}

/** Only where there is no single pod or migration: elsewhere it would be taken and mean nothing. */
function withAllNamespaces(command: Command): Command {
  return command.option('-A, --all-namespaces', 'all namespaces')
}

/** kubectl's TYPE/NAME is a name too, where the type is one that the commands know. */
function nameIn(text: string): string {
  const [type = '', ...rest] = text.split('/')
  if (rest.length === 0) return text
  if (rest.length === 1 && /^(po|pods?|pm|podmigrations?(\.podmotion\.io)?)$/.test(type)) return rest.join()
  throw new CodedError('NoName', `Reading "${text}": expected the name of a pod or a PodMigration: see kubectl get pods,podmigrations`)
}

function withMoveOptions(command: Command): Command {
  return command
    .option('--to-node <node>', 'destination (default: the best one)')
    .option('--strategy <mode>', 'PreCopy, PostCopy or Cold', mode, 'PreCopy')
}

function count(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('expected a whole number from 0.')
}

function outputFormat(text: string): string {
  // `table` is what podmotion's own plan calls the text for people.
  if (['json', 'yaml', 'wide', 'name', 'table'].includes(text)) return text
  throw new InvalidArgumentError('expected json, yaml, wide or name.')
}

function mode(text: string): string {
  return oneOf(migrationModes, text)
}

function answer(text: string): string {
  return oneOf(nonConvergenceAnswers, text)
}

function oneOf(words: readonly string[], text: string): string {
  if (words.includes(text)) return text
  throw new InvalidArgumentError(`expected ${words.slice(0, -1).join(', ')} or ${words.at(-1)}.`)
}
