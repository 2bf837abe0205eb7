// A path of a pod's own making must not lead out of its folder, nor into a device.
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { openBeneath } from '../../../src/agent/storage/beneath.ts'

describe('opening below a folder', () => {
  let folder: string
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'beneath-'))
    mkdirSync(path.join(folder, 'root/sub'), { recursive: true })
    writeFileSync(path.join(folder, 'root/sub/file'), 'inside')
    writeFileSync(path.join(folder, 'secret'), 'outside')
    execFileSync('sh', [
      '-ec',
      'cd "$1/root"; ln -s .. up; ln -s ../secret link; ln -s sub inner; mkfifo pipe; echo 2 > two; ln two too; printf x > "$(printf \'\\377\')"',
      'sh',
      folder,
    ])
  })
  after(() => rmSync(folder, { recursive: true }))
  const open = (name: string): number => {
    const { fd, bytes } = openBeneath(path.join(folder, 'root'), name, constants.O_RDONLY)
    closeSync(fd)
    return bytes
  }

  it('finds plain files, by bytes', () => expect([open('sub/file'), open('\u00ff')]).to.deep.equal([6, 1]))

  const refused = { '../secret': 'no plain path', '/sub/file': 'no plain path', 'sub//file': 'no plain path', '': 'no plain path' }
  const links = { 'up/secret': 'ENOTDIR', 'inner/file': 'ENOTDIR', link: 'no plain file', pipe: 'no plain file', sub: 'no plain file' }
  for (const [name, reason] of Object.entries({ ...refused, ...links, two: 'has 2 names', none: 'ENOENT' })) {
    it(`refuses "${name}": ${reason}`, () => expect(() => open(name)).to.throw(reason))
  }
})
