// What the agent does when a record cannot be written: it stops where the record is needed, and goes on where it is not.
import { expect } from 'chai'
import { Journal, type JournalFiles } from '../../src/agent/journal/journal.ts'
import { decodeLines } from '../../src/agent/journal/line.ts'
import { Moves } from '../../src/agent/moves.ts'
import { CodedError } from '../../src/runtime/errors.ts'
import { destinationOpened, sourceOpened, uid } from './samples.ts'

/** A disk that takes `takes` more bytes, and a reserve. */
class SmallDisk implements JournalFiles {
  text = ''
  syncs = 0
  takes = Number.POSITIVE_INFINITY
  reserved = true
  cannotCut = false

  names = () => (this.text === '' ? [] : [`${uid}.jsonl`, 'reserve'])
  read = () => this.text
  cut = (_name: string, bytes: number) => {
    if (this.cannotCut) throw new Error('read-only file system')
    this.text = this.text.slice(0, bytes)
  }
  append = (_name: string, text: string) => {
    const fits = Math.min(text.length, this.takes)
    if (fits === 0) throw new Error('no space left on device')
    this.takes -= fits
    this.text += text.slice(0, fits)
    return fits
  }
  sync = () => void this.syncs++
  remove = () => {
    this.text = ''
  }
  reserve = () => this.reserved
  useReserve = () => {
    if (this.reserved) this.takes += 100_000
    const had = this.reserved
    this.reserved = false
    return had
  }
  close = () => undefined
}

const records = (disk: SmallDisk) => decodeLines(disk.text).records

describe('moves on a disk that is full', () => {
  let disk: SmallDisk
  let moves: Moves
  beforeEach(() => {
    disk = new SmallDisk()
    moves = new Moves(new Journal(disk), 'node-1', () => 5)
  })
  const fill = (reserved = false, takes = 0) => Object.assign(disk, { reserved, takes })

  it('are not opened without space for their end', () => {
    disk.reserved = false
    expect(() => moves.open(uid, sourceOpened))
      .to.throw(CodedError, 'free space')
      .with.property('code', 'JournalNotWritten')
    expect(moves.get(uid)).to.equal(undefined)
  })

  it('use what was kept aside, and leave no half record', () => {
    moves.open(uid, sourceOpened)
    fill(true, 10)
    moves.decideSource(uid, { type: 'proceed', to: 'moving' })
    expect(records(disk)).to.have.length(2)
    expect(moves.source(uid).state).to.equal('moving')
  })

  it('do not freeze, grant or commit without the record', () => {
    moves.open(uid, sourceOpened)
    moves.decideSource(uid, { type: 'proceed', to: 'moving' })
    const before = disk.text
    fill(false, 10)
    expect(() => moves.decideSource(uid, { type: 'freeze' })).to.throw('the disk took 10 of')
    expect(moves.source(uid).state).to.equal('moving')
    expect(disk.text).to.equal(before)
  })

  it('of a destination do not say never without the record', () => {
    moves.open(uid, destinationOpened)
    fill()
    expect(() => moves.decideDestination(uid, { type: 'outcomeAsked' })).to.throw('no space left')
    expect(moves.destination(uid).state).to.equal('awaiting')
  })

  it('thaw all the same, and are told as they are', () => {
    moves.open(uid, sourceOpened)
    moves.decideSource(uid, { type: 'proceed', to: 'moving' })
    moves.decideSource(uid, { type: 'freeze' })
    fill()
    expect(moves.decideSource(uid, { type: 'abort', reason: 'test' })).to.deep.equal(['rollBack'])
    moves.step(uid, 'thawed')
    moves.facts(uid, { bytesMoved: 7 })
    moves.warn(uid, 'careful')
    moves.warn(uid, 'careful')
    expect(moves.source(uid)).to.deep.include({ state: 'aborted', facts: { bytesMoved: 7 }, warnings: ['careful'] })
    // Undone twice it might thaw what another move has frozen.
    expect(() => moves.settled(uid)).to.throw('no space left')
    expect(moves.openUids()).to.deep.equal([uid])
    fill(false, 10_000)
    moves.settled(uid)
    expect(moves.openUids()).to.deep.equal([])
  })

  it('stay undone when they are finished, record or not', () => {
    moves.open(uid, sourceOpened)
    moves.decideSource(uid, { type: 'abort', reason: 'test' })
    expect(moves.decideSource(uid, { type: 'finish', outcome: 'aborted' })).to.deep.equal(['rollBack'])
    expect(moves.openUids()).to.deep.equal([uid])
    moves.forget(uid)
    moves.open(uid, sourceOpened)
    moves.decideSource(uid, { type: 'abort', reason: 'test' })
    moves.settled(uid)
    fill()
    expect(moves.decideSource(uid, { type: 'finish', outcome: 'aborted' })).to.deep.equal(['cleanUp'])
    expect(moves.source(uid)).to.deep.include({ state: 'finished', settled: true })
    expect(moves.openUids()).to.deep.equal([])
  })

  it('are settled for good although the record that they were finished was lost', () => {
    moves.open(uid, sourceOpened)
    moves.decideSource(uid, { type: 'abort', reason: 'test' })
    fill()
    moves.decideSource(uid, { type: 'finish', outcome: 'aborted' })
    fill(false, 10_000)
    moves.settled(uid)
    const again = new Moves(new Journal(disk), 'node-1')
    expect(again.source(uid)).to.deep.include({ state: 'finished', settled: true })
    // Undone once more it would take the marker away that keeps kubelet from a second copy.
    expect(again.decideSource(uid, { type: 'restarted' })).to.deep.equal([])
  })

  it('of which the source has left may be settled without a record', () => {
    moves.open(uid, sourceOpened)
    moves.decideSource(uid, { type: 'proceed', to: 'moving' })
    moves.decideSource(uid, { type: 'freeze' })
    moves.decideSource(uid, { type: 'verified', frozenAtMs: 1, budgetMs: 100 })
    fill()
    moves.decideSource(uid, { type: 'finish', outcome: 'committed' })
    moves.settled(uid)
    expect(moves.source(uid)).to.deep.include({ state: 'finished', settled: true, committed: true })
  })

  it('tell the reason even when the half record cannot be cut off', () => {
    moves.open(uid, sourceOpened)
    Object.assign(fill(false, 10), { cannotCut: true })
    expect(() => moves.decideSource(uid, { type: 'freeze' })).to.throw('is preparing')
    moves.decideSource(uid, { type: 'proceed', to: 'moving' })
    expect(() => moves.decideSource(uid, { type: 'freeze' })).to.throw('no space left')
  })

  it('are known, found by their role, and forgotten', () => {
    moves.open(uid, sourceOpened)
    expect(() => moves.open(uid, sourceOpened)).to.throw('knows it already')
    expect(() => moves.destination(uid)).to.throw('does not await it')
    expect(() => moves.source('other')).to.throw('not its source')
    moves.step(uid, 'armed', 3, 'node-2')
    moves.step(uid, 'armed', 4, 'node-2')
    expect(moves.list().flatMap(({ steps }) => steps)).to.deep.equal([{ step: 'armed', atMs: 3, node: 'node-2' }])
    moves.forget(uid)
    expect(moves.list()).to.deep.equal([])
    expect(disk.text).to.equal('')
  })

  it('write at once what a restart needs, and the rest when the disk likes', () => {
    moves.open(uid, destinationOpened)
    moves.decideDestination(uid, { type: 'standing' })
    expect(disk.syncs).to.equal(1)
    moves.decideDestination(uid, { type: 'hold' })
    expect(disk.syncs).to.equal(2)
  })
})
