import { expect } from 'chai'
import type { PodMigration, PodMigrationStatus } from '../../src/api/pod-migration.ts'
import { waitsForFreeze, waitsForOutbound } from '../../src/migrator/turn.ts'

function move(name: string, status: PodMigrationStatus): PodMigration {
  return { apiVersion: 'podmotion.io/v1alpha1', kind: 'PodMigration', metadata: { name }, spec: {} as PodMigration['spec'], status }
}

const preparing = move('one', { phase: 'DestinationPrewarm', startedAt: 't', sourceNode: 'a', destinationNode: 'b' })
const crossing = move('two', { phase: 'StateCapture', startedAt: 't', moveStartedAt: 't', sourceNode: 'a', destinationNode: 'c' })
const committed = move('three', {
  phase: 'TCPVerifying',
  startedAt: 't',
  moveStartedAt: 't',
  committedAt: 't',
  sourceNode: 'a',
  destinationNode: 'b',
})
const ended = move('four', { phase: 'RolledBack', startedAt: 't', moveStartedAt: 't', sourceNode: 'a', destinationNode: 'b' })

describe('whose turn it is', () => {
  it('begins while fewer than two others leave the node', () => {
    expect(waitsForOutbound('a', [preparing, committed, ended])).to.equal(undefined)
    expect(waitsForOutbound('b', [preparing, crossing])).to.equal(undefined)
  })

  it('waits while two others do, and names them', () => {
    expect(waitsForOutbound('a', [preparing, crossing])).to.equal('waits: 2 pods are leaving a already (one, two)')
  })

  it('freezes while nobody else crosses one of its nodes', () => {
    expect(waitsForFreeze(['a', 'b'], [preparing, committed, ended])).to.equal(undefined)
    expect(waitsForFreeze(['d', 'e'], [crossing])).to.equal(undefined)
  })

  it('waits for one that crosses from or to one of them', () => {
    expect(waitsForFreeze(['a', 'b'], [crossing])).to.match(/two is crossing/)
    expect(waitsForFreeze(['c', 'd'], [crossing])).to.match(/two is crossing/)
  })
})
