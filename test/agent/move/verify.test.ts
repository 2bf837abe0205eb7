// Parity and continuity: what counts as the same connection, and how far apart two sequence numbers are.
import { expect } from 'chai'
import { compareSockets } from '../../../src/agent/move/verify.ts'
import type { SocketNumbers } from '../../../src/agent/peer/wire.ts'

const socket = (remote: string | null, sndSeq?: number, rcvSeq?: number): SocketNumbers => ({
  local: '10.244.1.5:5432',
  remote,
  state: 'ESTABLISHED',
  ...(sndSeq === undefined ? {} : { sndSeq }),
  ...(rcvSeq === undefined ? {} : { rcvSeq }),
})

describe('comparing sockets', () => {
  it('finds nothing to say when all are there', () => {
    const sockets = [socket('10.1.1.1:1', 5, 6), socket('10.1.1.1:2', 7, 8), socket(null)]
    expect(compareSockets(sockets, [...sockets].reverse())).to.deep.equal({
      connections: { source: 2, destination: 2, lost: 0 },
      sequenceDelta: 0,
      differences: [],
    })
  })

  it('misses a lost connection', () => {
    const { connections, differences } = compareSockets([socket('10.1.1.1:1', 5, 6)], [socket('10.1.1.1:2', 5, 6)])
    expect(connections).to.deep.equal({ source: 1, destination: 1, lost: 1 })
    expect(differences).to.deep.equal(['10.244.1.5:5432 - 10.1.1.1:1 does not exist on the destination'])
  })

  it('adds up what is off, both ways, around the end of the numbers', () => {
    const { sequenceDelta, differences } = compareSockets([socket('10.1.1.1:1', 2 ** 32 - 3, 100)], [socket('10.1.1.1:1', 2, 90)])
    expect(sequenceDelta).to.equal(15)
    expect(differences[0]).to.include('is 15 bytes off')
  })

  it('does not take an unreadable number for an equal one', () => {
    expect(compareSockets([socket('10.1.1.1:1', 5, 6)], [socket('10.1.1.1:1')]).connections.lost).to.equal(1)
  })
})
