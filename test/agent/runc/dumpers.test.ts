// criu as runc starts it, and under the name that it takes when it begins: here a Node that calls itself so.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { dumpersOf } from '../../../src/agent/runc/dumpers.ts'

const program = 'fs.openSync(process.argv[1] + "/x", "w"); console.log(); setTimeout(() => {}, 60000)'

describe('a criu that works on images', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'podmotion-images-'))
  after(() => rmSync(folder, { recursive: true }))

  for (const [title, rest] of [
    ['criu', ['swrk', '3']],
    ['criu: dump --rpc -t 17 -D 6', []],
  ] as const)
    it(`is found as ${[title, ...rest].join(' ')}`, async () => {
      const child = spawn(process.execPath, ['-e', program, folder, ...rest], { argv0: title })
      await once(child.stdout, 'data')
      expect(dumpersOf(folder)).to.deep.equal([child.pid])
      expect(dumpersOf(`${folder}-another`)).to.deep.equal([])
      child.kill('SIGKILL')
      await once(child, 'exit')
      expect(dumpersOf(folder)).to.deep.equal([])
    })
})
