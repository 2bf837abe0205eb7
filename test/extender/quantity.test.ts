// Quantities as the API server writes them, and the unit that the scheduler counts in.
import { expect } from 'chai'
import { parseAmount, parseQuantity } from '../../src/extender/quantity.ts'

describe('quantity', () => {
  const cases: [string, string, number][] = [
    ['cpu', '1', 1000],
    ['cpu', '100m', 100],
    ['cpu', '0.1', 100],
    ['cpu', '2.5', 2500],
    ['cpu', '1u', 1],
    ['memory', '128974848', 128974848],
    ['memory', '129e6', 129e6],
    ['memory', '1E3', 1000],
    ['memory', '129M', 129e6],
    ['memory', '1Gi', 2 ** 30],
    ['memory', '1.5Ki', 1536],
    ['memory', '2E', 2e18],
    ['memory', '400m', 1],
    ['pods', '110', 110],
    ['nvidia.com/gpu', '2', 2],
  ]
  for (const [resource, text, expected] of cases)
    it(`${resource} ${text} is ${expected}`, () => {
      expect(parseAmount(resource, text)).to.equal(expected)
    })

  it('is 0 for what is no quantity', () => {
    expect(['', 'many', '1Zi', undefined].map(parseQuantity)).to.deep.equal([0, 0, 0, 0])
  })
})
