// podmotion deschedule: a snapshot and a policy in, victims with strategy, reason and destination out.
import { expect } from 'chai'
import { pod } from '../descheduler/stock/stock.ts'
import { at, node } from '../extender/cluster.ts'
import { cli } from './files.ts'

const kind = (name: string, objects: readonly object[]) => objects.map((object) => ({ apiVersion: 'v1', kind: name, ...object }))
const nodes = kind(
  'Node',
  ['a', 'b', 'c'].map((name) => node(name, { cpu: '10', memory: '10Gi' })),
)
const full = kind(
  'Pod',
  Array.from({ length: 8 }, (_none, number) => pod(`shop/p${number}`, { on: 'a', cpu: '1' })),
)
const list = (...items: object[]) => JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 4)
const low = `
apiVersion: descheduler/v1alpha2
kind: DeschedulerPolicy
profiles:
- name: even
  pluginConfig:
  - name: LowNodeUtilization
    args: {thresholds: {cpu: 20}, targetThresholds: {cpu: 60}}
  plugins: {balance: {enabled: [LowNodeUtilization]}}
`
const ours = `
apiVersion: podmotion.io/v1alpha1
kind: MigrationPolicy
metadata: {name: even}
spec:
  strategies:
  - name: LowNodeUtilization
    lowNodeUtilization: {thresholds: {cpu: 20}, targetThresholds: {cpu: 60}}
`

