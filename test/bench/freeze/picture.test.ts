// The picture of a run's freezes.
import { expect } from 'chai'
import { picture } from '../../../bench/freeze/picture.ts'

describe('the picture of freezes', () => {
  const steps = [
    { step: 'held', atMs: 1000 },
    { step: 'dumped', atMs: 1060 },
    { step: 'restored', atMs: 1100 },
  ]

  it('draws each step as long as it took, on one scale', () => {
    const half = steps.map(({ step, atMs }) => ({ step, atMs: 1000 + (atMs - 1000) / 2 }))
    const text = picture([
      { label: '1 ours', steps: half },
      { label: '1 plain', steps },
    ])
    const widths = [...text.matchAll(/width="([\d.]+)" height="14"/g)].map(([, width]) => Number(width))
    expect(widths).to.deep.equal([270, 180, 540, 360])
    expect(text).to.include('<title>dumped 60 ms</title>').and.include('>50 ms<').and.include('>100 ms<')
  })

  it('is a picture also of nothing', () => expect(picture([])).to.match(/^<svg [^]*<\/svg>\n$/))

  it('keeps text out of the markup', () => expect(picture([{ label: '<a&b', steps }])).to.include('&lt;a&amp;b'))
})
