// kubectl podmotion: the entry point of the plugin.
import { runPlugin } from './program.ts'
import { realTerminal } from './terminal.ts'

// No top-level await: the plugin ships as one CommonJS file.
void runPlugin(process.argv.slice(2), realTerminal).then((exitCode) => {
  process.exitCode = exitCode
})
