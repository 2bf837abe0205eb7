// The agent's own nice through the states of its moves. Raising it again needs root, which the tests have.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { getPriority, setPriority } from 'node:os'
import { expect } from 'chai'
import type { AgentConfig } from '../../src/agent/config.ts'
import type { Moves } from '../../src/agent/moves.ts'
import {
  copyAhead,
  isWaitedFor,
  keepAlike,
  putBeforeCopies,
  putFirst,
  putForemost,
  review,
  takePriority,
} from '../../src/agent/priority.ts'
import type { MoveState } from '../../src/api/agent-wire.ts'

function movesIn(...states: MoveState[]): Moves {
  return {
    list: () => states.map((state, index) => ({ uid: String(index), role: 'source', settled: false, state, steps: [] })),
  } as unknown as Moves
}

describe('the priority on the processor', () => {
  const before = getPriority()
  beforeEach(() => takePriority({ cgroupDir: '/nonexistent' } as AgentConfig))
  after(() => setPriority(before))

  it('is an ordinary one, and the last while memory of pods that run is copied', async () => {
    expect(getPriority(), 'nothing is known of the moves yet').to.equal(-15)
    const moves = movesIn('moving')
    review(moves)
    expect(getPriority()).to.equal(0)
    await copyAhead(moves, async () => {
      await copyAhead(moves, async () => expect(getPriority()).to.equal(10))
      expect(getPriority(), 'another copy has not ended').to.equal(10)
    })
    expect(getPriority()).to.equal(0)
  })

  it('is an ordinary one again when a copy fails', async () => {
    const copying = copyAhead(movesIn(), async () => await Promise.reject(new Error('broken')))
    await copying.catch(() => undefined)
    expect(getPriority()).to.equal(0)
  })

  it('comes first as long as any pod waits', async () => {
    await copyAhead(movesIn('moving'), async () => {
      review(movesIn('moving', 'holding'))
      expect(getPriority(), 'held').to.equal(-15)
      review(movesIn('moving', 'live'))
      expect(getPriority(), 'released').to.equal(10)
      await copyAhead(movesIn('moving', 'frozen'), async () => expect(getPriority(), 'frozen').to.equal(-15))
    })
  })

  it('comes first until the pod runs again', () => {
    const resumed = [{ uid: '0', role: 'destination', settled: false, state: 'committed', steps: [{ step: 'resumed' }] }]
    review(movesIn('committed'))
    expect(getPriority()).to.equal(-15)
    review({ list: () => resumed } as unknown as Moves)
    expect(getPriority()).to.equal(0)
  })

  it('starts programs that come first, whenever it starts them', async () => {
    await copyAhead(movesIn(), async () => {
      const child = spawn('sleep', ['60'])
      expect(getPriority(child.pid)).to.equal(10)
      putBeforeCopies(child.pid)
      expect(getPriority(child.pid)).to.equal(0)
      putFirst(child.pid)
      expect(getPriority(child.pid)).to.equal(-15)
      putForemost(child.pid)
      expect(getPriority(child.pid), 'the dump').to.equal(-20)
      child.kill()
    })
    putFirst(undefined)
  })

  it('is that of the programs that copy, whatever it comes to while they run', async () => {
    const child = spawn('sleep', ['60'])
    keepAlike(child)
    review(movesIn('holding'))
    expect(getPriority(child.pid), 'a pod waits').to.equal(-15)
    await copyAhead(movesIn(), async () => expect(getPriority(child.pid), 'ahead').to.equal(10))
    expect(getPriority(child.pid)).to.equal(0)
    child.kill()
    await once(child, 'exit')
    review(movesIn('holding'))
  })

  it('counts those that a pod waits in, but not the one that asks', () => {
    expect(isWaitedFor(movesIn('holding'), '0')).to.equal(false)
    expect(isWaitedFor(movesIn('holding', 'granted'), '0')).to.equal(true)
    expect(isWaitedFor(movesIn('awaiting', 'standing', 'live'))).to.equal(false)
    expect(isWaitedFor(movesIn('moving', 'aborted')), 'to be thawed').to.equal(true)
  })
})
