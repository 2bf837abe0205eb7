// What kube-scheduler is answered: who passes, why not, and scores; tables, and properties over any cluster.
import { expect } from 'chai'
import fc from 'fast-check'
import { filterNames, prioritizeNames } from '../../src/extender/answer.ts'
import { type ClusterIndex, type ClusterView, indexOf } from '../../src/extender/cluster-index.ts'
import { capacity, migration, node, nowMs, pod, reserving } from './cluster.ts'

function cluster(overrides: Partial<ClusterView> = {}): ClusterIndex {
  return indexOf({ nodes: [node('a'), node('b')], pods: [], capacities: [capacity('a'), capacity('b')], migrations: [], ...overrides })
}

const ordinary = (cpu: string) => pod('shop/web', { cpu, runtimeClassName: undefined, phase: 'Pending' })
const destinationOf = (key: string) => pod('shop/cart-m', { cpu: '3', annotations: { 'podmotion.io/migration-name': key } })

describe('filter', () => {
  it('lets ordinary pods go anywhere while nothing is reserved, also to nodes without an agent', () => {
    expect(filterNames(cluster({ capacities: [] }), ordinary('100'), ['a', 'b', 'unknown']).passed).to.deep.equal(['a', 'b', 'unknown'])
  })

  it('keeps ordinary pods off reserved room, and says so', () => {
    const answer = filterNames(cluster({ migrations: [reserving('shop/m', 'cart', 'b', 3000)] }), ordinary('1500m'), ['a', 'b'])
    expect(answer.passed).to.deep.equal(['a'])
    expect(answer.failed.b).to.equal(
      'room is reserved for a live migration: cpu: the pod requests 1500m, 1000m are free after reservations',
    )
  })

  it('lets them have the room beside a reservation', () => {
    const answer = filterNames(cluster({ migrations: [reserving('shop/m', 'cart', 'b', 3000)] }), ordinary('1'), ['a', 'b'])
    expect(answer.passed).to.deep.equal(['a', 'b'])
  })

  it('leaves nodes that are full without any reservation to kube-scheduler', () => {
    const index = cluster({ migrations: [reserving('shop/m', 'cart', 'a', 10)], pods: [pod('shop/big', { on: 'b', cpu: '4' })] })
    expect(filterNames(index, ordinary('1'), ['b']).passed).to.deep.equal(['b'])
  })

  it('lets a destination pod have its own reservation, on that node only', () => {
    const index = cluster({ migrations: [reserving('shop/m', 'cart', 'b', 4000)] })
    const answer = filterNames(index, destinationOf('shop/m'), ['a', 'b'])
    expect(answer.passed).to.deep.equal(['b'])
    expect(answer.unresolvable.a).to.equal('PodMigration shop/m keeps its room on node b')
  })

  it('does not let a destination pod of an ended move start', () => {
    const index = cluster({ migrations: [migration('shop/m', 'cart', { status: { phase: 'RolledBack' } })] })
    expect(filterNames(index, destinationOf('shop/m'), ['a', 'b'])).to.deep.include({ passed: [] })
  })

  it('leaves a destination pod whose move is not known yet to its node affinity', () => {
    expect(filterNames(cluster(), destinationOf('shop/m'), ['b']).passed).to.deep.equal(['b'])
  })

  it('keeps pods of our RuntimeClass off nodes that cannot take part, and says why', () => {
    const index = cluster({
      capacities: [capacity('b', { eligible: false, reasons: [{ code: 'OldKernel', message: 'kernel 4.4 is too old' }] })],
    })
    expect(filterNames(index, pod('shop/cart'), ['a', 'b'])).to.deep.equal({
      passed: [],
      failed: {},
      unresolvable: {
        a: 'pods of RuntimeClass podmotion cannot be moved here: no agent has reported what the node can do',
        b: 'pods of RuntimeClass podmotion cannot be moved here: kernel 4.4 is too old',
      },
    })
  })
})

describe('prioritize', () => {
  it('has no opinion on ordinary pods', () => {
    expect(prioritizeNames(cluster(), ordinary('1'), ['a', 'b'], nowMs)).to.deep.equal([
      { Host: 'a', Score: 0 },
      { Host: 'b', Score: 0 },
    ])
  })

  it('prefers the emptier node for ours', () => {
    const index = cluster({ pods: [pod('shop/big', { on: 'a', cpu: '3', memory: '6Gi' })] })
    const [a, b] = prioritizeNames(index, pod('shop/cart', { cpu: '500m' }), ['a', 'b'], nowMs)
    expect(b?.Score).to.be.greaterThan(a?.Score ?? 10)
  })

  it('gives nodes that it does not know 0', () => {
    expect(prioritizeNames(cluster(), pod('shop/cart'), ['gone'], nowMs)).to.deep.equal([{ Host: 'gone', Score: 0 }])
  })
})

