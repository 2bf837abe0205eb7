// A tiny simulated world for the machine: API objects and two agents as plain data; it performs effects the way the real ones would.
import type { V1Node, V1Pod } from '@kubernetes/client-node'
import type { Inventory, MoveRecord, MoveStep } from '../../src/api/agent-wire.ts'
import { annotations, apiVersion } from '../../src/api/names.ts'
import type { NodeMigrationCapacity } from '../../src/api/node-migration-capacity.ts'
import { type PodMigration, PodMigrationSpec } from '../../src/api/pod-migration.ts'
import type { Decided, Effect } from '../../src/migrator/decision.ts'
import { decide } from '../../src/migrator/machine.ts'
import type { AgentAnswer, Observed, RankedNode } from '../../src/migrator/observed.ts'

export const startMs = Date.parse('2026-01-01T00:00:00.000Z')
export const migrationUid = 'aaaaaaaa-0000-4000-8000-000000012345'

export function makePod(change: { metadata?: object; spec?: object; status?: object } = {}): V1Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: 'cart-7',
      namespace: 'shop',
      uid: 'source-uid',
      labels: { app: 'cart', 'pod-template-hash': 'abc' },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'cart', uid: 'rs-uid', controller: true }],
      ...change.metadata,
    },
    spec: {
      nodeName: 'na',
      runtimeClassName: 'podmotion',
      containers: [{ name: 'main', image: 'cart:1', resources: { requests: { cpu: '250m', memory: '256Mi' } } }],
      ...change.spec,
    },
    status: {
      phase: 'Running',
      podIP: '10.1.0.7',
      conditions: [{ type: 'Ready', status: 'True' }],
      containerStatuses: [
        {
          name: 'main',
          containerID: 'containerd://c0ffee',
          state: { running: {} },
          ready: true,
          restartCount: 0,
          image: 'cart:1',
          imageID: '',
        },
      ],
      ...change.status,
    },
  } as V1Pod
}

export function makeNode(name: string, number: number): V1Node {
  return {
    metadata: { name },
    spec: { podCIDRs: [`10.${number}.0.0/16`] },
    status: { addresses: [{ type: 'InternalIP', address: `192.168.0.${number}` }] },
  }
}

export function makeCapacity(name: string, number: number): NodeMigrationCapacity {
  return {
    metadata: { name },
    spec: { nodeName: name },
    status: { eligible: true, reasons: [], agentAddress: `192.168.0.${number}:8090`, nodeIp: `192.168.0.${number}` },
  }
}

