// Single decisions that whole transcripts do not show: what each phase does when things are not as they should be.
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import type { PodMigrationSpec, PodMigrationStatus } from '../../src/api/pod-migration.ts'
import type { Effect } from '../../src/migrator/decision.ts'
import { decide } from '../../src/migrator/machine.ts'
import type { Observed } from '../../src/migrator/observed.ts'
import { makeCapacity, makeMigration, makeNode, makePod, migrationUid, record, startMs, terminating, World } from './world.ts'

const started = new Date(startMs).toISOString()
const base: PodMigrationStatus = {
  startedAt: started,
  sourceNode: 'na',
  sourcePodName: 'cart-7',
  sourcePodUID: 'source-uid',
  podIP: '10.1.0.7',
  destinationNode: 'nb',
  destinationPodName: 'cart-7-12345',
}
const destination = makePod({
  metadata: {
    name: 'cart-7-12345',
    uid: 'destination-uid',
    labels: { 'podmotion.io/migration-uid': migrationUid },
    ownerReferences: undefined,
  },
  spec: { nodeName: 'nb' },
})
const unready = (pod: V1Pod): V1Pod => ({ ...pod, status: { ...pod.status, conditions: [{ type: 'Ready', status: 'False' }] } })

interface Situation {
  status: PodMigrationStatus
  observed?: Partial<Observed>
  spec?: Partial<PodMigrationSpec>
  afterMs?: number
}

function decideIn({ status, observed, spec, afterMs = 0 }: Situation) {
  const migration = { ...makeMigration(spec), status: { ...base, ...status } }
  migration.metadata = { ...migration.metadata, finalizers: ['podmotion.io/move'] }
  return decide(migration, { ...new World().observe(), destinationPod: destination, ...observed }, startMs + afterMs)
}

const told = (effects: readonly Effect[]) =>
  effects.map((effect) => {
    if (effect.kind === 'deletePod') return `delete ${effect.pod.name} ${effect.gracePeriodSeconds}`
    if (effect.kind === 'patchPod') return `patch ${effect.pod.name}`
    return 'nodeName' in effect ? `${effect.kind} ${effect.nodeName}` : effect.kind
  })

