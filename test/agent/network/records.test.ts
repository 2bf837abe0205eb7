// Network records on disk: listed with their age, so that forgotten ones of a home node can go.
import { mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { NetworkRecords } from '../../../src/agent/network/records.ts'

describe('network records', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'podmotion-records-'))
  const config = { stateDir: path.join(folder, 'state'), runDir: path.join(folder, 'run') }
  after(() => rmSync(folder, { recursive: true }))

  it('are listed all, or those of a home that are young', async () => {
    const records = new NetworkRecords(config)
    await records.write({ uid: 'old', addresses: [{ ip: '10.244.1.5', previousRoute: null }], role: 'home' })
    await records.write({ uid: 'new', addresses: [{ ip: '10.244.1.6', previousRoute: null }], role: 'home' })
    await records.write({ uid: 'own', addresses: [{ ip: '10.244.1.7', previousRoute: null }], role: 'source' })
    const hourAgo = Date.now() / 1000 - 3600
    utimesSync(path.join(folder, 'run/network/old.json'), hourAgo, hourAgo)
    expect((await records.list()).map(({ uid }) => uid)).to.have.members(['old', 'new', 'own'])
    expect((await records.youngHomes()).map(({ uid }) => uid)).to.deep.equal(['new'])
  })

  it('of a home are gone when the node has booted, as what they speak of is', async () => {
    const records = new NetworkRecords(config)
    rmSync(config.runDir, { recursive: true })
    expect((await records.list()).map(({ uid }) => uid)).to.deep.equal(['own'])
    expect(await records.read('new')).to.equal(undefined)
  })

  it('go with what was left of writing them', async () => {
    const records = new NetworkRecords(config)
    writeFileSync(path.join(folder, 'state/network/torn.json.new'), '{"uid"')
    await records.remove('torn')
    expect(readdirSync(path.join(folder, 'state/network'))).to.not.include('torn.json.new')
  })

  it('that do not fit on the disk leave nothing of themselves', async () => {
    const records = new NetworkRecords(config)
    // As for a full disk: opened, and not to be written.
    symlinkSync('/dev/full', path.join(folder, 'state/network/full.json.new'))
    const failed = await records
      .write({ uid: 'full', addresses: [{ ip: '10.244.1.7', previousRoute: null }], role: 'source' })
      .catch((error: Error) => error)
    expect(failed).to.have.property('code', 'ENOSPC')
    expect(readdirSync(path.join(folder, 'state/network')).filter((name) => name.startsWith('full'))).to.deep.equal([])
  })
})
