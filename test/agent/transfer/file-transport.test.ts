// A program's unix socket to the peer: carried both ways, and cut off when the move is over.
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Duplex, duplexPair } from 'node:stream'
import { expect } from 'chai'
import { FileTransport } from '../../../src/agent/transfer/file-transport.ts'

describe('a program that reaches the destination through a socket', () => {
  let folder: string
  let transport: FileTransport
  let peer: Duplex
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'podmotion-transport-'))
    const [ours, theirs] = duplexPair()
    peer = theirs
    transport = await FileTransport.listen(path.join(folder, 'x.sock'), async () => ours)
  })
  afterEach(async () => {
    transport.close()
    await rm(folder, { recursive: true, force: true })
  })

  async function connected(): Promise<net.Socket> {
    const program = net.connect(transport.socketPath)
    program.on('error', () => undefined)
    program.write('question')
    const [question] = await once(peer, 'data')
    expect(String(question)).to.equal('question')
    return program
  }

  it('is answered by the peer', async () => {
    const program = await connected()
    peer.write('answer')
    const [answer] = await once(program, 'data')
    expect(String(answer)).to.equal('answer')
  })

  it('waits no longer for a peer that says nothing when the move is given up', async () => {
    const program = await connected()
    const closed = once(program, 'close', { signal: AbortSignal.timeout(1000) })
    transport.close()
    await closed
  })
})
