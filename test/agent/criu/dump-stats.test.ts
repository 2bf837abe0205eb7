// How long criu says that it kept a container stopped.
import { expect } from 'chai'
import { pauseMs } from '../../../src/agent/criu/dump-stats.ts'

/** As criu writes it: magics, length, stats_entry { dump { freezing_time 1500, frozen_time 70000, pages_scanned 300 } }. */
const dump = [0x08, 0xdc, 0x0b, 0x10, 0xf0, 0xa2, 0x04, 0x28, 0xac, 0x02]
const message = [0x0a, dump.length, ...dump]
const file = Buffer.from([0x40, 0x59, 0x10, 0x55, 0x06, 0x33, 0x09, 0x57, message.length, 0, 0, 0, ...message])

describe('stats of a dump', () => {
  it('say how long it took to freeze, and how long it stayed frozen', () => expect(pauseMs(file)).to.equal(71.5))

  it('are not read out of anything else', () => {
    expect(pauseMs(Buffer.alloc(0))).to.equal(undefined)
    expect(pauseMs(Buffer.alloc(64, 1))).to.equal(undefined)
    expect(pauseMs(file.subarray(0, 12))).to.equal(undefined)
  })

  it('may be cut off', () => {
    for (let length = 0; length < file.length; length++) expect(() => pauseMs(file.subarray(0, length))).not.to.throw()
  })
})
