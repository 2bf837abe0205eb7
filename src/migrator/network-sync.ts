// Keeps every agent's network wish true: pushed when it changes, and again every half minute, because nodes restart.
import type { NetworkState } from '../api/agent-wire.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { WorkQueue } from '../kube/work-queue.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import type { Agents } from './agents.ts'
import { networkStates } from './network-state.ts'
import { addressOf } from './observe.ts'

const repeatEveryMs = 30_000
// Many changes come together (a node's pods, a rollout): one wish for all of them.
const gatherMs = 50
const retryMs = 3000
const concurrency = 8

interface Sent {
  text: string
  atMs: number
}

/** Runs until the signal aborts. */
export async function syncNetwork(deps: ControllerDeps, agents: Agents, signal: AbortSignal): Promise<void> {
  const queue = new WorkQueue({ clock: deps.clock, random: deps.random, baseBackoffMs: 500, maxBackoffMs: 10_000, name: 'network' })
  const wish = gatheredWish(deps)
  const lookAtAll = () => {
    if (signal.aborted) return
    wish.forget()
    for (const node of deps.caches.nodes.list()) queue.addAfter(node.metadata?.name ?? '', gatherMs)
  }
  for (const cache of [deps.caches.pods, deps.caches.nodes, deps.caches.migrations, deps.caches.capacities]) cache.onChange(lookAtAll)
  lookAtAll()
  const sent = new Map<string, Sent>()
  const handle = (nodeName: string) => push(deps, agents, nodeName, wish.of(nodeName), sent)
  await queue.run(handle, { concurrency, signal })
}

/** Computed once for all nodes after a change, not once for each. */
function gatheredWish({ caches }: ControllerDeps): { of(nodeName: string): NetworkState | undefined; forget(): void } {
  let states: Map<string, NetworkState> | undefined
  return {
    forget: () => {
      states = undefined
    },
    of: (nodeName) => {
      states ??= networkStates({
        nodes: caches.nodes.list(),
        pods: caches.pods.list(),
        capacities: caches.capacities.list(),
        migrations: caches.migrations.list(),
      })
      return states.get(nodeName)
    },
  }
}

async function push(
  deps: ControllerDeps,
  agents: Agents,
  nodeName: string,
  state: NetworkState | undefined,
  sent: Map<string, Sent>,
): Promise<{ requeueAfterMs?: number }> {
  const address = addressOf(deps, nodeName)
  if (!state || !address) return {}
  const text = `${address} ${JSON.stringify(state)}`
  const last = sent.get(nodeName)
  const ageMs = deps.clock.nowMs() - (last?.atMs ?? 0)
  if (last?.text === text && ageMs < repeatEveryMs) return { requeueAfterMs: repeatEveryMs - ageMs }
  try {
    await agents.putNetwork(address, state)
    sent.set(nodeName, { text, atMs: deps.clock.nowMs() })
    return { requeueAfterMs: repeatEveryMs }
  } catch (error) {
    sent.delete(nodeName)
    log.warn({ node: nodeName, reason: messageOf(error) }, 'network wish did not reach the agent, trying again')
    return { requeueAfterMs: retryMs }
  }
}
