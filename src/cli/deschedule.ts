// podmotion deschedule: which pods a policy would move out of a snapshot, and why.
import type { Command } from 'commander'
import { CodedError } from '../runtime/errors.ts'
import type { Console } from './console.ts'
import { parseSnapshot } from './snapshot.ts'

interface Options {
  snapshot: string
  policy: string
  output: 'json' | 'table'
}

export function addDeschedule(program: Command, console: Console, _exit: (code: number) => void): void {
  program
    .command('deschedule')
    .description('the pods that a policy (descheduler/v1alpha2 or MigrationPolicy) would move now')
    .requiredOption('--snapshot <file>', 'what kubectl get … -A -o json wrote; - is standard input')
    .requiredOption('--policy <file>', 'the policy, YAML or JSON')
    .option('-o, --output <format>', 'json or table', 'table')
    .action(async (options: Options) => {
      parseSnapshot(await console.read(options.snapshot), options.snapshot)
      throw new CodedError('NotYet', 'deschedule is not there yet')
    })
}
