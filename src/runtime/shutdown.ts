// The signal that ends a program gracefully: SIGTERM from kubelet, SIGINT from a terminal. The second one ends it at once.
import { setMaxListeners } from 'node:events'

export function shutdownSignal(): AbortSignal {
  const ending = new AbortController()
  // Every watch, server and queue listens to it; that is no leak.
  setMaxListeners(0, ending.signal)
  const end = (name: NodeJS.Signals) => {
    if (ending.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 143)
    ending.abort(new Error(`received ${name}`))
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  return ending.signal
}
