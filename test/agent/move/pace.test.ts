// Whether memory goes ahead slowly.
import { expect } from 'chai'
import { paceMbps, parseTicks, readTicks, type Ticks } from '../../../src/agent/move/pace.ts'

const cases: [string, Ticks | undefined, Ticks | undefined, number][] = [
  ['a node at work', { idle: 100, all: 1000 }, { idle: 110, all: 1200 }, 60],
  ['a node with processors to spare', { idle: 100, all: 1000 }, { idle: 200, all: 1200 }, 0],
  ['just enough to spare', { idle: 0, all: 0 }, { idle: 30, all: 100 }, 0],
  ['a node that cannot be measured', undefined, { idle: 1, all: 2 }, 0],
  ['no tick between', { idle: 1, all: 2 }, { idle: 1, all: 2 }, 0],
]

describe('the pace of memory ahead of the freeze', () => {
  for (const [what, before, now, expected] of cases)
    it(`${what}: ${expected === 0 ? 'none' : `${expected} Mbps`}`, () => expect(paceMbps(before, now, 60)).to.equal(expected))

  it('is none where an administrator says so', () => {
    expect(paceMbps({ idle: 0, all: 0 }, { idle: 0, all: 100 }, 0)).to.equal(0)
  })

  it('counts waiting for a disk as idle, and guests once', () => {
    expect(parseTicks('cpu  10 20 30 400 50 6 7 8 9 10\ncpu0 1 2 3')).to.deep.equal({ idle: 450, all: 531 })
    expect(parseTicks('intr 1')).to.equal(undefined)
  })

  it('reads the kernel', () => {
    expect(readTicks()?.all).to.be.greaterThan(0)
  })
})