describe('the index', () => {
  it('reads lists of names as JSON.parse does, in any order, again and again', () => {
    const known = ['a', 'b', 'node-1.example', 'node-1', 'd']
    const index = indexOf({ nodes: known.map((name) => node(name)), pods: [], capacities: [], migrations: [] })
    const name = fc.oneof(fc.constantFrom(...known, 'unknown'), fc.string())
    fc.assert(
      fc.property(fc.array(name, { minLength: 1 }), (names) => {
        const json = JSON.stringify(names)
        const read = index.named.read(Buffer.from(json))
        if (json.includes('\\')) expect(read ?? names).to.deep.equal(names)
        else expect(read).to.deep.equal(names)
        if (read) expect(index.named.of(read)).to.deep.equal(names.map((one) => index.node(one)))
      }),
    )
  })

  it('reads nothing that is no list of plain names', () => {
    const index = indexOf({ nodes: [node('a')], pods: [], capacities: [], migrations: [] })
    for (const json of ['', '[', '[]', '["a"', '["a",]', '["a" ]', '["a"]x', '[1]', '["a",1]', '["a","b'])
      expect(index.named.read(Buffer.from(json)), json).to.equal(undefined)
  })
})

describe('for any cluster', () => {
  const names = ['n0', 'n1', 'n2', 'n3']
  const amount = fc.integer({ min: 0, max: 5000 })
  const clusters = fc.record({
    cpu: fc.array(amount, { minLength: 4, maxLength: 4 }),
    used: fc.array(amount, { minLength: 4, maxLength: 4 }),
    moves: fc.array(fc.record({ to: fc.constantFrom(...names), cpu: amount, landed: fc.boolean() }), { maxLength: 6 }),
  })
  type Shape = typeof clusters extends fc.Arbitrary<infer T> ? T : never
  const build = ({ cpu, used, moves }: Shape) =>
    indexOf({
      nodes: names.map((name, position) => node(name, { cpu: `${cpu[position]}m` })),
      pods: [
        ...names.map((name, position) => pod(`shop/p${position}`, { on: name, cpu: `${used[position]}m` })),
        ...moves.flatMap((move, number) =>
          move.landed
            ? [
                pod(`shop/d${number}`, {
                  on: move.to,
                  cpu: `${move.cpu}m`,
                  annotations: { 'podmotion.io/migration-name': `shop/m${number}` },
                }),
              ]
            : [],
        ),
      ],
      capacities: names.map((name) => capacity(name)),
      migrations: moves.map((move, number) => reserving(`shop/m${number}`, `s${number}`, move.to, move.cpu)),
    })

  it('filter lets no reservation be broken, and splits exactly the given names', () => {
    fc.assert(
      fc.property(clusters, amount, fc.subarray([...names, 'unknown']), fc.boolean(), (shape, cpu, given, ours) => {
        const asked = pod('shop/new', { cpu: `${cpu}m`, ...(ours ? {} : { runtimeClassName: undefined }) })
        const { passed, failed, unresolvable } = filterNames(build(shape), asked, given)
        expect([...passed, ...Object.keys(failed), ...Object.keys(unresolvable)].sort()).to.deep.equal([...given].sort())
        for (const name of passed) {
          const waiting = shape.moves.filter((move) => move.to === name && !move.landed)
          if (waiting.length === 0) continue
          const position = names.indexOf(name)
          const landed = shape.moves.filter((move) => move.to === name && move.landed)
          const taken = [...waiting, ...landed].reduce((sum, move) => sum + move.cpu, shape.used[position] ?? 0)
          expect(cpu === 0 || taken + cpu <= (shape.cpu[position] ?? 0), `${name} was let pass`).to.equal(true)
        }
      }),
    )
  })

  it('prioritize gives each given name one integer from 0 to 10', () => {
    fc.assert(
      fc.property(clusters, amount, fc.subarray([...names, 'unknown']), (shape, cpu, given) => {
        const priorities = prioritizeNames(build(shape), pod('shop/new', { cpu: `${cpu}m` }), given, nowMs)
        expect(priorities.map(({ Host }) => Host)).to.deep.equal(given)
        for (const { Score } of priorities) expect(Number.isInteger(Score) && Score >= 0 && Score <= 10, `score ${Score}`).to.equal(true)
      }),
    )
  })

  it('the index is the same whether built at once or change by change', () => {
    fc.assert(
      fc.property(clusters, clusters, (before, after) => {
        const grown = build(before)
        const fresh = build(after)
        for (const facts of grown.nodes) {
          for (const counted of facts.pods.values()) grown.deletePod(`${counted.pod.metadata?.namespace}/${counted.pod.metadata?.name}`)
          grown.deleteNode(facts.name)
        }
        for (const number of before.moves.keys()) grown.moves.delete(`shop/m${number}`)
        for (const facts of fresh.nodes) {
          if (facts.node) grown.setNode(facts.node)
          for (const counted of facts.pods.values()) grown.setPod(counted.pod)
        }
        for (const [number, move] of after.moves.entries()) grown.moves.set(reserving(`shop/m${number}`, `s${number}`, move.to, move.cpu))
        const asked = pod('shop/new', { cpu: '700m' })
        expect(filterNames(grown, asked, names)).to.deep.equal(filterNames(fresh, asked, names))
        expect(prioritizeNames(grown, asked, names, nowMs)).to.deep.equal(prioritizeNames(fresh, asked, names, nowMs))
        expect(grown.moves.hasReservations).to.equal(fresh.moves.hasReservations)
      }),
    )
  })
})