describe('DestinationPrewarm', () => {
  const prewarm = (observed: Partial<Observed>, afterMs = 0) => {
    const conditions = [{ type: 'DestinationNetnsReady', status: 'Unknown', reason: 'Intended', lastTransitionTime: started }] as const
    return decideIn({
      status: { phase: 'DestinationPrewarm', conditions: [...conditions] },
      observed: { source: 'unasked', ...observed },
      afterMs,
    })
  }
  const failures: [string, Partial<Observed>, string, number?][] = [
    ['the name belongs to somebody else', { destinationPod: makePod({ metadata: { name: 'cart-7-12345', labels: {} } }) }, 'NameTaken'],
    ['the pod failed', { destinationPod: { ...destination, status: { phase: 'Failed', message: 'no room' } } }, 'DestinationFailed'],
    ['the pod is being deleted', { destinationPod: terminating(destination) }, 'DestinationDeleted'],
    ['it takes too long', {}, 'DestinationNotStanding', 181_000],
    [
      'its agent gave up',
      { destination: record('destination', 'aborted', { failure: { code: 'NoSpace', message: 'tmpfs is full' } }) },
      'NoSpace',
    ],
    ['the source is gone', { sourcePod: undefined }, 'SourceGone'],
  ]
  for (const [name, observed, code, afterMs] of failures) {
    it(`goes back when ${name}`, () => {
      const { status } = prewarm({ destination: record('destination', 'awaiting'), ...observed }, afterMs)
      expect([status.phase, status.failure?.code]).to.deep.equal(['RollingBack', code])
    })
  }

  it('announces before it creates, and each only when it is missing', () => {
    expect(told(prewarm({ destinationPod: undefined, destination: 'absent' }).effects)).to.deep.equal([
      'awaitDestination nb',
      'createDestinationPod',
    ])
    expect(told(prewarm({ destinationPod: undefined, destination: record('destination', 'awaiting') }).effects)).to.deep.equal([
      'createDestinationPod',
    ])
    expect(told(prewarm({ destination: 'absent' }).effects)).to.deep.equal(['awaitDestination nb'])
  })

  it('says when it is the agent that does not answer', () => {
    const silent = { destinationPod: undefined, destination: 'unreachable' } as const
    expect(prewarm(silent).status.message).to.equal('waiting for the agent on nb to expect the pod')
    expect(prewarm(silent, 181_000).status.failure?.message).to.match(/does not exist yet after 180 s; the agent on nb does not answer$/)
  })

  it('waits for every stand-in, whatever the agent says, and for the agent, whatever kubelet says', () => {
    const starting = {
      ...destination,
      status: { phase: 'Pending', containerStatuses: [{ name: 'main', state: { waiting: { reason: 'ErrImagePull' } } }] },
    }
    const early = prewarm({ destination: record('destination', 'standing'), destinationPod: starting as unknown as V1Pod })
    expect([early.status.phase, early.status.message]).to.deep.equal(['DestinationPrewarm', 'the destination pod waits (ErrImagePull)'])
    expect(prewarm({ destination: record('destination', 'awaiting') }).status.phase).to.equal('DestinationPrewarm')
    expect(prewarm({ destination: record('destination', 'standing') }).status).to.include({
      phase: 'ZeroWindowArm',
      moveStartedAt: started,
    })
  })

  it('gives the agents what they need', () => {
    const { effects } = prewarm({ destination: record('destination', 'standing') })
    const [effect] = effects
    if (effect?.kind !== 'startMove') throw new Error(`expected a startMove, got ${told(effects).join()}`)
    expect(effect.request).to.deep.include({
      migrationName: 'shop/move',
      freezeWindowBudgetMs: 500,
      onNonConvergence: 'Freeze',
      keepFailedDestination: false,
    })
    expect(effect.request.destination).to.deep.equal({
      nodeName: 'nb',
      nodeIps: ['192.168.0.2'],
      address: '192.168.0.2:8090',
      podName: 'cart-7-12345',
      podUid: 'destination-uid',
    })
    expect(effect.request).not.to.have.property('postCopyObstacle')
    expect(effect.request).not.to.have.property('home')
  })

  it('takes both addresses where both nodes have both families', () => {
    const podIPs = [{ ip: '10.1.0.7' }, { ip: 'fd00:244:0:1::7' }]
    const addresses = (number: number) => [`192.168.0.${number}`, `fd00:30::${number}`].map((address) => ({ type: 'InternalIP', address }))
    const [na, nb] = [makeNode('na', 1), makeNode('nb', 2)]
    const dual = [na, nb].map((node, index) => ({ ...node, status: { ...node.status, addresses: addresses(index + 1) } }))
    const requested = (nodes: typeof dual) => {
      const pod = makePod({ status: { podIPs } })
      const [effect] = prewarm({ destination: record('destination', 'standing'), nodes, sourcePod: pod }).effects
      return effect?.kind === 'startMove' ? effect.request : undefined
    }
    expect(requested(dual)?.pod.ips).to.deep.equal(['10.1.0.7', 'fd00:244:0:1::7'])
    expect(requested(dual)?.destination.nodeIps).to.deep.equal(['192.168.0.2', 'fd00:30::2'])
    expect(requested([dual[0] as typeof na, nb] as typeof dual)?.pod.ips).to.deep.equal(['10.1.0.7'])
  })

  it('names the home of an address when it is a third node', () => {
    const nodes = [makeNode('na', 1), makeNode('nb', 2), makeNode('nc', 3)]
    const capacities = [makeCapacity('na', 1), makeCapacity('nb', 2), makeCapacity('nc', 3)]
    const observed = { nodes, capacities, destination: record('destination', 'standing') }
    const [effect] = decideIn({ status: { phase: 'DestinationPrewarm', podIP: '10.3.0.9' }, observed }).effects
    expect(effect).to.have.deep.nested.property('request.home', { nodeName: 'nc', address: '192.168.0.3:8090' })
  })
})

