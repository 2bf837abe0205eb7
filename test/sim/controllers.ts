// Two replicas of the real controller: election, caches, migrator, descheduler and uncordon, each a life that can be killed at any await.
import { setMaxListeners } from 'node:events'
import type { V1Pod } from '@kubernetes/client-node'
import type { ControllerCaches, ControllerDeps } from '../../src/controller-deps.ts'
import { decideEviction, type EvictionDecision } from '../../src/descheduler/drain/decide-eviction.ts'
import { migrationForEviction } from '../../src/descheduler/drain/migration-for-eviction.ts'
import { startUncordon } from '../../src/descheduler/drain/uncordon.ts'
import { Namespaces, nameOnly } from '../../src/descheduler/namespaces.ts'
import { runPolicy } from '../../src/descheduler/run-policy.ts'
import type { ClusterIndex } from '../../src/extender/cluster-index.ts'
import { watchIndex } from '../../src/extender/watch.ts'
import { runAsLeader } from '../../src/kube/lease.ts'
import * as paths from '../../src/kube/paths.ts'
import { WatchCache } from '../../src/kube/watch-cache.ts'
import type { Agents } from '../../src/migrator/agents.ts'
import { startMigrator } from '../../src/migrator/controller.ts'
import { podRefusals } from '../../src/migrator/validation.ts'
import { CodedError } from '../../src/runtime/errors.ts'
import type { Dice } from './dice.ts'
import { clientFor } from './kube-client.ts'
import { Life, type MachineClock } from './life.ts'
import type { World } from './world.ts'

const policyEveryMs = 45_000
const restartMs = 2000
const callTimeoutMs = 15_000
const recordTimeoutMs = 2000
const finishTimeoutMs = 30_000

export class Replica {
  readonly #world: World
  readonly #dice: Dice
  readonly name: string
  readonly clock: MachineClock
  #life: Life | undefined
  #deps: ControllerDeps | undefined
  #index: { index: ClusterIndex; ready(): boolean } | undefined

  constructor(world: World, name: string) {
    this.#world = world
    this.name = name
    this.#dice = world.dice.fork(name)
    this.clock = { rate: this.#dice.between(0.98, 1.02), offsetMs: this.#dice.between(-1500, 1500) }
  }

  start(): void {
    this.kill()
    const life = new Life(this.#world.loop, this.name, this.name, this.clock)
    this.#life = life
    this.#deps = dependencies(this.#world, life, this.#dice)
    this.#index = watchIndex(this.#deps.caches)
    this.#main(life, this.#deps).catch((error: unknown) => {
      this.#world.tell(this.name, `ends: ${String(error)}`)
      // Anything but giving up leadership late is a defect.
      if (!(error instanceof CodedError)) this.#world.violate('controllerRuns', `${this.name} ended with ${String(error)}`)
      life.kill()
      this.#world.loop.after(restartMs, () => this.start())
    })
  }

  kill(): void {
    this.#life?.kill()
  }

  standStill(ms: number): void {
    this.#life?.standStill(ms)
  }

  get alive(): boolean {
    return this.#life?.alive ?? false
  }

  get life(): Life | undefined {
    return this.#life
  }

  index(): ClusterIndex | undefined {
    return this.alive && this.#index?.ready() ? this.#index.index : undefined
  }

  async #main(life: Life, deps: ControllerDeps): Promise<void> {
    const { signal } = new AbortController()
    setMaxListeners(0, signal)
    await Promise.all(Object.values(deps.caches).map((cache: WatchCache<unknown>) => cache.start(signal)))
    const lease = { namespace: deps.namespace, name: 'podmotion-controller', identity: deps.identity, clock: deps.clock }
    await runAsLeader(deps.client, lease, signal, (leading) => this.#lead(life, deps, leading))
  }

  async #lead(life: Life, deps: ControllerDeps, signal: AbortSignal): Promise<void> {
    setMaxListeners(0, signal)
    this.#world.tell(this.name, 'leads')
    await Promise.all([
      startMigrator(deps, signal, agentsFor(this.#world, life)),
      startUncordon(deps, signal),
      this.#policies(deps, signal),
    ])
  }

  async #policies(deps: ControllerDeps, signal: AbortSignal): Promise<void> {
    const namespaces = new Namespaces(deps.client, deps.clock)
    const refusalsOf = (pod: V1Pod, freezeWindowBudgetMs?: number) =>
      podRefusals(pod, freezeWindowBudgetMs === undefined ? {} : { freezeWindowBudgetMs })
    while (!signal.aborted) {
      await deps.clock.sleep(policyEveryMs, signal)
      if (signal.aborted) return
      for (const policy of deps.caches.policies.list()) await runPolicy(deps, namespaces, refusalsOf, policy.metadata.name)
    }
  }

