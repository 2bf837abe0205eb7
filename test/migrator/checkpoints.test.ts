// What becomes of kept images: objects that are made, told the truth of, and removed; and what agents are told to remove.
import { expect } from 'chai'
import type { KeptCheckpoint } from '../../src/api/agent-wire.ts'
import type { MigrationCheckpoint } from '../../src/api/migration-checkpoint.ts'
import type { Condition, PodMigration, PodMigrationStatus } from '../../src/api/pod-migration.ts'
import { type CheckpointEffect, type CheckpointsSeen, decideCheckpoints, type NodeAnswer } from '../../src/migrator/checkpoints.ts'
import { decide } from '../../src/migrator/machine.ts'
import { makeCapacity, makeMigration, makePod, migrationUid, record, startMs, World } from './world.ts'

const second = 1000
const expiresAtMs = startMs + 3600 * second
const at = (ms: number) => new Date(ms).toISOString()

const kept: KeptCheckpoint = {
  uid: migrationUid,
  migrationName: 'shop/move',
  podName: 'cart-7',
  podUid: 'source-uid',
  phase: 'Ready',
  path: `checkpoints/${migrationUid}`,
  sizeBytes: 3 * 2 ** 20,
  digest: 'sha256:abc',
  keptAtMs: startMs,
  expiresAtMs,
}

function migrationWith(condition: Pick<Condition, 'status' | 'reason'>, change: Partial<PodMigrationStatus> = {}): PodMigration {
  const conditions: Condition[] = [{ type: 'CheckpointKept', lastTransitionTime: at(startMs), ...condition }]
  const status = { phase: 'Complete', sourceNode: 'na', committedAt: at(startMs), completedAt: at(startMs), conditions, ...change } as const
  return { ...makeMigration({ mode: 'Cold' }), status }
}

const awaited = migrationWith({ status: 'Unknown', reason: 'Intended' })
const told = migrationWith({ status: 'True', reason: 'Kept' })

function objectOf(status: MigrationCheckpoint['status'] = { phase: 'Ready', message: '' }): MigrationCheckpoint {
  const [made] = decideIn({ migrations: [awaited], nodes: [['na', [kept]]] })
  if (made?.kind !== 'create') throw new Error('no object is made')
  return { ...made.object, status }
}

interface Situation {
  migrations?: PodMigration[]
  objects?: MigrationCheckpoint[]
  nodes?: [string, NodeAnswer][]
  afterMs?: number
}

function decideIn({ migrations = [], objects = [], nodes = [], afterMs = 0 }: Situation): CheckpointEffect[] {
  const capacity = makeCapacity('na', 1)
  capacity.status = { eligible: true, reasons: [], architecture: 'x86_64', kernel: '6.12.1', criuVersion: '4.2', cpuFeatures: ['avx2'] }
  const seen: CheckpointsSeen = { migrations, objects, nodes: new Map(nodes), capacities: [capacity] }
  return decideCheckpoints(seen, startMs + afterMs).flat()
}

const said = (effects: CheckpointEffect[]) =>
  effects.map((effect) => {
    if (effect.kind === 'condition') return `condition ${effect.kept} ${effect.reason}`
    if (effect.kind === 'status') return `status ${effect.status.phase}`
    return effect.kind === 'removeFiles' ? `removeFiles on ${effect.nodeName}` : effect.kind
  })

describe('the promise of a checkpoint', () => {
  const prewarm = (mode: 'Cold' | 'PreCopy', checkpointRetentionSeconds: number) => {
    const migration = makeMigration({ mode })
    const status: PodMigrationStatus = {
      phase: 'DestinationPrewarm',
      sourceNode: 'na',
      destinationNode: 'nb',
      destinationPodName: 'cart-7-12345',
      sourcePodUID: 'source-uid',
    }
    const labels = { 'podmotion.io/migration-uid': migrationUid }
    const destinationPod = makePod({ metadata: { name: 'cart-7-12345', labels }, spec: { nodeName: 'nb' } })
    const observed = {
      ...new World().observe(),
      destinationPod,
      destination: record('destination', 'standing'),
      checkpointRetentionSeconds,
    }
    const { metadata } = migration
    return decide({ ...migration, metadata: { ...metadata, finalizers: ['podmotion.io/move'] }, status }, observed, startMs)
  }
  const promised = (decision: ReturnType<typeof prewarm>) => {
    const [effect] = decision.effects
    const seconds = effect?.kind === 'startMove' ? effect.request.keepCheckpointSeconds : undefined
    return [decision.status.conditions?.find(({ type }) => type === 'CheckpointKept')?.status, seconds]
  }

  it('is given for Cold moves, where images are kept', () => {
    expect(promised(prewarm('Cold', 60))).to.deep.equal(['Unknown', 60])
    expect(promised(prewarm('Cold', 0))).to.deep.equal([undefined, 0])
    expect(promised(prewarm('PreCopy', 60))).to.deep.equal([undefined, 0])
  })
})

