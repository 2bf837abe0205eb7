// What counts as a function and how long it is.
import { expect } from 'chai'
import { measure, median } from '../../scripts/check-functions.ts'

describe('function lengths', () => {
  it('counts declarations, methods and constants, with the lambdas inside them', () => {
    const source = [
      'export function outer(list: number[]): number[] {',
      '  return list.map((item) => {',
      '    return item + 1',
      '  })',
      '}',
      'const short = (a: number) => a',
      'class Thing {',
      '  #hidden = 1',
      '  method(): void {',
      '    this.#hidden++',
      '  }',
      '}',
    ].join('\n')
    expect(measure('a.ts', source)).to.deep.equal([
      { name: 'outer', place: 'a.ts:1', lines: 5 },
      { name: 'short', place: 'a.ts:6', lines: 1 },
      { name: 'method', place: 'a.ts:9', lines: 3 },
    ])
  })

  it('takes the middle one', () => {
    expect([median([9, 1, 5]), median([4, 3, 2, 1]), median([])]).to.deep.equal([5, 2, 0])
  })
})