describe('while the agents act alone', () => {
  const follow = (observed: Partial<Observed>, status: PodMigrationStatus = {}, afterMs = 0) =>
    decideIn({
      status: { phase: 'ZeroWindowArm', moveStartedAt: started, ...status },
      observed: { destination: record('destination', 'standing'), ...observed },
      afterMs,
    })

  it('gives a lost order again, but not once work was seen', () => {
    expect(told(follow({ source: 'absent' }).effects)).to.deep.equal(['startMove na'])
    const forgot = follow({ source: 'absent' }, { timeline: [{ step: 'armed', at: started }] })
    expect(forgot.status.failure?.code).to.equal('SourceForgot')
    expect(follow({ source: 'absent', destinationPod: undefined }).status.failure?.code).to.equal('DestinationDeleted')
  })

  it('goes back in time’s name before the grant, and never after it', () => {
    expect(follow({ source: record('source', 'frozen') }, {}, 601_000).status.failure?.code).to.equal('TimedOut')
    expect(follow({ source: 'unreachable' }, {}, 601_000).status.phase).to.equal('RollingBack')
    expect(follow({ source: record('source', 'granted') }, {}, 601_000).status.phase).to.equal('DisengageHold')
    expect(follow({ source: 'unreachable' }, { granted: true, phase: 'DisengageHold' }, 601_000).status.phase).to.equal('DisengageHold')
  })

  it('goes back when somebody deletes the destination before the grant, and not after it', () => {
    const [source, gone] = [record('source', 'frozen'), { destinationPod: terminating(destination) }]
    expect(follow({ source, ...gone }).status.failure?.code).to.equal('DestinationDeleted')
    expect(follow({ source, destinationPod: undefined }).status.phase).to.equal('ZeroWindowArm')
    const timeline = [{ step: 'armed', at: started }]
    expect(follow({ source, destinationPod: undefined }, { timeline }).status.failure?.code).to.equal('DestinationDeleted')
    expect(follow({ source: record('source', 'granted'), ...gone }).status.phase).to.equal('DisengageHold')
  })

  it('tells a source that is still waiting what the API server knows', () => {
    const seen = follow({ source: record('source', 'granted'), destination: record('destination', 'live') }, { committedAt: started })
    expect(told(seen.effects)).to.deep.equal(['resolve na'])
    expect(seen.status.phase).to.equal('TCPVerifying')
  })

  it('says how much of the memory still follows, and plainly when the rest of it was lost', () => {
    const source = record('source', 'committed', { steps: [{ step: 'frozen', atMs: startMs, node: 'na' }], stayedMB: 200 })
    const fetching = follow({ source, destination: record('destination', 'committed', { atSourceMB: 50 }) })
    expect(fetching.status.message).to.equal('committed: the pod belongs to nb, 50 of 200 MB of its memory are still on na')
    const warnings = ['PostCopySourceLost: x']
    const lost = follow({
      source: 'unreachable',
      destination: record('destination', 'live', { warnings, steps: [{ step: 'committed', atMs: startMs, node: 'nb' }] }),
    })
    expect([lost.status.phase, lost.status.message]).to.deep.equal(['TCPVerifying', 'PostCopySourceLost: x'])
    const event = { kind: 'event', type: 'Warning', reason: 'PostCopySourceLost', message: 'PostCopySourceLost: x', once: true }
    expect(lost.news).to.deep.equal([event])
  })

  it('says that no packet reaches a committed pod, for as long as that is so, and tells it once', () => {
    const at = (step: 'committed' | 'resumed' | 'released') => ({ step, atMs: startMs, node: 'nb' })
    const warnings = ['TrafficHeld: x']
    const destination = record('destination', 'committed', { steps: [at('committed'), at('resumed')], warnings })
    const held = follow({ destination })
    expect([held.status.phase, held.status.message]).to.deep.equal(['DisengageHold', 'TrafficHeld: x'])
    expect(held.status.nextStep).to.include('the agent on nb')
    expect(held.news).to.deep.equal([{ kind: 'event', type: 'Warning', reason: 'TrafficHeld', message: 'TrafficHeld: x', once: true }])
    const disarmed = ({ conditions = [] }: PodMigrationStatus) => conditions.find(({ type }) => type === 'ZeroWindowDisarmed')
    expect(disarmed(held.status)).to.deep.include({ status: 'False', reason: 'TrafficHeld' })
    const again = follow({ destination }, held.status, 3_600_000)
    expect([again.status.phase, again.news]).to.deep.equal(['DisengageHold', []])

    const steps = [at('committed'), at('resumed'), at('released')]
    const over = follow({ destination: record('destination', 'live', { steps, warnings }) }, held.status)
    expect([over.status.phase, over.status.message, over.news]).to.deep.equal(['TCPVerifying', 'the pod lives on the destination', []])
    expect(over.status).to.not.have.property('nextStep')
    expect(disarmed(over.status)).to.deep.include({ status: 'True', reason: 'TrafficReleased' })
  })

  it('tells once that the freeze will not fit, and what the move became; an abort speaks for itself', () => {
    const found = { dirtyRateMBps: 300, leftMB: 90, predictedFreezeMs: 900, budgetMs: 400, message: 'it does not converge' }
    const preCopy = (answer: 'Freeze' | 'Abort' | 'PostCopy') => ({ rounds: [], nonConvergence: { ...found, answer } })
    const steps = [{ step: 'armed' as const, atMs: startMs, node: 'na' }]
    const source = record('source', 'moving', { steps, preCopy: preCopy('PostCopy'), mode: 'PostCopy' })
    const seen = follow({ source })
    expect(seen.status.mode).to.equal('PostCopy')
    const event = { kind: 'event', type: 'Warning', reason: 'NotConverging', message: 'it does not converge', once: true }
    expect(seen.news).to.deep.equal([event])
    expect(follow({ source }, { preCopy: preCopy('PostCopy') }).news).to.deep.equal([])
    // The phase that sees it first may be another one.
    const late = decideIn({ status: { phase: 'RollingBack', moveStartedAt: started, rollbackStartedAt: started }, observed: { source } })
    expect(late.news).to.deep.equal([event])
    const failure = { code: 'NotConverging', message: 'raise it' }
    const aborted = follow({ source: record('source', 'aborted', { steps, preCopy: preCopy('Abort'), failure }) })
    expect(aborted.status.failure).to.deep.include(failure)
    expect(aborted.news).to.deep.equal([])
    expect(aborted.effects.filter(({ kind }) => kind === 'event')).to.deep.equal([
      { kind: 'event', type: 'Warning', reason: 'NotConverging', message: 'going back: raise it', once: true },
    ])
  })
})

