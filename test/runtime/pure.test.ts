// The small pure things: how long to back off, what an error says.
import { expect } from 'chai'
import fc from 'fast-check'
import { backoffMs } from '../../src/runtime/backoff.ts'
import { CodedError, messageOf } from '../../src/runtime/errors.ts'

const backoff = { baseMs: 100, maxMs: 5000 }

describe('backoff', () => {
  it('doubles up to its cap', () => {
    const nearlyOne = 1 - Number.EPSILON
    expect([1, 2, 3, 7, 100].map((failures) => Math.round(backoffMs(failures, backoff, nearlyOne)))).to.deep.equal([
      100, 200, 400, 5000, 5000,
    ])
  })

  it('is between half and all, whatever the failures and the dice say', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(fc.nat(), random, (failures, dice) => {
        const ms = backoffMs(failures, backoff, dice)
        const fullMs = Math.min(100 * 2 ** Math.max(Math.min(failures, 31) - 1, 0), 5000)
        return ms >= fullMs / 2 && ms <= fullMs
      }),
    )
  })
})

describe('errors', () => {
  it('carry a code, and are final unless they say otherwise', () => {
    expect(new CodedError('A', 'b')).to.include({ code: 'A', message: 'b', retryable: false })
    expect(new CodedError('A', 'b', { retryable: true }).retryable).to.equal(true)
  })

  it('say their causes once', () => {
    const cause = new Error('connection refused')
    expect(messageOf(new Error('Asking the agent', { cause }))).to.equal('Asking the agent: connection refused')
    expect(messageOf(new Error('Asking the agent (connection refused)', { cause }))).to.equal('Asking the agent (connection refused)')
    expect(messageOf('text')).to.equal('text')
  })

  it('of connections without a message say their code', () => {
    expect(messageOf(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }))).to.equal('ECONNREFUSED')
  })
})