describe('a migration whose images are awaited', () => {
  it('gets an object of its own name that says what is where', () => {
    const [made, verdict] = decideIn({ migrations: [awaited], nodes: [['na', [kept]]] })
    expect(made).to.deep.equal({
      kind: 'create',
      object: {
        apiVersion: 'podmotion.io/v1alpha1',
        kind: 'MigrationCheckpoint',
        metadata: {
          name: 'move',
          namespace: 'shop',
          labels: { 'podmotion.io/migration-uid': migrationUid },
          ownerReferences: [{ apiVersion: 'podmotion.io/v1alpha1', kind: 'PodMigration', name: 'move', uid: migrationUid }],
        },
        spec: {
          podName: 'cart-7',
          podUID: 'source-uid',
          nodeName: 'na',
          path: `checkpoints/${migrationUid}`,
          sizeBytes: 3 * 2 ** 20,
          digest: 'sha256:abc',
          requiredFeatures: ['architecture:x86_64', 'kernel:6.12.1', 'criu:4.2', 'cpu:avx2'],
          expiresAt: at(expiresAtMs),
        },
        status: { phase: 'Ready', message: '' },
      },
    })
    expect(verdict).to.include({ kept: true, message: `MigrationCheckpoint move: 3.0 MB on na until ${at(expiresAtMs)}` })
  })

  it('is told why there are none', () => {
    const failed: KeptCheckpoint = { ...kept, phase: 'Failed', sizeBytes: 0, digest: '', message: 'no room' }
    const [made, verdict] = decideIn({ migrations: [awaited], nodes: [['na', [failed]]] })
    expect(made).to.have.nested.property('object.status.phase', 'Failed')
    expect(verdict).to.include({ kept: false, reason: 'NotKept', message: 'no room' })
    expect(said(decideIn({ migrations: [awaited], nodes: [['na', 'gone']] }))).to.deep.equal(['condition false NodeGone'])
    const late = { migrations: [awaited], nodes: [['na', []]] as [string, NodeAnswer][], afterMs: 301 * second }
    expect(said(decideIn(late))).to.deep.equal(['condition false NotThere'])
  })

  it('waits for what may still come', () => {
    expect(decideIn({ migrations: [awaited], nodes: [['na', [{ ...kept, phase: 'Keeping' }]]] })).to.deep.equal([])
    expect(decideIn({ migrations: [awaited], nodes: [['na', []]] })).to.deep.equal([])
    expect(decideIn({ migrations: [awaited], nodes: [['na', 'unreachable']], afterMs: 9e6 })).to.deep.equal([])
    const { committedAt: _none, ...uncommitted } = awaited.status ?? {}
    expect(decideIn({ migrations: [{ ...awaited, status: uncommitted }], nodes: [['na', 'gone']] })).to.deep.equal([])
  })
})

describe('an object of kept images', () => {
  const situation = (answer: NodeAnswer, afterMs = 0, object = objectOf()) =>
    said(decideIn({ migrations: [told], objects: [object], nodes: [['na', answer]], afterMs }))

  it('is left alone while all is as it says', () => {
    expect(situation([kept])).to.deep.equal([])
    expect(situation('unreachable')).to.deep.equal([])
  })

  it('gets the status that a controller died before writing', () => {
    expect(situation([kept], 0, objectOf({}))).to.deep.equal(['status Ready'])
  })

  it('says that the images are lost, and goes at its time all the same', () => {
    expect(situation([])).to.deep.equal(['status Lost'])
    expect(situation('gone')).to.deep.equal(['status Lost'])
    expect(situation('gone', 3600 * second)).to.deep.equal(['condition false Expired', 'delete'])
  })

  it('goes when the agent has removed what expired, and says so where that is away', () => {
    expect(situation([], 3600 * second)).to.deep.equal(['condition false Expired', 'delete'])
    expect(situation('unreachable', 3600 * second)).to.deep.equal(['status Expired'])
    expect(situation([kept], 3600 * second)).to.deep.equal([])
  })

  it('takes the files along when somebody deletes it', () => {
    const deleted = (answer: NodeAnswer) => said(decideIn({ migrations: [told], nodes: [['na', answer]] }))
    expect(deleted([kept])).to.deep.equal(['removeFiles on na', 'condition false Removed'])
    expect(deleted([])).to.deep.equal(['condition false Removed'])
    expect(deleted('unreachable')).to.deep.equal([])
  })

  it('takes the files along when its migration is deleted', () => {
    const [effect, ...more] = decideIn({ nodes: [['na', [kept]]] })
    expect(effect).to.deep.equal({ kind: 'removeFiles', nodeName: 'na', uid: migrationUid, migrationName: 'shop/move' })
    expect(more).to.deep.equal([])
  })
})
