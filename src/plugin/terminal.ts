// What the plugin needs of the world outside: where to write, which cluster, the clock. Tests give their own.
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
  connect(choice: ClusterChoice): Cluster
  /** Ends waiting commands. */
  interrupted: AbortSignal
}

const interrupt = new AbortController()
process.once('SIGINT', () => interrupt.abort())

export const realTerminal: Terminal = {
  clock: realClock,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
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
    const message = `Reading the kubeconfig${file ? ` ${file}` : ''}: ${messageOf(error)}: check --kubeconfig or KUBECONFIG`
    throw new CodedError('NoKubeconfig', message, { cause: error })
  }
}
