// What the program needs of the world outside: files, standard input and output, the clock. Tests give their own.
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { type Clock, realClock } from '../runtime/clock.ts'

export interface Console {
  clock: Clock
  out(text: string): void
  err(text: string): void
  /** The text of a file; `-` is standard input. */
  read(file: string): Promise<string>
}

export const realConsole: Console = {
  clock: realClock,
  out: (written) => void process.stdout.write(written),
  err: (written) => void process.stderr.write(written),
  read: (file) => (file === '-' ? text(process.stdin) : readFile(file, 'utf8')),
}
