// The parts of a score: what each looks at, and that the integer is the same with and without them.
import { expect } from 'chai'
import { type ClusterIndex, type ClusterView, indexOf } from '../../src/extender/cluster-index.ts'
import { askingFor } from '../../src/extender/fit.ts'
import { scoreNode, scoreOf } from '../../src/extender/score.ts'
import { capacity, node, nowMs, pod, reserving } from './cluster.ts'

function cluster(view: Partial<ClusterView> = {}): ClusterIndex {
  return indexOf({ nodes: [node('a'), node('b')], pods: [], capacities: [capacity('a'), capacity('b')], migrations: [], ...view })
}

function partsOf(index: ClusterIndex, nodeName: string, asked = pod('shop/cart', { cpu: '1', memory: '2Gi' }), sourceNodeName?: string) {
  const asking = askingFor(asked, index, { sourceNodeName, nowMs })
  const facts = index.node(nodeName)
  if (!facts) throw new Error(`no node ${nodeName}`)
  const { score, parts } = scoreNode(asking, facts, index)
  expect(scoreOf(asking, facts, index)).to.equal(score)
  return parts
}

describe('parts of a score', () => {
  it('usage is what is really free after the move, and requests where nothing is measured', () => {
    const index = cluster({ pods: [pod('shop/big', { on: 'a', cpu: '3' })] })
    expect(partsOf(index, 'a')).to.deep.include({ room: 0, usage: 0 })
    index.setUsage(new Map([['a', { cpu: 500, memory: 0 }]]), new Map())
    expect(partsOf(index, 'a')).to.deep.include({ room: 0, usage: 6.25 })
    expect(partsOf(index, 'b').usage).to.equal(7.5)
    index.setUsage(new Map([['a', { cpu: 500, memory: 0 }]]), new Map([['shop/cart', { cpu: 100, memory: 2 ** 30 }]]))
    expect(partsOf(index, 'a').usage).to.equal(8.5)
    index.setUsage(new Map(), new Map())
    expect(partsOf(index, 'a').usage).to.equal(0)
  })

  it('usage counts what is on its way to the node', () => {
    const index = cluster({ migrations: [reserving('shop/m', 'other', 'a', 2000)] })
    index.setUsage(new Map([['a', { cpu: 0, memory: 0 }]]), new Map())
    expect(partsOf(index, 'a').usage).to.equal(2.5)
  })

  it('a move costs more the more memory there is to copy', () => {
    const small = pod('shop/cart', { on: 'a', memory: '128Mi', image: 'app:1' })
    const large = pod('shop/cart', { on: 'a', memory: '7Gi', image: 'app:1' })
    const nodes = [node('a'), node('b', { images: ['app:1'] })]
    const of = (asked: typeof small) => partsOf(cluster({ nodes, pods: [asked] }), 'b', asked, 'a').moveCost ?? 0
    expect(of(small)).to.be.closeTo(9.8, 0.1)
    expect(of(large)).to.be.closeTo(6.6, 0.1)
    expect(partsOf(cluster({ nodes }), 'b', small).moveCost).to.equal(10)
  })

  it('compatibility is the part of the nodes to which the pod could go on', () => {
    const capacities = [capacity('a', { kernel: '6.12.1' }), capacity('b', { kernel: '5.10.1' })]
    const index = cluster({ capacities })
    expect(partsOf(index, 'a').compatibility).to.equal(5)
    expect(partsOf(index, 'b').compatibility).to.equal(10)
    index.setCapacity(capacity('b', { kernel: '6.13.1' }))
    expect(partsOf(index, 'a').compatibility).to.equal(10)
    index.setCapacity(capacity('b', { kernel: '6.13.1', eligible: false }))
    expect(partsOf(index, 'b').compatibility).to.equal(10)
    index.deleteCapacity('a')
    index.setCapacity(capacity('b', { kernel: '5.4.0' }))
    expect(partsOf(index, 'b').compatibility).to.equal(10)
  })
})

describe('reservations', () => {
  it('are the migrations themselves: whoever leads next keeps the same room', () => {
    const view = {
      migrations: [reserving('shop/m', 'cart', 'b', 3000, 2 ** 31)],
      pods: [pod('shop/cart', { on: 'a', cpu: '3', memory: '2Gi' })],
    }
    const other = { podKey: 'shop/web' }
    const [one, next] = [cluster(view), cluster(view)]
    expect(next.moves.reserved('b', other))
      .to.deep.equal(one.moves.reserved('b', other))
      .and.deep.equal({ cpu: 3000, memory: 2 ** 31, pods: 1 })
    // The source has its room as long as it is there: both nodes keep it.
    expect(one.node('a')?.requested).to.deep.include({ cpu: 3000, memory: 2 ** 31 })
  })

  it('end with every ending of a migration, and with the migration itself', () => {
    const index = cluster()
    for (const phase of ['Complete', 'RolledBack', 'Failed', 'DryRunComplete'] as const) {
      const open = reserving('shop/m', 'cart', 'b', 3000)
      index.moves.set(open)
      expect(index.node('b')?.reservations.size).to.equal(1)
      expect(index.moves.isLeaving('shop/cart')).to.equal(true)
      index.moves.set({ ...open, status: { ...open.status, phase } })
      expect(index.node('b')?.reservations.size, phase).to.equal(0)
      expect(index.moves.isLeaving('shop/cart'), phase).to.equal(false)
    }
    index.moves.set(reserving('shop/m', 'cart', 'b', 3000))
    index.moves.delete('shop/m')
    expect(index.moves.hasReservations).to.equal(false)
  })
})