export function makeMigration(spec: Partial<PodMigrationSpec> = {}): PodMigration {
  return {
    apiVersion,
    kind: 'PodMigration',
    metadata: { name: 'move', namespace: 'shop', uid: migrationUid, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: PodMigrationSpec.parse({ podName: 'cart-7', podNamespace: 'shop', tcpPreservationMode: 'Strict', ...spec }),
  }
}

export const inventory: Inventory = {
  connections: 3,
  listeners: 1,
  memoryBytes: 100 * 2 ** 20,
  touchedBytes: 2 ** 20,
  touchedInMs: 250,
  writableBytes: 2 ** 20,
  restlessBytes: 0,
  watchedBytes: 0,
  rewrittenBytes: 0,
  rewrittenInMs: 250,
  processes: 4,
  reasons: [],
}

export const nb: RankedNode = { nodeName: 'nb', fits: true, score: 8, reasons: [] }

/** Where the script of the agents is cut short, and what they say then. */
export interface Trouble {
  /** The source's agent gives up instead of doing this step. */
  failAt?: MoveStep
  /** The destination's commit is never heard of: its agent is silent from the grant on. */
  silentAfterGrant?: boolean
}

const script: readonly [MoveStep, 'source' | 'destination'][] = [
  ['armed', 'destination'],
  ['held', 'destination'],
  ['diverted', 'source'],
  ['frozen', 'source'],
  ['locked', 'source'],
  ['dumped', 'source'],
  ['synced', 'source'],
  ['transferred', 'source'],
  ['restored', 'destination'],
  ['verified', 'destination'],
  ['granted', 'source'],
  ['committed', 'destination'],
  ['socketsLive', 'destination'],
  ['released', 'destination'],
  ['resumed', 'destination'],
]

const stateAfter: Partial<Record<MoveStep, MoveRecord['state']>> = {
  held: 'holding',
  frozen: 'frozen',
  restored: 'held',
  granted: 'granted',
  committed: 'committed',
  resumed: 'live',
}

export class World {
  nowMs = startMs
  migration: PodMigration
  source: V1Pod | undefined = makePod()
  destination: V1Pod | undefined
  siblings: V1Pod[] = []
  nodes = [makeNode('na', 1), makeNode('nb', 2)]
  capacities = [makeCapacity('na', 1), makeCapacity('nb', 2)]
  candidates: RankedNode[] = [nb]
  inventory: Observed['inventory'] = inventory
  records: Record<'source' | 'destination', AgentAnswer> = { source: 'absent', destination: 'absent' }
  silent = new Set<'source' | 'destination'>()
  trouble: Trouble = {}
  probe: Observed['probe'] = 'unasked'
  checkpointRetentionSeconds = 0
  log: Effect[] = []
  #scripted = 0

  constructor(migration: PodMigration = makeMigration()) {
    this.migration = migration
  }

  observe(): Observed {
    const answer = (role: 'source' | 'destination') => (this.silent.has(role) ? 'unreachable' : this.records[role])
    return {
      sourcePod: this.source,
      destinationPod: this.destination,
      siblings: this.siblings,
      ownerExists: true,
      nodes: this.nodes,
      capacities: this.capacities,
      migrations: [],
      candidates: this.candidates,
      claims: undefined,
      quotaRefusals: [],
      policyExists: true,
      serviceIps: ['10.96.0.1'],
      checkpointRetentionSeconds: this.checkpointRetentionSeconds,
      source: answer('source'),
      destination: answer('destination'),
      inventory: this.inventory,
      probe: this.probe,
    }
  }

  /** One pass of the reconciler: decide, write, perform; then time goes by and the world moves on. */
  pass(): Decided {
    const decision = decide(this.migration, this.observe(), this.nowMs)
    this.migration = { ...this.migration, status: decision.status }
    for (const effect of [...decision.news, ...decision.effects]) this.perform(effect)
    this.nowMs += Math.max(decision.requeueAfterMs ?? 1000, 10)
    this.live()
    return decision
  }

  perform(effect: Effect): void {
    this.log.push(effect)
    const { metadata } = this.migration
    if (effect.kind === 'addFinalizer') this.migration = { ...this.migration, metadata: { ...metadata, finalizers: ['podmotion.io/move'] } }
    if (effect.kind === 'removeFinalizer') this.migration = { ...this.migration, metadata: { ...metadata, finalizers: [] } }
    if (effect.kind === 'awaitDestination') this.records.destination = record('destination', 'awaiting')
    if (effect.kind === 'createDestinationPod')
      this.destination = { ...effect.pod, metadata: { ...effect.pod.metadata, uid: 'destination-uid' } }
    if (effect.kind === 'startMove') this.records.source = record('source', 'preparing')
    if (effect.kind === 'abort') this.#abort(effect.nodeName === 'na' ? 'source' : 'destination')
    if (effect.kind === 'finish') this.#finish(effect.nodeName === 'na' ? 'source' : 'destination')
    if (effect.kind === 'deletePod') this.#delete(effect.pod.uid)
    if (effect.kind === 'patchPod') this.#patch(effect)
    if (effect.kind === 'resolve') this.#resolve(effect.verdict)
  }

  /** kubelet, the ReplicaSet and the agents do the next thing that is theirs. */
  live(): void {
    if (this.destination && !this.destination.status?.phase) this.destination = { ...this.destination, status: runningStatus('False') }
    const standing = this.destination?.status?.phase === 'Running' && isState(this.records.destination, 'awaiting')
    if (standing) this.records.destination = record('destination', 'standing')
    this.#script()
    if (isState(this.records.destination, 'live') && this.destination)
      this.destination = { ...this.destination, status: runningStatus('True') }
    this.#replicaSet()
    if (this.source?.metadata?.deletionTimestamp && isState(this.records.source, 'finished')) this.source = undefined
  }

  // Two steps a look: the agents are quicker than the eye.
  #script(): void {
    for (let count = 0; count < 2; count++) {
      const next = script[this.#scripted]
      const started = typeof this.records.source === 'object' && !['aborted', 'finished'].includes(this.records.source.state)
      if (!next || !started || typeof this.records.destination !== 'object') return
      const [step, role] = next
      if (this.trouble.failAt === step) return this.#giveUp()
      if (this.trouble.silentAfterGrant && step === 'committed') return void this.silent.add('destination')
      this.#scripted++
      this.#record(role, step)
    }
  }

  #record(role: 'source' | 'destination', step: MoveStep): void {
    const before = this.records[role]
    if (typeof before !== 'object') return
    const node = role === 'source' ? 'na' : 'nb'
    const steps = [...before.steps, { step, atMs: this.nowMs, node }]
    const proof = step === 'verified' ? { connections: { source: 3, destination: 3, lost: 0 }, sequenceDelta: 0 } : {}
    const times = step === 'resumed' ? { freezeMs: 142, holdMs: 150, bytesMoved: 123_456_789 } : {}
    this.records[role] = { ...before, steps, state: stateAfter[step] ?? before.state, ...proof, ...times }
    const other = this.records.source
    if (step === 'committed' && typeof other === 'object') this.records.source = { ...other, state: 'committed' }
  }

  #giveUp(): void {
    const failure = { code: 'DumpFailed', message: 'criu dump exited 1 (io_uring instance in process 412 cannot be checkpointed)' }
    const before = this.records.source
    if (typeof before !== 'object') return
    const undone = [
      { step: 'undone' as const, atMs: this.nowMs, node: 'na' },
      { step: 'thawed' as const, atMs: this.nowMs + 1, node: 'na' },
    ]
    this.records.source = { ...before, state: 'aborted', failure, steps: [...before.steps, ...undone] }
  }

  #abort(role: 'source' | 'destination'): void {
    const answer = this.records[role]
    if (this.silent.has(role) || typeof answer !== 'object') return
    const tooLate = ['granted', 'committed', 'live', 'finished'].includes(answer.state)
    if (!tooLate) this.records[role] = { ...answer, state: 'aborted' }
  }

  #finish(role: 'source' | 'destination'): void {
    const answer = this.records[role]
    if (typeof answer === 'object' && !this.silent.has(role)) this.records[role] = { ...answer, state: 'finished' }
  }

  #resolve(verdict: 'destinationGone' | 'committed'): void {
    const answer = this.records.source
    if (typeof answer !== 'object' || answer.state !== 'granted') return
    this.records.source = { ...answer, state: verdict === 'committed' ? 'committed' : 'aborted' }
  }

  #delete(uid: string): void {
    if (this.destination?.metadata?.uid === uid) this.destination = undefined
    if (this.source?.metadata?.uid === uid) this.source = undefined
  }

  #patch({ pod, patch }: Extract<Effect, { kind: 'patchPod' }>): void {
    const change = patch.metadata as { labels?: object; annotations?: object }
    const merge = (target: V1Pod): V1Pod => ({
      ...target,
      metadata: {
        ...target.metadata,
        labels: { ...target.metadata?.labels, ...change.labels },
        annotations: { ...target.metadata?.annotations, ...change.annotations },
      },
    })
    if (this.destination?.metadata?.uid === pod.uid) this.destination = merge(this.destination)
    if (this.source?.metadata?.uid === pod.uid) this.source = merge(this.source)
  }

  /** One replica is wanted: of two pods with the labels the one with the lowest deletion cost goes. */
  #replicaSet(): void {
    const adopted = this.destination?.metadata?.labels?.['pod-template-hash'] === 'abc'
    const cheap = this.source?.metadata?.annotations?.[annotations.podDeletionCost] !== undefined
    const owned = this.source?.metadata?.ownerReferences?.length
    if (adopted && cheap && owned && this.source) this.source = terminating(this.source)
  }
}

export function terminating(pod: V1Pod): V1Pod {
  return { ...pod, metadata: { ...pod.metadata, deletionTimestamp: '2026-01-01T00:00:10Z' as unknown as Date } }
}

export function record(role: 'source' | 'destination', state: MoveRecord['state'], change: Partial<MoveRecord> = {}): MoveRecord {
  return { uid: migrationUid, role, state, steps: [], warnings: [], ...change }
}

function isState(answer: AgentAnswer, state: MoveRecord['state']): boolean {
  return typeof answer === 'object' && answer.state === state
}

function runningStatus(ready: 'True' | 'False'): NonNullable<V1Pod['status']> {
  const status = makePod().status
  return { ...status, conditions: [{ type: 'Ready', status: ready }] }
}
