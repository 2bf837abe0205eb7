// Steps of a move as the freeze benchmark reads and shows them.
import { expect } from 'chai'
import { between, breakdown, readNotes, trackedSpan } from '../../../bench/freeze/timeline.ts'

const steps = [
  { step: 'armed', atMs: 900 },
  { step: 'held', atMs: 1000 },
  { step: 'synced', atMs: 1250 },
  { step: 'dumped', atMs: 1200 },
  { step: 'resumed', atMs: 1300 },
  { step: 'sourceEnded', atMs: 2000 },
]

describe('bench/freeze timeline', () => {
  it('measures from one step to another', () => expect(between(steps, 'held', 'resumed')).to.equal(300))
  it('measures nothing when a step is missing', () => expect(between(steps, 'held', 'restored')).to.equal(undefined))

  it('shows what each step inside took, in the order of time', () =>
    expect(breakdown(steps, 'held', 'resumed')).to.equal('dumped 200 · synced 50 · resumed 50'))

  it('knows from when on the memory was tracked, with a last round after the files or without', () => {
    const withFiles = [...steps, { step: 'presync', atMs: 800 }]
    expect(trackedSpan(withFiles, [300, 100, 50])).to.deep.equal({ fromMs: 400, untilMs: 1000 })
    expect(trackedSpan(withFiles, [300, 250])).to.deep.equal({ fromMs: 250, untilMs: 1000 })
    expect(trackedSpan(withFiles, [])).to.equal(undefined)
  })

  it('reads the notes of a script', () =>
    expect(readNotes('noise\nheld 1790000000.250000\ndumped 1790000000.500000\n')).to.deep.equal({
      steps: [
        { step: 'held', atMs: 1790000000250 },
        { step: 'dumped', atMs: 1790000000500 },
      ],
      failure: undefined,
    }))

  it('reads why a script gave up', () => expect(readNotes('held 1.5\nfailed tar\nback 2.5').failure).to.equal('tar'))
})
