// Network records on disk: listed with their age, so that forgotten ones of a home node can go.
import { mkdtempSync, rmSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { NetworkRecords } from '../../../src/agent/network/records.ts'

describe('network records', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'podmotion-records-'))
  after(() => rmSync(folder, { recursive: true }))

  it('are listed all, or those that are older', async () => {
    const records = new NetworkRecords(folder)
    await records.write({ uid: 'old', ip: '10.244.1.5', role: 'home' })
    await records.write({ uid: 'new', ip: '10.244.1.6', role: 'home' })
    const hourAgo = Date.now() / 1000 - 3600
    utimesSync(path.join(folder, 'network', 'old.json'), hourAgo, hourAgo)
    expect((await records.list()).map(({ uid }) => uid)).to.have.members(['old', 'new'])
    expect((await records.list(600_000)).map(({ uid }) => uid)).to.deep.equal(['old'])
  })
})
