// Durations, label selectors as text, and what else policies write as words.
import { expect } from 'chai'
import { durationMs } from '../../../src/descheduler/stock/duration.ts'
import { matchesQuery, parseLabelQuery } from '../../../src/descheduler/stock/label-query.ts'

describe('durations as Go writes them', () => {
  const cases: [string, number | undefined][] = [
    ['90s', 90_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['0', 0],
    ['100ms', 100],
    ['-1m', -60_000],
    ['2d', undefined],
    ['1 hour', undefined],
    ['5', undefined],
    ['', undefined],
  ]
  for (const [text, expected] of cases)
    it(`"${text}" is ${expected} ms`, () => {
      expect(durationMs(text)).to.equal(expected)
    })
})

describe('label selectors as text', () => {
  const labels = { pool: 'a', disk: 'ssd', size: '3', 'example.com/x': 'y' }
  const cases: [string, boolean | string][] = [
    ['', true],
    ['pool=a', true],
    ['pool==a,disk!=hdd', true],
    ['pool = b', false],
    ['disk in (ssd, nvme)', true],
    ['disk notin (ssd,nvme)', false],
    ['gone notin (x)', true],
    ['pool', true],
    ['!pool', false],
    ['!gone,example.com/x=y', true],
    ['size>2,size<4', true],
    ['size>3', false],
    ['pool=a,,disk', ''],
    ['a b', 'a b'],
    ['size>big', 'size>big'],
    ['disk in ssd', 'disk in ssd'],
  ]
  for (const [text, expected] of cases)
    it(`"${text}": ${typeof expected === 'string' ? 'is wrong' : expected}`, () => {
      const query = parseLabelQuery(text)
      expect('wrong' in query ? query.wrong : matchesQuery(query, labels)).to.equal(expected)
    })
})
