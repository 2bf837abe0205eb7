// The file by which the OCI wrapper knows that new pods may leave their bridge.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { readConfig } from '../../../src/agent/config.ts'
import { allowBirths, endBirths } from '../../../src/agent/install/births.ts'

describe('births beside the bridge', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'podmotion-births-'))
  const file = path.join(folder, 'attach-at-birth')
  const configured = (more: Record<string, string> = {}) =>
    readConfig({ NODE_NAME: 'a', NODE_IP: '172.30.0.1', RUN_DIR: folder, ATTACH_AT_BIRTH: 'true', ...more })
  after(() => rmSync(folder, { recursive: true }))

  it('are allowed until uninstall', async () => {
    await allowBirths(configured())
    expect(existsSync(file)).to.equal(true)
    await endBirths(configured())
    expect(existsSync(file)).to.equal(false)
    await endBirths(configured())
  })

  it('are not where the chart says so, also when they were', async () => {
    await allowBirths(configured())
    await allowBirths(configured({ ATTACH_AT_BIRTH: 'false' }))
    expect(existsSync(file)).to.equal(false)
    expect(() => configured({ ATTACH_AT_BIRTH: 'no' })).to.throw('ATTACH_AT_BIRTH is "no"')
  })
})
