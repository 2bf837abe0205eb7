// Whether memory goes ahead slowly.
import { expect } from 'chai'
import { paceMbps, readPressure } from '../../../src/agent/move/pace.ts'

const full = 'full avg10=99.00 avg60=0.00 avg300=0.00 total=0\n'
const cases: [string, string, number][] = [
  ['a node at work', `some avg10=64.20 avg60=41.67 avg300=31.22 total=8012152020\n${full}`, 60],
  ['just at work', `some avg10=30.00 avg60=0.00 avg300=0.00 total=1\n${full}`, 60],
  ['a node with processors to spare', `some avg10=29.99 avg60=80.00 avg300=80.00 total=1\n${full}`, 0],
  ['a kernel that keeps no account', '', 0],
]

describe('the pace of memory ahead of the freeze', () => {
  for (const [what, pressure, expected] of cases)
    it(`${what}: ${expected === 0 ? 'none' : `${expected} Mbps`}`, () => expect(paceMbps(pressure, 60)).to.equal(expected))

  it('is none where an administrator says so', () => {
    expect(paceMbps('some avg10=99.00', 0)).to.equal(0)
  })

  it('reads what the kernel writes, if it does', () => {
    expect(readPressure()).to.match(/^(some avg10=\d+\.\d+ .*)?/)
  })
})
