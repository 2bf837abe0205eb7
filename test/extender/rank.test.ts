// Where a pod may go and where best: each reason alone, all reasons together, and the order of those that fit.
import { expect } from 'chai'
import fc from 'fast-check'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { type RankView, rankDestinations } from '../../src/extender/rank.ts'
import { at, capacity, migration, node, nowMs, pod, reserving } from './cluster.ts'

const source = node('a')
const gib = 2 ** 30

function view(overrides: Partial<RankView> = {}): RankView {
  return { nodes: [source, node('b')], pods: [], capacities: [capacity('a'), capacity('b')], migrations: [], nowMs, ...overrides }
}

function reasonsOn(nodeName: string, moved: ReturnType<typeof pod>, overrides: Partial<RankView> = {}): string[] {
  const ranked = rankDestinations(moved, view(overrides)).find((candidate) => candidate.nodeName === nodeName)
  expect(ranked, `${nodeName} is ranked`).to.not.equal(undefined)
  expect(ranked?.fits).to.equal(ranked?.reasons.length === 0)
  return ranked?.reasons.map(({ code }) => code) ?? []
}

const cart = pod('shop/cart', { on: 'a', cpu: '1', memory: '1Gi', labels: { app: 'cart' } })
const required = (matchExpressions: { key: string; operator: string; values?: string[] }[]) => ({
  affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } } },
})
const apart = (labels: Record<string, string>) => ({
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } }],
    },
  },
})
const together = (labels: Record<string, string>) => ({
  affinity: {
    podAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } }],
    },
  },
})