describe('RollingBack', () => {
  const back = (observed: Partial<Observed>, status: PodMigrationStatus = {}, change: Partial<Situation> = {}) =>
    decideIn({
      status: { phase: 'RollingBack', moveStartedAt: started, rollbackStartedAt: started, failure: { code: 'X', message: 'x' }, ...status },
      observed: { source: record('source', 'finished'), destination: record('destination', 'aborted'), ...observed },
      ...change,
    })

  it('asks the source until it says that it gave up', () => {
    const asking = back({ source: record('source', 'frozen') })
    expect(told(asking.effects)).to.deep.equal(['abort na'])
    expect(told(back({ source: 'unreachable' }).effects)).to.deep.equal([])
    expect(asking.status.message).to.equal('going back: x')
    expect(back({ source: 'unreachable' }).status.message).to.include('waiting for the agent on na')
  })

  it('takes no pod from under a destination that is still undoing: it has the packets that waited', () => {
    // The source's last step may hang; a destination that was declared gone must not find its pod when it comes back.
    const undoing = { source: { ...record('source', 'aborted'), settled: false }, destination: 'unreachable' } as const
    expect(told(back(undoing).effects)).to.include('delete cart-7-12345 1')
    const holding = { ...record('destination', 'aborted'), settled: false }
    expect(told(back({ destination: holding }).effects)).to.deep.equal(['abort nb'])
    expect(told(back({ destination: { ...holding, settled: true } }).effects)).to.deep.equal(['delete cart-7-12345 1'])
    // Its undoing fails again and again.
    expect(told(back({ destination: holding }, {}, { afterMs: 61_000 }).effects)).to.deep.equal(['delete cart-7-12345 0'])
  })

  it('waits for no source whose node is gone', () => {
    expect(told(back({ source: 'unreachable', nodes: [] }).effects)).to.deep.equal(['delete cart-7-12345 1'])
  })

  it('does not touch a destination that may live, when both are silent and the source is gone for good', () => {
    const [nb] = [makeNode('nb', 2)]
    const silent = { source: 'unreachable', destination: 'unreachable' } as const
    const waiting = back({ ...silent, nodes: [nb] })
    expect(told(waiting.effects)).to.deep.equal([])
    expect(waiting.status.message).to.include('waiting for the agent on nb')
    expect(told(back({ ...silent, nodes: [] }).effects)).to.deep.equal(['delete cart-7-12345 1'])
    expect(back({ source: 'unreachable', destination: record('destination', 'live'), nodes: [nb] }).status.phase).to.equal('DisengageHold')
    expect(told(back({ source: 'unreachable', destination: record('destination', 'held'), nodes: [nb] }).effects)).to.deep.equal([
      'abort nb',
    ])
    // Before the move was ordered nothing can be granted.
    expect(told(back({ ...silent, nodes: [nb] }, { moveStartedAt: undefined }).effects)).to.deep.equal(['delete cart-7-12345 1'])
  })

  it('gives kubelet time to end the destination pod, then forces it', () => {
    expect(told(back({}).effects)).to.deep.equal(['delete cart-7-12345 1'])
    expect(told(back({ destinationPod: terminating(destination) }).effects)).to.deep.equal([])
    expect(told(back({ destinationPod: terminating(destination) }, {}, { afterMs: 61_000 }).effects)).to.deep.equal([
      'delete cart-7-12345 0',
    ])
  })

  it('keeps a failed destination for inspection when asked to, until the timeout', () => {
    const spec = { rollbackOnFailure: false }
    expect(told(back({}, {}, { spec }).effects)).to.deep.equal([])
    expect(told(back({}, {}, { spec, afterMs: 601_000 }).effects)).to.deep.equal(['delete cart-7-12345 0'])
  })

  it('takes the destination pod along that was made a second time, and no other', () => {
    const known = { destinationPodUID: 'first-uid' }
    expect(told(back({}, known).effects)).to.deep.equal(['delete cart-7-12345 1'])
    const foreign = { ...destination, metadata: { ...destination.metadata, labels: {} } }
    expect(told(back({ destinationPod: foreign }, known).effects).filter((effect) => effect.startsWith('delete'))).to.deep.equal([])
  })

  it('tells nobody to clean up where no node was chosen', () => {
    const observed = { source: 'absent', destination: record('destination', 'aborted'), destinationPod: undefined } as const
    expect(told(back(observed, { destinationNode: undefined }).effects)).to.deep.equal([])
  })

  it('leaves a pod alone that only had our name', () => {
    const { effects, status } = back({ destination: 'absent' }, { failure: { code: 'NameTaken', message: 'taken' } })
    expect(told(effects)).to.deep.equal([])
    expect(status.phase).to.equal('RolledBack')
  })

  it('goes forward again when the grant was out already', () => {
    const late = back({ source: record('source', 'granted') })
    expect(late.status).to.deep.include({ phase: 'DisengageHold', granted: true })
    expect(late.status).not.to.have.any.keys('failure', 'rollbackStartedAt')
  })
})

