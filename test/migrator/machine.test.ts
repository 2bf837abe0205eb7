// Properties of the machine, whatever it observes: deterministic, no way back after the grant, nothing after the end, and an end.
import { expect } from 'chai'
import fc from 'fast-check'
import { type MoveRecord, moveStates, moveSteps } from '../../src/api/agent-wire.ts'
import { isTerminal, type Phase, phases } from '../../src/api/phases.ts'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { assertTransition, decide, transitions } from '../../src/migrator/machine.ts'
import { type AgentAnswer, isNodeGone, type Observed } from '../../src/migrator/observed.ts'
import { inventory, makeMigration, makePod, record, startMs, terminating, World } from './world.ts'

const minutesMs = 60_000

const stepsOf = fc.subarray([...moveSteps]).map((steps) => steps.map((step, index) => ({ step, atMs: startMs + index, node: 'na' })))

function answers(role: MoveRecord['role']): fc.Arbitrary<AgentAnswer> {
  const known = fc
    .record({ state: fc.constantFrom(...moveStates), steps: stepsOf })
    .map(({ state, steps }) => record(role, state, { steps }))
  return fc.oneof(fc.constantFrom<AgentAnswer>('absent', 'unreachable', 'unasked'), known)
}

const destinationPods = fc.constantFrom(undefined, makePod({ metadata: { name: 'cart-7-12345', uid: 'destination-uid', labels: {} } }), {
  ...makePod({
    metadata: { name: 'cart-7-12345', uid: 'destination-uid', labels: { 'podmotion.io/migration-uid': makeMigration().metadata.uid } },
  }),
})

const observations: fc.Arbitrary<Observed> = fc
  .record({
    sourcePod: fc.constantFrom(undefined, makePod(), terminating(makePod()), makePod({ spec: { hostNetwork: true } })),
    destinationPod: destinationPods,
    source: answers('source'),
    destination: answers('destination'),
    inventory: fc.constantFrom<Observed['inventory']>('unasked', 'unreachable', inventory),
    fits: fc.boolean(),
    nodesThere: fc.boolean(),
    refused: fc.boolean(),
  })
  .map(({ fits, nodesThere, refused, ...rest }) => ({
    ...new World().observe(),
    ...rest,
    candidates: [{ nodeName: 'nb', fits, score: 5, reasons: [] }],
    ...(nodesThere ? {} : { nodes: [] }),
    ...(refused ? { refusedEffect: { kind: 'startMove', code: 'No', message: 'no' } } : {}),
  }))

const migrationsIn = (...some: Phase[]): fc.Arbitrary<PodMigration> =>
  fc
    .record({
      phase: fc.constantFrom(...some),
      deleted: fc.boolean(),
      granted: fc.boolean(),
      told: fc.boolean(),
      dryRun: fc.boolean(),
      finalizer: fc.boolean(),
    })
    .map(({ phase, deleted, granted, told, dryRun, finalizer }) => {
      const migration = makeMigration({ dryRun })
      const started = {
        sourceNode: 'na',
        sourcePodName: 'cart-7',
        sourcePodUID: 'source-uid',
        podIP: '10.1.0.7',
        startedAt: new Date(startMs).toISOString(),
      }
      const chosen = { destinationNode: 'nb', destinationPodName: 'cart-7-12345', destinationPodUID: 'destination-uid' }
      const after = ['TCPVerifying', 'ServiceVerifying', 'CutoverComplete', 'Complete'].includes(phase)
      return {
        ...migration,
        metadata: {
          ...migration.metadata,
          ...(deleted ? { deletionTimestamp: new Date(startMs).toISOString() } : {}),
          ...(finalizer ? { finalizers: ['podmotion.io/move'] } : {}),
        },
        status: {
          phase,
          ...started,
          ...chosen,
          ...(told ? { moveStartedAt: started.startedAt } : {}),
          ...(granted ? { granted } : {}),
          ...(after ? { committedAt: started.startedAt } : {}),
        },
      }
    })

const anyMigration = migrationsIn(...phases)
const elapsed = fc.integer({ min: 0, max: 60 * minutesMs })

