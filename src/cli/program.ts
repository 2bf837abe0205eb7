// The commands of `podmotion` and how their errors are shown; each command is one file that adds itself.
import { Command, CommanderError } from 'commander'
import { messageOf } from '../runtime/errors.ts'
import type { Console } from './console.ts'
import { addDeschedule } from './deschedule.ts'
import { addPlan } from './plan.ts'

/** A command adds itself to the program; it says its exit code by `exit`. */
export type AddCommand = (program: Command, console: Console, exit: (code: number) => void) => void

const commands: readonly AddCommand[] = [addDeschedule, addPlan]

/** The exit code: 0 done, 1 not. */
export async function runCli(argv: readonly string[], console: Console): Promise<number> {
  let exitCode = 0
  const program = new Command('podmotion').description('What would move, and why, tried on a snapshot of a cluster')
  program.exitOverride().configureOutput({ writeOut: (text) => console.out(text), writeErr: (text) => console.err(text) })
  for (const add of commands)
    add(program, console, (code) => {
      exitCode = code
    })
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has already said what is wrong with the command line.
    if (error instanceof CommanderError) return error.exitCode
    console.err(`error: ${messageOf(error)}\n`)
    return 1
  }
}
