// A dump that an earlier life of the agent left waiting is called off by its socket.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { abandonHeldDump } from '../../../src/agent/runc/checkpoint.ts'

describe('a held dump that is abandoned', () => {
  const work = mkdtempSync(path.join(tmpdir(), 'podmotion-dump-'))
  after(() => rmSync(work, { recursive: true }))

  it('is told to abort', async () => {
    const server = createServer().listen(path.join(work, 'hold.sock'))
    const heard = new Promise((resolve) => server.once('connection', (socket) => socket.once('data', (data) => resolve(String(data)))))
    await abandonHeldDump({ work })
    expect(await heard).to.equal('abort\n')
    server.close()
  })

  it('may have ended already', async () => {
    await abandonHeldDump({ work: path.join(work, 'nothing-here') })
  })
})