describe('fit of a destination', () => {
  const cases: [string, Partial<RankView>, ReturnType<typeof pod>, string[]][] = [
    ['an ordinary node fits', {}, cart, []],
    ['cordoned', { nodes: [source, node('b', { cordoned: true })] }, cart, ['Cordoned']],
    ['not Ready', { nodes: [source, node('b', { ready: false })] }, cart, ['NotReady']],
    ['a taint', { nodes: [source, node('b', { taints: [{ key: 'gpu', effect: 'NoSchedule' }] })] }, cart, ['Taint']],
    ['a soft taint does not matter', { nodes: [source, node('b', { taints: [{ key: 'gpu', effect: 'PreferNoSchedule' }] })] }, cart, []],
    [
      'a tolerated taint',
      { nodes: [source, node('b', { taints: [{ key: 'gpu', value: 'yes', effect: 'NoExecute' }] })] },
      pod('shop/cart', { on: 'a', spec: { tolerations: [{ key: 'gpu', operator: 'Equal', value: 'yes' }] } }),
      [],
    ],
    [
      'a toleration of another value',
      { nodes: [source, node('b', { taints: [{ key: 'gpu', value: 'yes', effect: 'NoExecute' }] })] },
      pod('shop/cart', { on: 'a', spec: { tolerations: [{ key: 'gpu', value: 'no', effect: 'NoExecute' }] } }),
      ['Taint'],
    ],
    ['a node selector', {}, pod('shop/cart', { on: 'a', spec: { nodeSelector: { disk: 'ssd' } } }), ['NodeSelector']],
    [
      'node affinity In',
      {},
      pod('shop/cart', { on: 'a', spec: required([{ key: 'disk', operator: 'In', values: ['ssd'] }]) }),
      ['NodeAffinity'],
    ],
    ['node affinity NotIn', {}, pod('shop/cart', { on: 'a', spec: required([{ key: 'disk', operator: 'NotIn', values: ['hdd'] }]) }), []],
    [
      'node affinity Gt',
      { nodes: [source, node('b', { labels: { rank: '5' } })] },
      pod('shop/cart', { on: 'a', spec: required([{ key: 'rank', operator: 'Gt', values: ['5'] }]) }),
      ['NodeAffinity'],
    ],
    ['no CPU left', { pods: [pod('shop/big', { on: 'b', cpu: '3500m' })] }, cart, ['NoRoom']],
    ['exactly enough CPU left', { pods: [pod('shop/big', { on: 'b', cpu: '3' })] }, cart, []],
    ['a pod that has ended takes no room', { pods: [pod('shop/big', { on: 'b', cpu: '4', phase: 'Succeeded' })] }, cart, []],
    ['no pod slot left', { nodes: [source, node('b', { pods: '0' })] }, cart, ['NoRoom']],
    [
      'an extended resource that the node lacks',
      {},
      pod('shop/cart', { on: 'a', spec: { containers: [{ name: 'app', resources: { requests: { 'x.io/fpga': '1' } } }] } }),
      ['NoRoom'],
    ],
    ['room that is reserved', { migrations: [reserving('shop/m', 'other', 'b', 3500)] }, cart, ['NoRoom']],
    ['memory that is reserved', { migrations: [reserving('shop/m', 'other', 'b', 0, 8 * gib)] }, cart, ['NoRoom']],
    ['its own reservation is for it', { migrations: [reserving('shop/m', 'cart', 'b', 3500)] }, cart, []],
    [
      'a reservation whose move is over',
      {
        migrations: [
          migration('shop/m', 'other', {
            status: { phase: 'RolledBack', reservation: { nodeName: 'b', cpuMillis: 4000, memoryBytes: 0 } },
          }),
        ],
      },
      cart,
      [],
    ],
    [
      'a reservation is not counted beside its pod',
      {
        migrations: [reserving('shop/m', 'other', 'b', 2000)],
        pods: [pod('shop/other-m', { on: 'b', cpu: '2', annotations: { 'podmotion.io/migration-name': 'shop/m' } })],
      },
      pod('shop/cart', { on: 'a', cpu: '2' }),
      [],
    ],
    ['no agent', { capacities: [capacity('a')] }, cart, ['NoAgent']],
    [
      'not eligible',
      { capacities: [capacity('a'), capacity('b', { eligible: false, reasons: [{ code: 'OldCriu', message: 'old' }] })] },
      cart,
      ['OldCriu'],
    ],
    ['an agent that is away', { capacities: [capacity('a'), capacity('b', { observedAt: at(-121_000) })] }, cart, ['AgentAway']],
    ['an agent that was just there', { capacities: [capacity('a'), capacity('b', { observedAt: at(-119_000) })] }, cart, []],
    ['an older kernel', { capacities: [capacity('a'), capacity('b', { kernel: '5.15.0' })] }, cart, ['Kernel']],
    ['a newer kernel', { capacities: [capacity('a'), capacity('b', { kernel: '7.0.1' })] }, cart, []],
    ['an older CRIU', { capacities: [capacity('a'), capacity('b', { criuVersion: '3.17' })] }, cart, ['Criu']],
    ['another architecture', { capacities: [capacity('a'), capacity('b', { architecture: 'arm64' })] }, cart, ['Architecture']],
    ['an agent of another version', { capacities: [capacity('a', { peerProtocol: 2 }), capacity('b')] }, cart, ['AgentProtocol']],
    ['another cgroup version', { capacities: [capacity('a'), capacity('b', { cgroupVersion: 1 })] }, cart, ['CgroupVersion']],
    ['a CPU feature less', { capacities: [capacity('a'), capacity('b', { cpuFeatures: ['sse2'] })] }, cart, ['CpuFeatures']],
    ['a CPU feature more', { capacities: [capacity('a'), capacity('b', { cpuFeatures: ['sse2', 'avx2', 'avx512f'] })] }, cart, []],
    [
      'its own anti-affinity',
      { pods: [cart, pod('shop/sibling', { on: 'b', labels: { app: 'cart' } })] },
      pod('shop/cart', { on: 'a', labels: { app: 'cart' }, spec: apart({ app: 'cart' }) }),
      ['PodAntiAffinity'],
    ],
    ["somebody else's anti-affinity", { pods: [pod('shop/shy', { on: 'b', spec: apart({ app: 'cart' }) })] }, cart, ['PodAntiAffinity']],
    ['anti-affinity of another namespace', { pods: [pod('other/shy', { on: 'b', spec: apart({ app: 'cart' }) })] }, cart, []],
    ['affinity to a pod elsewhere', {}, pod('shop/cart', { on: 'a', spec: together({ app: 'db' }) }), ['PodAffinity']],
    [
      'affinity to a pod there',
      { pods: [pod('shop/db', { on: 'b', labels: { app: 'db' } })] },
      pod('shop/cart', { on: 'a', spec: together({ app: 'db' }) }),
      [],
    ],
    [
      'affinity that is to be ignored',
      { affinityMode: 'ignore' },
      pod('shop/cart', { on: 'a', spec: { nodeSelector: { disk: 'ssd' } } }),
      [],
    ],
  ]
  for (const [what, overrides, moved, codes] of cases)
    it(`${what}: ${codes.join(', ') || 'fits'}`, () => {
      expect(reasonsOn('b', moved, overrides)).to.deep.equal(codes)
    })

  it('is never the node that the pod runs on', () => {
    expect(reasonsOn('a', cart)).to.deep.equal(['SourceNode'])
  })

  it('names all reasons at once', () => {
    const nodes = [source, node('b', { cordoned: true, cpu: '500m', taints: [{ key: 'x', effect: 'NoSchedule' }] })]
    const capacities = [capacity('a'), capacity('b', { kernel: '4.4.0', cpuFeatures: [] })]
    expect(reasonsOn('b', cart, { nodes, capacities })).to.deep.equal(['Cordoned', 'Taint', 'Kernel', 'CpuFeatures', 'NoRoom'])
  })

  it('says what is free and what is asked', () => {
    const ranked = rankDestinations(cart, view({ migrations: [reserving('shop/m', 'other', 'b', 3500)] }))
    const b = ranked.find(({ nodeName }) => nodeName === 'b')
    expect(b?.reasons[0]?.message).to.equal('cpu: the pod requests 1000m, 500m are free after reservations')
  })
})