  /** The webhook: what an eviction of a pod gets from this replica's memory. */
  async judge(namespace: string, name: string): Promise<EvictionDecision | undefined> {
    const deps = this.#deps
    const { migrations, webhookConfigs, nodes, pods } = deps?.caches ?? {}
    const pod = pods?.get(namespace, name)
    if (!deps || !pod || !migrations?.synced || !webhookConfigs?.synced || !nodes?.synced) return undefined
    const decision = decideEviction({
      pod,
      migrations: migrations.list(),
      configs: webhookConfigs.list(),
      namespaceLabels: nameOnly(namespace),
      isCordoned: (nodeName) => nodes.get(undefined, nodeName)?.spec?.unschedulable === true,
      refusalsOf: (candidate, freezeWindowBudgetMs) => podRefusals(candidate, { freezeWindowBudgetMs }),
      nowMs: deps.clock.nowMs(),
    })
    if (decision.verdict === 'move') await this.#create(deps, pod, decision)
    return decision
  }

  async #create(
    deps: ControllerDeps,
    pod: V1Pod,
    { migrationName, config }: Extract<EvictionDecision, { verdict: 'move' }>,
  ): Promise<void> {
    const nodeIsCordoned = deps.caches.nodes.get(undefined, pod.spec?.nodeName ?? '')?.spec?.unschedulable === true
    const wish = migrationForEviction(migrationName, pod, config, { requestedBy: 'drain', nodeIsCordoned })
    try {
      deps.caches.migrations.upsert((await deps.client.create(paths.podMigrationPath(pod.metadata?.namespace), wish)) as never)
    } catch (error) {
      this.#world.tell(this.name, `PodMigration ${migrationName} was not created: ${String(error)}`)
    }
  }
}

function dependencies(world: World, life: Life, dice: Dice): ControllerDeps {
  const client = clientFor(world.door, life)
  const { clock } = life
  const random = dice.fork(`queue ${world.loop.nowMs}`).next
  const cache = <T>(path: string) => new WatchCache<T>(client, path, { clock, random })
  const caches: ControllerCaches = {
    pods: cache(paths.podPath()),
    nodes: cache(paths.nodePath()),
    services: cache(paths.servicePath()),
    replicaSets: cache(paths.replicaSetPath()),
    pdbs: cache(paths.pdbPath()),
    migrations: cache(paths.podMigrationPath()),
    capacities: cache(paths.nodeMigrationCapacityPath()),
    policies: cache(paths.migrationPolicyPath()),
    webhookConfigs: cache(paths.migrationWebhookConfigPath()),
  }
  return { client, clock, random, namespace: 'podmotion', identity: life.name, tlsDir: '', caches }
}

function agentsFor(world: World, life: Life): Agents {
  const ask = <T>(
    address: string,
    what: string,
    handle: (agent: ReturnType<World['agentOn']>) => Promise<T> | T,
    timeoutMs = callTimeoutMs,
  ) => {
    const node = world.nodeAt(address)
    return world.wire
      .ask(
        { from: life, to: node.name, timeoutMs, what },
        () => world.agentLife(node),
        async () => await handle(world.agentOn(node)),
      )
      .catch(asHttp)
  }
  return {
    record: (address, uid) => ask(address, 'record', (agent) => agent.record(uid), recordTimeoutMs).catch(() => 'unreachable' as const),
    inventory: (address) => ask(address, 'inventory', (agent) => agent.inventory()),
    awaitDestination: (address, uid, request) => ask(address, 'await', (agent) => agent.await(uid, request)),
    startMove: (address, uid, request) => ask(address, 'move', (agent) => agent.move(uid, request)),
    abort: (address, uid, reason) => ask(address, 'abort', (agent) => agent.abort(uid, reason)).catch(unlessUnknown),
    finish: (address, uid, outcome) => ask(address, 'finish', (agent) => agent.finish(uid, outcome), finishTimeoutMs).catch(unlessUnknown),
    resolve: (address, uid, verdict) => ask(address, 'resolve', (agent) => agent.resolve(uid, verdict)),
    putNetwork: async () => undefined,
    checkpoints: async () => [],
    removeCheckpoint: async () => undefined,
  }
}

/** The classes of answers that the real wire knows: what is refused stays refused, what was busy or broken passes. */
function asHttp(error: unknown): never {
  if (!(error instanceof CodedError)) throw new CodedError('AgentAnswered500', String(error), { retryable: true })
  if (error.retryable) throw error
  throw new CodedError(error.code, error.message, { retryable: ['WrongState', 'NeverCommitted'].includes(error.code) })
}

function unlessUnknown(error: unknown): void {
  if (!(error instanceof CodedError) || error.code !== 'UnknownMigration') throw error
}