describe('machine', () => {
  it('decides twice the same, and changes nothing that it was given', () => {
    fc.assert(
      fc.property(anyMigration, observations, elapsed, (migration, observed, ms) => {
        const before = JSON.stringify([migration, observed])
        const first = decide(migration, observed, startMs + ms)
        expect(decide(migration, observed, startMs + ms)).to.deep.equal(first)
        expect(JSON.stringify([migration, observed])).to.equal(before)
      }),
    )
  })

  it('never leaves the rows of its table (which it checks itself)', () => {
    fc.assert(
      fc.property(anyMigration, observations, elapsed, (migration, observed, ms) => void decide(migration, observed, startMs + ms)),
      { numRuns: 500 },
    )
  })

  it('refuses a step that has no row', () => {
    for (const to of [undefined, 'Pending', 'RollingBack'] as const)
      expect(() => assertTransition('TCPVerifying', to)).to.throw(`from TCPVerifying to ${to}`)
  })

  it('has no way back from what the commit leads to', () => {
    for (const phase of ['TCPVerifying', 'ServiceVerifying', 'CutoverComplete'] as const) {
      expect(transitions[phase]).not.to.include.members(['RollingBack'])
    }
  })

  it('does nothing after the end but tell it before it frees the object, and take back a destination that was never granted', () => {
    fc.assert(
      fc.property(migrationsIn('Complete', 'DryRunComplete', 'RolledBack', 'Failed'), observations, elapsed, (migration, observed, ms) => {
        const decision = decide(migration, observed, startMs + ms)
        expect(decision.status).to.deep.equal(migration.status)
        const { phase, granted, committedAt } = migration.status ?? {}
        const mayTakeBack = phase === 'RolledBack' && !granted && committedAt === undefined
        const kinds = decision.effects.map(({ kind }) => kind)
        expect(kinds.lastIndexOf('event'), 'of a free object nobody is told').to.be.at.most(kinds.indexOf('removeFinalizer'))
        const others = decision.effects.filter(({ kind }) => kind !== 'removeFinalizer' && kind !== 'event')
        expect(others.map((effect) => effect.kind === 'deletePod' && mayTakeBack && effect.pod.uid)).to.deep.equal(
          others.length > 0 ? ['destination-uid'] : [],
        )
      }),
    )
  })

  it('never undoes a move that was granted, as long as the source has not said that it is over', () => {
    // Before ZeroWindowArm nothing can be granted; with a grant the way back begins only when the source has said so, or is gone with its node.
    const moving = phases.slice(phases.indexOf('ZeroWindowArm')).filter((phase) => !isTerminal(phase) && phase !== 'RollingBack')
    const granted = migrationsIn(...moving).map((migration) => ({
      ...migration,
      status: { ...migration.status, granted: true, moveStartedAt: new Date(startMs).toISOString() },
    }))
    const open = observations.filter(({ source }) => typeof source !== 'object' || !['aborted', 'finished'].includes(source.state))
    fc.assert(
      fc.property(granted, open, elapsed, (migration, observed, ms) => {
        fc.pre(observed.source !== 'absent' && !isNodeGone(observed, migration.status?.sourceNode))
        const decision = decide(migration, observed, startMs + ms)
        expect(decision.effects.filter(({ kind }) => kind === 'abort')).to.deep.equal([])
        const deleted = decision.effects.filter((effect) => effect.kind === 'deletePod' && effect.pod.uid === 'destination-uid')
        expect(deleted).to.deep.equal([])
        expect(decision.status.phase).not.to.equal('RollingBack')
      }),
      { numRuns: 500 },
    )
  })

  it('never touches the destination pod before the source is out of danger', () => {
    fc.assert(
      fc.property(migrationsIn('RollingBack'), observations, elapsed, (migration, observed, ms) => {
        const told = { ...migration, status: { ...migration.status, moveStartedAt: new Date(startMs).toISOString() } }
        const decision = decide(told, observed, startMs + ms)
        if (!decision.effects.some(({ kind }) => kind === 'deletePod')) return
        const safe =
          observed.source === 'absent' || (typeof observed.source === 'object' && ['aborted', 'finished'].includes(observed.source.state))
        expect(safe || (observed.source === 'unreachable' && observed.nodes.length === 0)).to.equal(true)
      }),
      { numRuns: 500 },
    )
  })

  it('tells to commit or to finish only what the agents said is committed', () => {
    fc.assert(
      fc.property(anyMigration, observations, elapsed, (migration, observed, ms) => {
        const decision = decide(migration, observed, startMs + ms)
        if (!decision.effects.some((effect) => effect.kind === 'finish' && effect.outcome === 'committed')) return
        expect(decision.status.committedAt).to.be.a('string')
      }),
    )
  })

  it('ends every move, wherever the agents stop', () => {
    for (const failAt of moveSteps.slice(moveSteps.indexOf('armed'), moveSteps.indexOf('granted'))) {
      const world = new World()
      world.trouble = { failAt }
      let passes = 0
      while (!isTerminal(world.migration.status?.phase) && passes++ < 3000) world.pass()
      expect(world.migration.status?.phase, failAt).to.equal(
        failAt === 'granted' || moveSteps.indexOf(failAt) <= 11 ? 'RolledBack' : 'Complete',
      )
      expect(world.migration.status?.reservation).to.equal(undefined)
      expect(world.destination).to.equal(undefined)
    }
  })

  it('goes on where a killed controller stopped: each pass may be the last before effects, and is repeated', () => {
    const world = new World()
    for (let passes = 0; !isTerminal(world.migration.status?.phase) && passes < 500; passes++) {
      // The status was written, the controller died before it did anything: the next one must find the way.
      if (passes % 2 === 0) {
        const decision = decide(world.migration, world.observe(), world.nowMs)
        world.migration = { ...world.migration, status: decision.status }
        world.nowMs += 500
      } else world.pass()
    }
    expect(world.migration.status?.phase).to.equal('Complete')
    expect(world.source).to.equal(undefined)
    expect(world.destination?.metadata?.labels).to.include({ app: 'cart' })
  })
})