describe('order of destinations', () => {
  const best = (overrides: Partial<RankView>, moved = cart) => rankDestinations(moved, view(overrides))[0]?.nodeName
  const three = { nodes: [source, node('b'), node('c')], capacities: [capacity('a'), capacity('b'), capacity('c')] }

  it('prefers room', () => {
    expect(best({ ...three, pods: [pod('shop/big', { on: 'b', cpu: '2', memory: '4Gi' })] })).to.equal('c')
  })
  it('counts reservations as used room', () => {
    expect(best({ ...three, migrations: [reserving('shop/m', 'other', 'b', 2000, 4 * gib)] })).to.equal('c')
  })
  it("keeps an owner's pods apart", () => {
    const moved = pod('shop/cart', { on: 'a', cpu: '1', owner: 'rs' })
    expect(best({ ...three, pods: [pod('shop/cart-2', { on: 'b', owner: 'rs' })] }, moved)).to.equal('c')
  })
  it('prefers where the image is', () => {
    const nodes = [source, node('b'), node('c', { images: ['docker.io/library/app:1'] })]
    expect(best({ ...three, nodes })).to.equal('c')
  })
  it('remembers moves that failed within the hour, and forgets older ones', () => {
    const failed = (completedAt: string): PodMigration =>
      migration('shop/m', 'x', { status: { phase: 'Failed', destinationNode: 'b', completedAt } })
    expect(best({ ...three, migrations: [failed(at(-60_000))] })).to.equal('c')
    expect(best({ ...three, migrations: [failed(at(-3_700_000))] })).to.equal('b')
  })
  it('puts those that fit first, and is the same every time', () => {
    const nodes = [source, node('b', { cordoned: true }), node('c', { cpu: '2' })]
    const order = rankDestinations(cart, view({ ...three, nodes })).map(({ nodeName, fits }) => `${nodeName} ${fits}`)
    expect(order[0]).to.equal('c true')
    expect(
      rankDestinations(cart, view({ ...three, nodes: [...nodes].reverse() })).map(({ nodeName, fits }) => `${nodeName} ${fits}`),
    ).to.deep.equal(order)
  })

  it('has integer scores from 0 to 10 for any cluster', () => {
    const amount = fc.integer({ min: 0, max: 9000 })
    fc.assert(
      fc.property(
        fc.array(fc.record({ cpu: amount, memory: amount, used: amount, reserved: amount }), { minLength: 1, maxLength: 8 }),
        amount,
        (wishes, cpu) => {
          const names = wishes.map((_wish, position) => `n${position}`)
          const ranked = rankDestinations(pod('shop/cart', { on: 'a', cpu: `${cpu}m` }), {
            nodes: wishes.map((wish, position) => node(`n${position}`, { cpu: `${wish.cpu}m`, memory: `${wish.memory}Mi` })),
            pods: wishes.map((wish, position) => pod(`shop/p${position}`, { on: `n${position}`, cpu: `${wish.used}m` })),
            capacities: names.map((name) => capacity(name)),
            migrations: wishes.map((wish, position) => reserving(`shop/m${position}`, `x${position}`, `n${position}`, wish.reserved)),
            nowMs,
          })
          expect(ranked.map(({ nodeName }) => nodeName).sort()).to.deep.equal(names.sort())
          for (const { score, fits, reasons, nodeName } of ranked) {
            expect(Number.isInteger(score) && score >= 0 && score <= 10, `score ${score}`).to.equal(true)
            const wish = wishes[Number(nodeName.slice(1))]
            const hasRoom = cpu === 0 || (wish !== undefined && cpu <= wish.cpu - wish.used - wish.reserved)
            expect(fits, `${nodeName}: ${JSON.stringify(reasons)}`).to.equal(hasRoom)
          }
        },
      ),
    )
  })
})