describe('RolledBack', () => {
  const over = (status: PodMigrationStatus = {}, destinationPod: V1Pod = destination) =>
    told(decideIn({ status: { phase: 'RolledBack', ...status }, observed: { destinationPod } }).effects)

  it('takes a destination pod back whose creation came late, and no pod that may live', () => {
    expect(over()).to.deep.equal(['event', 'removeFinalizer', 'delete cart-7-12345 1'])
    expect(over({}, terminating(destination))).to.deep.equal(['event', 'removeFinalizer'])
    expect(over({}, { ...destination, metadata: { ...destination.metadata, labels: {} } })).to.deep.equal(['event', 'removeFinalizer'])
    for (const status of [{ granted: true }, { committedAt: started }, { phase: 'Complete' }, { phase: 'Failed' }] as const)
      expect(over(status)).to.deep.equal(['event', 'removeFinalizer'])
  })
})

describe('a grant that came to nothing', () => {
  const back = { phase: 'RollingBack', granted: true, moveStartedAt: started, rollbackStartedAt: started } as const

  it('is not taken for one that is out while the source’s agent is away', () => {
    const { status } = decideIn({ status: back, observed: { source: 'unreachable', destination: 'absent' } })
    expect(status.phase).to.equal('RollingBack')
  })

  it('is not believed to have come to something when its destination, gone for good, comes back', () => {
    const follow = { phase: 'DisengageHold', granted: true, moveStartedAt: started } as const
    const gone = decideIn({
      status: follow,
      observed: { source: record('source', 'granted'), destination: 'unreachable', nodes: [makeNode('na', 1)] },
    })
    expect(told(gone.effects)).to.deep.equal(['resolve na'])
    expect(gone.status).to.have.nested.property('failure.code', 'DestinationGone')
    const back = record('destination', 'committed')
    // Whether or not it was heard that the source went on.
    expect(
      told(decideIn({ status: gone.status, observed: { source: record('source', 'granted'), destination: back } }).effects),
    ).to.deep.equal(['resolve na'])
    expect(decideIn({ status: gone.status, observed: { source: 'unreachable', destination: back } }).status).to.deep.include({
      phase: 'DisengageHold',
      failure: gone.status.failure,
    })
    const given = decideIn({ status: gone.status, observed: { source: record('source', 'aborted'), destination: back } })
    expect(given.status).to.have.nested.property('failure.code', 'DestinationGone')
    const rest = decideIn({
      status: given.status,
      observed: { source: record('source', 'finished'), destination: record('destination', 'live') },
    })
    expect([given.status.phase, told(rest.effects), rest.status.committedAt]).to.deep.equal([
      'RollingBack',
      ['delete cart-7-12345 1'],
      undefined,
    ])
  })

  it('came to something when that is on record, whatever a source says that was told so and has ended', () => {
    const status = { phase: 'DisengageHold', granted: true, moveStartedAt: started, committedAt: started } as const
    const { status: next } = decideIn({
      status,
      observed: { source: record('source', 'finished'), destination: record('destination', 'committed') },
    })
    expect(next.phase).to.equal('DisengageHold')
  })

  it('came to something when the source had heard of the commit before the destination was gone', () => {
    const status = {
      phase: 'DisengageHold',
      granted: true,
      moveStartedAt: started,
      failure: { code: 'DestinationGone', message: 'x' },
    } as const
    const { status: next } = decideIn({
      status,
      observed: { source: record('source', 'committed'), destination: record('destination', 'live') },
    })
    expect([next.phase, next.failure]).to.deep.equal(['TCPVerifying', undefined])
  })

  it('is given up when the source is gone for good and the destination says never', () => {
    const follow = { phase: 'DisengageHold', granted: true, moveStartedAt: started } as const
    const phaseWith = (destination: Observed['destination'], nodes: Observed['nodes']) =>
      decideIn({ status: follow, observed: { source: 'unreachable', destination, nodes } }).status.phase
    const [na, nb] = [makeNode('na', 1), makeNode('nb', 2)]
    for (const destination of ['absent', record('destination', 'aborted'), record('destination', 'finished')] as const) {
      expect(phaseWith(destination, [nb])).to.equal('RollingBack')
      expect(phaseWith(destination, [na, nb])).to.equal('DisengageHold')
    }
    expect(phaseWith('unreachable', [nb])).to.equal('DisengageHold')
    expect(phaseWith(record('destination', 'held'), [nb])).to.equal('DisengageHold')
  })

  it('is called by its reason: a destination that is there is not gone', () => {
    const failure = { code: 'NeverCommitted', message: 'x' }
    const status = { phase: 'DisengageHold', granted: true, moveStartedAt: started } as const
    const { status: next } = decideIn({ status, observed: { source: { ...record('source', 'aborted'), failure }, destination: 'absent' } })
    expect(next.failure?.code).to.equal('NeverCommitted')
  })

  it('is seen from the source’s end, too', () => {
    const follow = { phase: 'DisengageHold', granted: true, moveStartedAt: started } as const
    for (const state of ['aborted', 'finished'] as const) {
      const { status } = decideIn({ status: follow, observed: { source: record('source', state), destination: 'unreachable' } })
      expect(status.phase, state).to.equal('RollingBack')
    }
  })
})

