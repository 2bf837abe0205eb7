// kubectl podmotion: the entry point of the plugin.
import { realConsole } from '../cli/console.ts'
import { runCli } from '../cli/program.ts'
import { runPlugin } from './program.ts'
import { realTerminal } from './terminal.ts'

const argv = process.argv.slice(2)
/** What `podmotion` does on a snapshot, the plugin does as well. */
const isOffline = argv[0] === 'deschedule' || argv[0] === 'plan'

// No top-level await: the plugin ships as one CommonJS file.
void (isOffline ? runCli(argv, realConsole) : runPlugin(argv, realTerminal)).then((exitCode) => {
  process.exitCode = exitCode
})
