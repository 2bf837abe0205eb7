// What the program needs of the world outside: files, standard input and output, the clock. Tests give their own.
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { KubeClient } from '../kube/client.ts'
import { type ClusterChoice, realTerminal } from '../plugin/terminal.ts'
import { type Clock, realClock } from '../runtime/clock.ts'

export interface Console {
  clock: Clock
  out(text: string): void
  err(text: string): void
  /** The text of a file; `-` is standard input. */
  read(file: string): Promise<string>
  connect(choice: ClusterChoice): KubeClient
}

export const realConsole: Console = {
  clock: realClock,
  out: (written) => void process.stdout.write(written),
  err: (written) => void process.stderr.write(written),
  read: (file) => (file === '-' ? text(process.stdin) : readFile(file, 'utf8')),
  connect: (choice) => realTerminal.connect(choice).client,
}
