// A path of a pod's own making must not lead out of its folder, nor into a device.
import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { createBeneath, openBeneath } from '../../../src/agent/storage/beneath.ts'

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

  it('makes a file where nothing is, for nobody else', () => {
    closeSync(createBeneath(path.join(folder, 'root'), 'sub/made'))
    const { mode, size } = statSync(path.join(folder, 'root/sub/made'))
    expect([mode & 0o777, size]).to.deep.equal([0o600, 0])
  })

  const taken = {
    'up/made': 'ENOTDIR',
    'inner/made': 'ENOTDIR',
    link: 'EEXIST',
    pipe: 'EEXIST',
    'sub/file': 'EEXIST',
    'none/made': 'ENOENT',
  }
  for (const [name, reason] of Object.entries({ ...refused, ...taken })) {
    it(`does not make "${name}": ${reason}`, () => expect(() => createBeneath(path.join(folder, 'root'), name)).to.throw(reason))
  }
})
