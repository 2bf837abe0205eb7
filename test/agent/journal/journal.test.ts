// The journal: what was appended comes back, a torn end is cut, a damaged middle is refused.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import { DiskFiles } from '../../../src/agent/journal/disk-files.ts'
import { Journal } from '../../../src/agent/journal/journal.ts'
import { decodeLines, encodeLine } from '../../../src/agent/journal/line.ts'
import type { JournalRecord } from '../../../src/agent/protocol/move.ts'
import { sourceOpened, uid } from '../samples.ts'

const frozen: JournalRecord = { type: 'state', atMs: 5, state: 'frozen' }
const granted: JournalRecord = { type: 'state', atMs: 6, state: 'granted' }

describe('the journal', () => {
  let folder = ''
  const file = (): string => path.join(folder, `${uid}.jsonl`)
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'journal-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  function written(...records: JournalRecord[]): void {
    const journal = new Journal(new DiskFiles(folder))
    journal.append(uid, records, true)
    journal.close()
  }

  it('brings a move back as it was', () => {
    written(sourceOpened, frozen, { type: 'step', atMs: 7, step: 'dumped', node: 'node-1' })
    const move = new Journal(new DiskFiles(folder)).load().get(uid)
    expect(move?.state).to.equal('frozen')
    expect(move?.steps).to.deep.equal([{ step: 'dumped', atMs: 7, node: 'node-1' }])
  })

  it('cuts any torn end off and goes on behind it', () => {
    const whole = encodeLine(sourceOpened) + encodeLine(frozen)
    const last = encodeLine(granted)
    for (const length of [1, 10, last.length - 2, last.length - 1]) {
      writeFileSync(file(), whole + last.slice(0, length))
      const journal = new Journal(new DiskFiles(folder))
      expect(journal.load().get(uid)?.state, `${length} bytes`).to.equal('frozen')
      journal.append(uid, [granted], true)
      journal.close()
      expect(readFileSync(file(), 'utf8')).to.equal(whole + last)
    }
  })

  it('refuses a damaged record that others follow', () => {
    written(sourceOpened, frozen, granted)
    const text = readFileSync(file(), 'utf8').replace('frozen', 'thawed')
    writeFileSync(file(), text)
    expect(() => new Journal(new DiskFiles(folder)).load()).to.throw('line 2 is damaged')
  })

  it('refuses the journal of a newer agent', () => {
    writeFileSync(file(), encodeLine(sourceOpened).replace(/^1/, '2'))
    expect(() => new Journal(new DiskFiles(folder)).load()).to.throw('version 2')
  })

  it('forgets', () => {
    written(sourceOpened)
    const journal = new Journal(new DiskFiles(folder))
    journal.forget(uid)
    expect(journal.load().size).to.equal(0)
  })

  it('drops a file whose first record was never whole', () => {
    appendFileSync(file(), '1 00')
    expect(new Journal(new DiskFiles(folder)).load().size).to.equal(0)
  })

  it('reads back what it wrote, whatever the text', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (warnings) => {
        const records = warnings.map((warning, index): JournalRecord => ({ type: 'warning', atMs: index, warning }))
        expect(decodeLines(records.map(encodeLine).join('')).records).to.deep.equal(records)
      }),
    )
  })

  it('stops a loop of ours before it fills the disk', () => {
    const journal = new Journal(new DiskFiles(folder))
    journal.append(uid, [sourceOpened, ...Array.from({ length: 1999 }, () => frozen)], false)
    expect(() => journal.append(uid, [granted], true)).to.throw('it has 2000 records')
    journal.close()
    // What is there counts after a restart, too.
    const next = new Journal(new DiskFiles(folder))
    next.load()
    expect(() => next.append(uid, [granted], true)).to.throw('it has 2000 records')
  })

  it('keeps space aside, gives it back once, and fills it up again', () => {
    const files = new DiskFiles(folder)
    const kept = () => (existsSync(path.join(folder, 'reserve')) ? statSync(path.join(folder, 'reserve')).size : 0)
    expect(files.useReserve()).to.equal(false)
    written(sourceOpened)
    expect(kept()).to.equal(512 * 1024)
    expect(files.useReserve()).to.equal(true)
    expect(kept()).to.equal(0)
    writeFileSync(path.join(folder, 'reserve'), 'half of it')
    expect(files.reserve()).to.equal(true)
    expect(kept()).to.equal(512 * 1024)
  })

  it('takes back what the disk took only half of', () => {
    written(sourceOpened)
    const files = new DiskFiles(folder)
    const journal = new Journal(files)
    journal.load()
    const append = files.append.bind(files)
    files.append = (name, text) => append(name, text.slice(0, 5))
    files.useReserve = () => false
    expect(() => journal.append(uid, [frozen], true)).to.throw('the disk took 5 of')
    expect(readFileSync(file(), 'utf8')).to.equal(encodeLine(sourceOpened))
  })
})
