// What the plugin needs of the world outside: where to write, which cluster, the clock. Tests give their own.
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { KubeConfig } from '@kubernetes/client-node'
import { KubeClient } from '../kube/client.ts'
import { type Clock, realClock } from '../runtime/clock.ts'
import { CodedError, messageOf } from '../runtime/errors.ts'

export interface ClusterChoice {
  context?: string | undefined
  kubeconfig?: string | undefined
}

interface Cluster {
  client: KubeClient
  /** Of the context; `default` when it names none. */
  namespace: string
}

export interface Terminal {
  clock: Clock
  out(text: string): void
  err(text: string): void
  /** The text of a file; `-` is standard input. */
  read(file: string): Promise<string>
  connect(choice: ClusterChoice): Cluster
  /** Ends waiting commands. */
  interrupted: AbortSignal
}

const interrupt = new AbortController()
process.once('SIGINT', () => interrupt.abort())

export const realTerminal: Terminal = {
  clock: realClock,
  out: (written) => void process.stdout.write(written),
  err: (written) => void process.stderr.write(written),
  read: (file) => (file === '-' ? text(process.stdin) : readFile(file, 'utf8')),
  connect,
  interrupted: interrupt.signal,
}

function connect({ context, kubeconfig }: ClusterChoice): Cluster {
  const config = readConfig(kubeconfig)
  if (context) config.setCurrentContext(context)
  const namespace = config.getContextObject(config.getCurrentContext())?.namespace ?? 'default'
  return { client: KubeClient.fromConfig(config), namespace }
}

function readConfig(file: string | undefined): KubeConfig {
  const config = new KubeConfig()
  try {
    if (file) config.loadFromFile(file)
    else config.loadFromDefault()
    return config
  } catch (error) {
    // What an empty or foreign file gets from the client library is a TypeError.
    const problem = error instanceof TypeError ? 'it is not a kubeconfig' : messageOf(error)
    const message = `Reading the kubeconfig${file ? ` ${file}` : ''}: ${problem}: check --kubeconfig or KUBECONFIG`
    throw new CodedError('NoKubeconfig', message, { cause: error })
  }
}
