// What two agents' records become in the status: order, phases, numbers, conditions with real times.
import { expect } from 'chai'
import type { MoveStep } from '../../src/api/agent-wire.ts'
import type { PodMigrationStatus } from '../../src/api/pod-migration.ts'
import { isoTime } from '../../src/migrator/conditions.ts'
import type { AgentAnswer } from '../../src/migrator/observed.ts'
import { isCommitted, isGranted, mergeSteps, phaseOfTimeline, recordIntoStatus, tcpConditions } from '../../src/migrator/records.ts'
import { record, startMs, World } from './world.ts'

const at = (step: MoveStep, offsetMs: number, node = 'na') => ({ step, atMs: startMs + offsetMs, node })

function observe(source: AgentAnswer, destination: AgentAnswer = 'absent') {
  return { ...new World().observe(), source, destination }
}

describe('agents’ records', () => {
  it('merge by time, and a step that both tell is told once', () => {
    const source = record('source', 'frozen', { steps: [at('frozen', 30), at('held', 10, 'nb')] })
    const destination = record('destination', 'holding', { steps: [at('held', 10, 'nb'), at('armed', 5, 'nb')] })
    expect(mergeSteps(source, destination).map(({ step }) => step)).to.deep.equal(['armed', 'held', 'frozen'])
  })

  const phaseCases: [MoveStep[], string][] = [
    [[], 'ZeroWindowArm'],
    [['presync'], 'ZeroWindowArm'],
    [['armed', 'held'], 'OverlayHandoff'],
    [['diverted'], 'FinalFreeze'],
    [['frozen', 'locked'], 'StateCapture'],
    [['dumped'], 'Transferring'],
    [['transferred'], 'Restoring'],
    [['restored', 'verified'], 'RestoreSocketReattach'],
    [['granted'], 'DisengageHold'],
    [['committed', 'socketsLive', 'released'], 'DisengageHold'],
    [['resumed'], 'TCPVerifying'],
  ]
  for (const [steps, phase] of phaseCases) {
    it(`after ${steps.join(', ') || 'nothing'} the move is in ${phase}`, () => {
      expect(phaseOfTimeline(steps.map((step) => ({ step, at: '' })))).to.equal(phase)
    })
  }

  it('know a grant and a commit from either side, and never forget them', () => {
    expect(isGranted({}, observe(record('source', 'frozen')))).to.equal(false)
    expect(isGranted({}, observe(record('source', 'granted')))).to.equal(true)
    expect(isGranted({ granted: true }, observe('unreachable'))).to.equal(true)
    expect(isCommitted({}, observe(record('source', 'granted')))).to.equal(false)
    expect(isCommitted({}, observe('unreachable', record('destination', 'live')))).to.equal(true)
    expect(isCommitted({}, observe(record('source', 'finished', { steps: [at('committed', 1)] })))).to.equal(true)
    expect(isCommitted({ committedAt: isoTime(startMs) }, observe('absent'))).to.equal(true)
  })

  it('tell how much of the memory is still at the source, once the pod lives without it', () => {
    const source = record('source', 'committed', { steps: [at('frozen', 1)], stayedMB: 200 })
    const postCopy = (destination: AgentAnswer, status: PodMigrationStatus = {}, from: AgentAnswer = source) =>
      recordIntoStatus(status, observe(from, destination)).postCopy
    const steps = [at('committed', 2, 'nb')]
    expect(postCopy(record('destination', 'committed', { steps }))).to.deep.equal({ stayedMB: 200, atSourceMB: 200 })
    expect(postCopy(record('destination', 'committed', { steps, atSourceMB: 50 }))).to.deep.equal({ stayedMB: 200, atSourceMB: 50 })
    expect(postCopy(record('destination', 'live', { steps })), 'nobody counted').to.deep.equal({ stayedMB: 200, atSourceMB: 0 })
    const known = { postCopy: { stayedMB: 200, atSourceMB: 50 }, committedAt: isoTime(startMs) }
    const lost = record('destination', 'live', { steps, atSourceMB: 40 })
    expect(postCopy(lost, known, 'unreachable')).to.deep.equal({ stayedMB: 200, atSourceMB: 40 })
    const back = record('source', 'aborted', { steps: [at('frozen', 1)], stayedMB: 200 })
    expect(postCopy('absent', {}, back), 'it has gone back').to.equal(undefined)
    expect(postCopy(record('destination', 'live', { steps }), {}, record('source', 'committed')), 'another mode').to.equal(undefined)
  })

  it('give the status its real times, numbers and lengths of the steps inside the freeze', () => {
    const steps = [at('frozen', 100), at('dumped', 160.46), at('restored', 220, 'nb'), at('committed', 230, 'nb'), at('resumed', 240, 'nb')]
    const destination = record('destination', 'live', { steps, freezeMs: 140.04, bytesMoved: 7 })
    const status = recordIntoStatus({}, observe(record('source', 'committed', { steps: [at('sourceEnded', 900)] }), destination))
    expect(status.committedAt).to.equal(isoTime(startMs + 230))
    expect(status.granted).to.equal(true)
    expect(status.bytesMoved).to.equal(7)
    expect(status.freeze).to.deep.equal({
      freezeMs: 140,
      steps: [
        { name: 'dumped', ms: 60.5 },
        { name: 'restored', ms: 59.5 },
        { name: 'committed', ms: 10 },
        { name: 'resumed', ms: 10 },
      ],
    })
    const resumed = status.conditions?.find(({ type }) => type === 'ProcessResumedAfterSocketsLive')
    expect(resumed).to.include({ status: 'True', lastTransitionTime: isoTime(startMs + 240) })
  })

  it('do not make the story shorter when an agent forgets', () => {
    const before = recordIntoStatus({}, observe(record('source', 'frozen', { steps: [at('frozen', 1)] })))
    const after = recordIntoStatus(before, observe('absent', record('destination', 'held', { steps: [at('restored', 9, 'nb')] })))
    expect(after.timeline?.map(({ step }) => step)).to.deep.equal(['frozen', 'restored'])
  })

  const verdict = (status: PodMigrationStatus) => tcpConditions(status, startMs).conditions?.map(({ type, status: is }) => `${type} ${is}`)
  it('make parity and continuity conditions from the numbers, none without', () => {
    expect(verdict({})).to.equal(undefined)
    expect(verdict({ connections: { source: 3, destination: 3, lost: 0 }, sequenceDelta: 0 })).to.deep.equal([
      'ConnectionCountParity True',
      'TCPSequenceContinuityVerified True',
    ])
    expect(verdict({ connections: { source: 3, destination: 2, lost: 1 }, sequenceDelta: 9 })).to.deep.equal([
      'ConnectionCountParity False',
      'TCPSequenceContinuityVerified False',
    ])
  })
})
