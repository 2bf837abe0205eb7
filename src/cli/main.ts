// podmotion: what can be tried without a cluster. The entry point of the program.

import { realConsole } from './console.ts'
import { runCli } from './program.ts'

// No top-level await: the program ships as one CommonJS file.
void runCli(process.argv.slice(2), realConsole).then((exitCode) => {
  process.exitCode = exitCode
})