describe('podmotion deschedule', () => {
  const run = (snapshot: string, policy: string, ...more: string[]) =>
    cli(['deschedule', '--snapshot', 's.json', '--policy', 'p.yaml', ...more], { 's.json': snapshot, 'p.yaml': policy })

  it('prints victims with strategy, reason and destination as JSON', async () => {
    const { exitCode, out, err } = await run(list(...nodes, ...full), low, '-o', 'json')
    expect([exitCode, err]).to.deep.equal([0, ''])
    const { victims, notes } = JSON.parse(out)
    expect(notes).to.deep.equal([])
    expect(victims.map(({ name, destination }: { name: string; destination: string }) => `${name}->${destination}`)).to.deep.equal([
      'p0->b',
      'p1->c',
    ])
    expect(victims[0]).to.deep.equal({
      namespace: 'shop',
      name: 'p0',
      uid: 'uid-p0',
      node: 'a',
      profile: 'even',
      strategy: 'LowNodeUtilization',
      reason: 'its node a is over its target: cpu 80 %, target cpu 60 %',
      destination: 'b',
    })
  })

  it('and as a table', async () => {
    const { out } = await run(list(...nodes, ...full), low)
    expect(out).to.match(
      /^NAMESPACE {3}POD {3}NODE {3}DESTINATION {3}STRATEGY +REASON\nshop +p0 +a +b +LowNodeUtilization +its node a is over/,
    )
    expect(out).to.match(/\n2 pods would move\n$/)
  })

  it('takes a MigrationPolicy, as if every pod had opted in', async () => {
    const pods = full.map((one) => ({ ...one, spec: { ...(one as unknown as { spec: object }).spec, runtimeClassName: undefined } }))
    const { out } = await run(list(...nodes, ...pods), ours, '-o', 'json')
    const { victims, notes } = JSON.parse(out)
    expect(victims).to.have.length(2)
    expect(victims[0]).to.include({ node: 'a', strategy: 'LowNodeUtilization', profile: 'even', destination: 'b' })
    expect(notes).to.deep.equal(['LowNodeUtilization: 1 nodes over cpu 60 %, 2 under cpu 20 %: 2 moves'])
  })

  it('says where nobody can go, and why', async () => {
    const bound = kind('Pod', [
      pod('shop/x', { on: 'a', phase: 'Failed', createdAt: at(-9_000_000), spec: { nodeSelector: { disk: 'ssd' } } }),
    ])
    const policy = low
      .replaceAll('LowNodeUtilization', 'RemoveFailedPods')
      .replace(/args: .*/, 'args: {}')
      .replace('balance', 'deschedule')
    const { out } = await run(list(...nodes, ...bound), policy, '-o', 'json')
    expect(JSON.parse(out).victims[0]).to.include({ destination: null, noDestination: 'no other node fits (NodeSelector)' })
  })

  it('reads standard input, lists of one kind, several documents, and metrics', async () => {
    const metrics = {
      kind: 'NodeMetricsList',
      apiVersion: 'metrics.k8s.io/v1beta1',
      items: ['a', 'b', 'c'].map((name) => ({ metadata: { name }, usage: { cpu: name === 'a' ? '9' : '1', memory: '1Gi' } })),
    }
    const podMetrics = {
      kind: 'PodMetricsList',
      items: full.map((one) => ({
        metadata: (one as unknown as { metadata: object }).metadata,
        containers: [{ name: 'app', usage: { cpu: '3', memory: '1Mi' } }],
      })),
    }
    const documents = [
      list(...nodes),
      JSON.stringify({ kind: 'PodList', items: full }, null, 2),
      JSON.stringify(metrics),
      JSON.stringify(podMetrics),
    ]
    const policy = low.replace('60}}', '60}, metricsUtilization: {source: KubernetesMetrics}}')
    const { out, err } = await cli(['deschedule', '--snapshot', '-', '--policy', 'p', '-o', 'json'], {
      '-': documents.join('\n'),
      p: policy,
    })
    expect(err).to.equal('')
    expect(JSON.parse(out).victims.map(({ name }: { name: string }) => name)).to.deep.equal(['p0'])
  })

  it('reads the answer of Prometheus beside the snapshot', async () => {
    const answer = {
      status: 'success',
      data: {
        resultType: 'vector',
        result: [
          ['a', '0.9'],
          ['b', '0.1'],
          ['c', '0.3'],
        ].map(([instance, value]) => ({ metric: { instance }, value: [0, value] })),
      },
    }
    const policy = low.replace(
      /args: .*/,
      'args: {thresholds: {MetricResource: 20}, targetThresholds: {MetricResource: 60}, metricsUtilization: {source: Prometheus, prometheus: {query: q}}}',
    )
    const { out } = await run(`${list(...nodes, ...full)}\n${JSON.stringify(answer)}\n`, policy, '-o', 'json')
    expect(JSON.parse(out)).to.deep.include({ notes: [] })
    expect(JSON.parse(out).victims.map(({ name }: { name: string }) => name)).to.deep.equal(['p0'])
  })

  it('counts ages from the time that it is told', async () => {
    const old = kind('Pod', [pod('shop/x', { on: 'a', createdAt: at(-3_600_000) })])
    const policy = low
      .replaceAll('LowNodeUtilization', 'PodLifeTime')
      .replace(/args: .*/, 'args: {maxPodLifeTimeSeconds: 7200}')
      .replace('balance', 'deschedule')
    expect(JSON.parse((await run(list(...nodes, ...old), policy, '-o', 'json')).out).victims).to.have.length(0)
    expect(JSON.parse((await run(list(...nodes, ...old), policy, '-o', 'json', '--at', at(3_700_000))).out).victims).to.have.length(1)
  })

  const refusals: [string, string[], Record<string, string>, string][] = [
    [
      'a wrong policy',
      [],
      { p: low.replace('20}', '90}'), s: list(...nodes) },
      'p:8:30 profiles[0].pluginConfig[0].args.thresholds.cpu: expected at most targetThresholds.cpu (60), got 90: pods would go back and forth\n',
    ],
    ['a snapshot that is none', [], { p: low, s: '{"items": [' }, 'error: Reading the snapshot s: '],
    [
      'a snapshot without nodes',
      [],
      { p: low, s: list(...full) },
      'error: Reading the snapshot s: it has no nodes: expected what `kubectl get nodes,pods,',
    ],
    ['a snapshot that is not there', [], { p: low }, 'error: Reading the snapshot s: no such file: s\n'],
    ['a policy that is not there', [], { s: list(...nodes) }, 'error: Reading the policy p: no such file: p\n'],
    [
      'a format that is none',
      ['-o', 'xml'],
      { p: low, s: list(...nodes) },
      "error: option '-o, --output <format>' argument 'xml' is invalid. expected json or table, got \"xml\".\n",
    ],
    ['a time that is none', ['--at', 'noon'], { p: low, s: list(...nodes) }, "error: option '--at <time>' argument 'noon' is invalid."],
  ]
  for (const [what, more, files, message] of refusals)
    it(`refuses ${what}`, async () => {
      const { exitCode, out, err } = await cli(['deschedule', '--snapshot', 's', '--policy', 'p', ...more], files)
      expect(err).to.satisfy((text: string) => text.startsWith(message), err)
      expect([exitCode, out]).to.deep.equal([1, ''])
    })

  it('asks the cluster of the kubeconfig without a snapshot, and for two inputs refuses', async () => {
    expect((await cli(['deschedule', '--policy', 'p'], { p: low })).err).to.equal('error: no cluster in tests\n')
    expect((await cli(['deschedule', '--policy', '-', '--snapshot', '-'], { '-': low })).err).to.contain(
      'standard input can be only one of them',
    )
  })
})