describe('after the commit', () => {
  const committed = { committedAt: started, granted: true, moveStartedAt: started }
  const live = { source: record('source', 'committed'), destination: record('destination', 'live') }
  const verify = (observed: Partial<Observed>, change: Partial<Situation> = {}) =>
    decideIn({ status: { phase: 'ServiceVerifying', ...committed }, observed: { ...live, ...observed }, ...change }).status
  const applicationProbe = { protocol: 'TCP', port: 1, timeoutSeconds: 1, when: 'AfterCommit' } as const
  const verdict = (status: PodMigrationStatus) => status.conditions?.find(({ type }) => type === 'ServiceVerified')?.reason

  it('goes on when the destination’s node went away for good with the pod', () => {
    const gone = { source: record('source', 'committed'), destination: 'unreachable' } as const
    const follow = (nodes: Observed['nodes']) =>
      decideIn({ status: { phase: 'DisengageHold', ...committed, destinationNode: 'nb' }, observed: { ...gone, nodes } }).status
    expect(follow([makeNode('na', 1), makeNode('nb', 2)]).phase).to.equal('DisengageHold')
    expect(follow([makeNode('na', 1)])).to.deep.include({ phase: 'TCPVerifying', message: 'the pod lived on nb, which is gone for good' })
  })

  it('waits for readiness and for the application, and reports what never comes', () => {
    expect(verify({ destinationPod: unready(destination) }).phase).to.equal('ServiceVerifying')
    expect(verify({}, { spec: { applicationProbe } }).message).to.contain('has not answered yet')
    const failing = { probe: { ok: false, message: 'refused' } }
    expect(verify(failing, { spec: { applicationProbe } }).message).to.contain('refused')
    expect(verdict(verify(failing, { spec: { applicationProbe }, afterMs: 601_000 }))).to.equal('NotServing')
    expect(verdict(verify({ probe: { ok: true, message: 'ok' } }, { spec: { applicationProbe } }))).to.equal('Answers')
    expect(verdict(verify({ destinationPod: undefined }))).to.equal('DestinationDeleted')
  })

  const cutover = (observed: Partial<Observed>, change: Partial<Situation> = {}) =>
    decideIn({ status: { phase: 'CutoverComplete', ...committed, cutoverAt: started }, observed: { ...live, ...observed }, ...change })
  const labelled = {
    ...destination,
    metadata: { ...destination.metadata, labels: { ...destination.metadata?.labels, ...makePod().metadata?.labels } },
  }
  const bare = makePod({ metadata: { ownerReferences: undefined } })
  const sibling = unready(makePod({ metadata: { name: 'cart-8', uid: 's' } }))
  const ended = { ...live, source: record('source', 'finished') }

  const cases: [string, Partial<Observed>, string[], number?][] = [
    ['a ReplicaSet is shown which pod to keep', {}, ['patch cart-7', 'patch cart-7-12345']],
    ['it deletes the source itself', { destinationPod: labelled }, []],
    ['then the frozen source is ended', { destinationPod: labelled, sourcePod: terminating(makePod()) }, ['finish na']],
    ['a ReplicaSet that does not is helped', { destinationPod: labelled }, ['finish na', 'delete cart-7 1'], 11_000],
    ['an unready sibling gets time', { siblings: [sibling] }, []],
    ['then the source goes first', { siblings: [sibling] }, ['finish na', 'delete cart-7 1', 'patch cart-7-12345'], 11_000],
    ['a terminating sibling does not count', { siblings: [terminating(sibling)] }, ['patch cart-7', 'patch cart-7-12345']],
    [
      'an unready destination is not left to the ReplicaSet',
      { destinationPod: unready(destination) },
      ['finish na', 'delete cart-7 1', 'patch cart-7-12345'],
    ],
    ['a bare pod gets its labels first', { sourcePod: bare }, ['patch cart-7-12345']],
    ['then its source is deleted', { sourcePod: bare, destinationPod: labelled }, ['finish na', 'delete cart-7 1']],
    ['a lost destination does not keep the source', { destinationPod: undefined }, ['finish na', 'delete cart-7 1']],
    [
      'a kubelet that is away does not either',
      { ...ended, sourcePod: terminating(makePod()), destinationPod: labelled },
      ['delete cart-7 0'],
      61_000,
    ],
  ]
  for (const [name, observed, effects, afterMs = 0] of cases)
    it(name, () => expect(told(cutover(observed, { afterMs }).effects)).to.deep.equal(effects))

  it('hands a pod whose ReplicaSet is gone to the garbage collector, as its source would be', () => {
    const patch = cutover({ ownerExists: false }).effects.find((effect) => effect.kind === 'patchPod' && effect.pod.name === 'cart-7-12345')
    expect(patch).to.have.nested.property('patch.metadata.ownerReferences[0].uid', 'rs-uid')
    const normal = cutover({}).effects.find((effect) => effect.kind === 'patchPod' && effect.pod.name === 'cart-7-12345')
    expect(normal).not.to.have.nested.property('patch.metadata.ownerReferences')
  })

  describe('and a source that somebody deleted before the cutover', () => {
    const identity = { labels: { app: 'cart' }, ownerReferences: makePod().metadata?.ownerReferences }
    const said = { ...destination.metadata?.annotations, 'podmotion.io/source-identity': JSON.stringify(identity) }
    const received = { ...destination, metadata: { ...destination.metadata, annotations: said } }
    const adopted = { ...received, metadata: { ...received.metadata, labels: { ...received.metadata.labels, app: 'cart' } } }
    const gone = { ...ended, sourcePod: undefined }

    it('leaves its labels to the destination before the move is complete', () => {
      const decision = cutover({ ...gone, destinationPod: received })
      expect(decision.status.phase).to.equal('CutoverComplete')
      expect(decision.effects).to.deep.equal([
        {
          kind: 'patchPod',
          pod: { namespace: 'shop', name: received.metadata.name, uid: received.metadata.uid },
          patch: { metadata: { labels: { app: 'cart' } } },
        },
      ])
      expect(cutover({ ...gone, destinationPod: adopted }).status.phase).to.equal('Complete')
    })

    it('leaves them once', () => {
      expect(told(cutover({ ...live, sourcePod: undefined, destinationPod: adopted }).effects)).to.deep.equal(['finish na'])
      const unheard = cutover({ ...live, source: 'unreachable', sourcePod: undefined, destinationPod: adopted })
      expect(told(unheard.effects)).to.deep.equal([])
    })

    it('leaves its owner too when that is gone as well, so that the pod is collected', () => {
      const [patch] = cutover({ ...gone, destinationPod: received, ownerExists: false }).effects
      expect(patch).to.have.nested.property('patch.metadata.ownerReferences[0].uid', 'rs-uid')
    })

    it('waits a while for a destination that is not Ready, which its owner would delete first', () => {
      expect(cutover({ ...gone, destinationPod: unready(received) }).effects).to.deep.equal([])
      expect(told(cutover({ ...gone, destinationPod: unready(received) }, { afterMs: 10_000 }).effects)).to.deep.equal([
        `patch ${received.metadata.name}`,
      ])
    })
  })

  it('tells the destination that it is over, unless it knows, or is away', () => {
    const over = (destination: Observed['destination']) =>
      told(cutover({ ...ended, sourcePod: undefined, destinationPod: labelled, destination }).effects)
    expect(over(record('destination', 'live'))).to.deep.equal(['finish nb'])
    for (const destination of [record('destination', 'finished'), 'unreachable'] as const) expect(over(destination)).to.deep.equal([])
  })

  it('completes when the source has ended, on whatever node it was', () => {
    const gone = { sourcePod: undefined, destinationPod: labelled }
    expect(cutover({ ...gone, ...live }).status.phase).to.equal('CutoverComplete')
    expect(cutover({ ...gone, ...ended }).status.phase).to.equal('Complete')
    expect(cutover({ ...gone, source: 'unreachable' }).status.phase).to.equal('CutoverComplete')
    expect(cutover({ ...gone, source: 'unreachable', nodes: [] }).status.phase).to.equal('Complete')
    expect(cutover({ ...gone, source: 'unreachable' }, { afterMs: 301_000 }).status.phase).to.equal('Complete')
  })
})
