// Network records on disk: listed with their age, so that forgotten ones of a home node can go.
import { mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { NetworkRecords } from '../../../src/agent/network/records.ts'

describe('network records', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'podmotion-records-'))
  after(() => rmSync(folder, { recursive: true }))

  it('are listed all, or those that are older', async () => {
    const records = new NetworkRecords(folder)
    await records.write({ uid: 'old', addresses: [{ ip: '10.244.1.5', previousRoute: null }], role: 'home' })
    await records.write({ uid: 'new', addresses: [{ ip: '10.244.1.6', previousRoute: null }], role: 'home' })
    const hourAgo = Date.now() / 1000 - 3600
    utimesSync(path.join(folder, 'network', 'old.json'), hourAgo, hourAgo)
    expect((await records.list()).map(({ uid }) => uid)).to.have.members(['old', 'new'])
    expect((await records.list(600_000)).map(({ uid }) => uid)).to.deep.equal(['old'])
  })

  it('go with what was left of writing them', async () => {
    const records = new NetworkRecords(folder)
    writeFileSync(path.join(folder, 'network', 'torn.json.new'), '{"uid"')
    await records.remove('torn')
    expect(readdirSync(path.join(folder, 'network'))).to.not.include('torn.json.new')
  })

  it('that do not fit on the disk leave nothing of themselves', async () => {
    const records = new NetworkRecords(folder)
    // As for a full disk: opened, and not to be written.
    symlinkSync('/dev/full', path.join(folder, 'network', 'full.json.new'))
    const failed = await records
      .write({ uid: 'full', addresses: [{ ip: '10.244.1.7', previousRoute: null }], role: 'home' })
      .catch((error: Error) => error)
    expect(failed).to.have.property('code', 'ENOSPC')
    expect(readdirSync(path.join(folder, 'network')).filter((name) => name.startsWith('full'))).to.deep.equal([])
  })
})
