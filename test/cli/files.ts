// A console for tests: files are texts, what is written is kept, the clock stands.

import type { Console } from '../../src/cli/console.ts'
import { runCli } from '../../src/cli/program.ts'
import { CodedError } from '../../src/runtime/errors.ts'
import { nowMs } from '../extender/cluster.ts'

export interface Said {
  exitCode: number
  out: string
  err: string
}

export async function cli(argv: string[], files: Record<string, string> = {}): Promise<Said> {
  const said = { out: '', err: '' }
  const console: Console = {
    clock: { nowMs: () => nowMs, sleep: async () => {} },
    out: (text) => {
      said.out += text
    },
    err: (text) => {
      said.err += text
    },
    read: async (file) => {
      const text = files[file]
      if (text === undefined) throw new Error(`no such file: ${file}`)
      return text
    },
    connect: () => {
      throw new CodedError('NoKubeconfig', 'no cluster in tests')
    },
  }
  return { exitCode: await runCli(argv, console), ...said }
}
