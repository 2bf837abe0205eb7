// Waiting for a store until nothing is missing: a line server stands in for podmotion-pages.
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { expect } from 'chai'
import { storeLocal } from '../../../src/agent/memory/store.ts'

describe('waiting for the memory of a restored container', () => {
  let folder: string
  let server: net.Server
  let isKilled: boolean
  let said: string[]
  beforeEach(() => {
    isKilled = false
    said = []
    folder = mkdtempSync(`${tmpdir()}/store-`)
  })
  afterEach(() => {
    server.close()
    rmSync(folder, { recursive: true })
  })

  /** Answers each `status` in turn, and `wait` at once with the last of them, or local. */
  async function storeThatSays(...answers: object[]): Promise<void> {
    const last = { ...answers.at(-1), ...(isFetching(answers.at(-1)) ? { state: 'local' } : {}) }
    server = net.createServer((socket) => {
      socket.on('data', (data) => {
        said.push(data.toString().trim())
        if (said.at(-1) === 'lost') return
        const next = data.toString().startsWith('status') ? answers.shift() : last
        socket.end(`${JSON.stringify(next)}\n`)
        if (answers.length === 0 && isKilled) server.close()
      })
    })
    await new Promise<void>((resolve) => server.listen(`${folder}/pages.sock`, resolve))
  }

  const isFetching = (answer: object | undefined): boolean => (answer as { state?: string } | undefined)?.state === 'serving'
  const fetching = (sourceBytesLeft: number): object => ({ state: 'serving', sourceBytesLeft, reason: '' })

  async function waited(lost = new AbortController().signal): Promise<{
    left: number[]
    state: string | undefined
    reason: string | undefined
    sourceBytesLeft: number | undefined
  }> {
    const left: number[] = []
    const status = await storeLocal(folder, { onLeft: (bytes) => left.push(bytes), lost })
    return { left, state: status?.state, reason: status?.reason, sourceBytesLeft: status?.sourceBytesLeft }
  }

  it('tells how much is at the source until nothing is', async () => {
    await storeThatSays(fetching(8192), fetching(4096), fetching(0))
    expect(await waited()).to.deep.equal({ left: [8192, 4096, 0], state: 'local', reason: '', sourceBytesLeft: 0 })
  })

  it('tells why the rest can never come', async () => {
    await storeThatSays(fetching(8192), { state: 'failed', sourceBytesLeft: 4096, reason: 'nothing for 180 s' })
    expect(await waited()).to.deep.equal({ left: [8192], state: 'failed', reason: 'nothing for 180 s', sourceBytesLeft: 4096 })
  })

  it('tells a store whose source is lost, and hears why it ends', async () => {
    await storeThatSays(fetching(8192), fetching(8192), { state: 'failed', sourceBytesLeft: 8192, reason: 'no sign of life' })
    const { reason, state } = await waited(AbortSignal.abort())
    expect([state, reason]).to.deep.equal(['failed', 'no sign of life'])
    expect(said).to.deep.equal(['status', 'lost', 'status', 'lost', 'status'])
  })

  it('takes a store that ends meanwhile for one that failed', async () => {
    isKilled = true
    await storeThatSays(fetching(8192))
    expect(await waited()).to.deep.equal({ left: [8192], state: 'failed', reason: 'its store has ended', sourceBytesLeft: 8192 })
  })

  it('asks a store without such pages once, as ever', async () => {
    await storeThatSays({ state: 'local', reason: '' })
    expect((await waited()).state).to.equal('local')
  })
})
