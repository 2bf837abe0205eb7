// What a shell may offer next. kubectl asks `kubectl_complete-podmotion`, which asks `__complete` here: the words so far, the last one unfinished.
import type { Command, Option } from 'commander'
import { migrationModes, nonConvergenceAnswers } from '../api/pod-migration.ts'
import { namespacePath, nodePath, podMigrationPath, podPath } from '../kube/paths.ts'
import type { ClusterChoice, Terminal } from './terminal.ts'

/** A value, and after a tab what it is. */
type Offer = string

// The directives of cobra's completion, which kubectl understands.
const files = ':0'
const noFiles = ':4'

const values: Readonly<Record<string, readonly Offer[]>> = {
  '--output': ['json', 'yaml', 'wide', 'name'],
  '--strategy': migrationModes,
  '--on-non-convergence': nonConvergenceAnswers,
  '--goal': ['balance', 'consolidate', 'evacuate='],
}
const ofFiles = ['--snapshot', '--policy', '--kubeconfig']

interface Words {
  before: readonly string[]
  /** Unfinished, maybe empty. */
  last: string
}

/** The offers a line each, then the directive. */
export async function complete(program: Command, words: readonly string[], terminal: Terminal): Promise<string> {
  const typed: Words = { before: words.slice(0, -1), last: words.at(-1) ?? '' }
  const command = program.commands.find((one) => typed.before.includes(one.name()))
  const option = optionOf(command ?? program, typed.before.at(-1))
  if (option && ofFiles.includes(option.long ?? '')) return `${files}\n`
  const offers = await offersFor({ program, command, option }, typed, terminal)
  return [...offers.filter((offer) => offer.startsWith(typed.last)), noFiles, ''].join('\n')
}

interface Place {
  program: Command
  command: Command | undefined
  /** It waits for its value. */
  option: Option | undefined
}

async function offersFor({ program, command, option }: Place, typed: Words, terminal: Terminal): Promise<Offer[]> {
  if (option) return [...(values[option.long ?? ''] ?? (await fromCluster(option.long ?? '', typed, terminal)))]
  if (typed.last.startsWith('-')) return (command ?? program).options.map(({ long, description }) => `${long}\t${description}`)
  if (!command) return program.commands.map((one) => `${one.name()}\t${one.description()}`)
  return await fromCluster(command.registeredArguments[0]?.name() ?? '', typed, terminal)
}

function optionOf({ options }: Command, word = ''): Option | undefined {
  return options.find((option) => option.required && (option.long === word || option.short === word))
}

/** A cluster that does not answer offers nothing: the shell is no place for its error. */
async function fromCluster(what: string, { before }: Words, terminal: Terminal): Promise<Offer[]> {
  try {
    const { client, namespace } = terminal.connect(chosen(before))
    const within = valueOf(before, '-n', '--namespace') ?? namespace
    const paths: Record<string, string> = {
      pod: podPath(within),
      name: podMigrationPath(within),
      '--to-node': nodePath(),
      '--namespace': namespacePath(),
    }
    const path = paths[what]
    if (path === undefined) return []
    const { items } = await client.list<{ metadata?: { name?: string } }>(path)
    return items.map(({ metadata }) => metadata?.name ?? '')
  } catch {
    return []
  }
}

function chosen(words: readonly string[]): ClusterChoice {
  return { context: valueOf(words, '--context'), kubeconfig: valueOf(words, '--kubeconfig') }
}

function valueOf(words: readonly string[], ...names: string[]): string | undefined {
  const at = words.findIndex((word) => names.includes(word))
  return at < 0 ? undefined : words[at + 1]
}
