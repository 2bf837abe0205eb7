// A whole stock policy: profiles, order of extension points, limits over all of them, nodes that count.
import { expect } from 'chai'
import { parseStockPolicy } from '../../../src/descheduler/policy-text/stock-policy.ts'
import { noFacts } from '../../../src/descheduler/stock/cluster.ts'
import { runStockPolicy } from '../../../src/descheduler/stock/run-policy.ts'
import { at, node, nowMs } from '../../extender/cluster.ts'
import { pod, threeNodes } from './stock.ts'

const failed = (name: string, on: string) => pod(`shop/${name}`, { on, phase: 'Failed', createdAt: at(-7200_000), owner: 'job' })
const duplicates = [1, 2, 3].map((number) => pod(`shop/d${number}`, { on: 'a' }))
const pods = [failed('f1', 'a'), failed('f2', 'b'), ...duplicates]

const failedPods = { name: 'RemoveFailedPods' }
const both = {
  pluginConfig: [{ name: 'RemoveDuplicates' }, failedPods],
  plugins: { balance: { enabled: ['RemoveDuplicates'] }, deschedule: { enabled: ['RemoveFailedPods'] } },
}

function run(policy: object, facts: object = {}) {
  const parsed = parseStockPolicy({ apiVersion: 'descheduler/v1alpha2', kind: 'DeschedulerPolicy', ...policy })
  if ('problems' in parsed) throw new Error(JSON.stringify(parsed.problems))
  const outcome = runStockPolicy(parsed.policy, { ...noFacts, nodes: threeNodes, pods, ...facts }, nowMs)
  if ('problems' in outcome) return JSON.stringify(outcome.problems)
  return [...outcome.victims.map((victim) => `${victim.profile}/${victim.pod.metadata?.name}`), ...outcome.notes].join(' ')
}

describe('a stock policy', () => {
  it('deschedules in all profiles before it balances in any', () => {
    const second = { name: 'q', pluginConfig: [failedPods], plugins: { deschedule: { enabled: ['RemoveFailedPods'] } } }
    const first = { name: 'p', pluginConfig: [{ name: 'RemoveDuplicates' }], plugins: { balance: { enabled: ['RemoveDuplicates'] } } }
    expect(run({ profiles: [first, second] })).to.equal('q/f1 q/f2 p/d2 p/d3')
  })

  it('keeps its limits over all strategies', () => {
    expect(run({ maxNoOfPodsToEvictTotal: 3, profiles: [{ name: 'p', ...both }] })).to.equal('p/f1 p/f2 p/d2')
    expect(run({ maxNoOfPodsToEvictPerNode: 1, profiles: [{ name: 'p', ...both }] })).to.equal('p/f1 p/f2')
    expect(run({ maxNoOfPodsToEvictPerNamespace: 1, profiles: [{ name: 'p', ...both }] })).to.equal('p/f1')
    expect(run({ maxNoOfPodsToEvictTotal: 0, profiles: [{ name: 'p', ...both }] })).to.equal('')
  })

  it('looks at nodes of its nodeSelector and Ready ones only', () => {
    expect(run({ nodeSelector: 'zone=z1', profiles: [{ name: 'p', ...both }] })).to.equal('p/f1 p/f2 p/d3')
    const sick = [threeNodes[0], threeNodes[2], node('b', { ready: false })]
    expect(run({ profiles: [{ name: 'p', ...both }] }, { nodes: sick })).to.equal('p/f1 p/d3')
  })

  it('does nothing on a single node, as the stock one', () => {
    expect(run({ nodeSelector: 'zone=z2', profiles: [{ name: 'p', ...both }] })).to.contain('at least 2 Ready nodes')
  })

  it('a pod is chosen once, whatever strategy wants it too', () => {
    const plugins = { deschedule: { enabled: ['RemoveFailedPods', 'PodLifeTime'] } }
    const pluginConfig = [failedPods, { name: 'PodLifeTime', args: { states: ['Failed'] } }]
    expect(run({ profiles: [{ name: 'p', pluginConfig, plugins }] })).to.equal('p/f1 p/f2')
  })

  it('a profile without anything enabled does nothing', () => {
    expect(run({ profiles: [{ name: 'p', pluginConfig: [failedPods] }] })).to.equal('')
    expect(run({})).to.equal('')
  })

  it('says where a priority class is named that does not exist', () => {
    const evictor = { name: 'DefaultEvictor', args: { priorityThreshold: { name: 'gone' } } }
    const profile = { name: 'p', pluginConfig: [failedPods, evictor], plugins: both.plugins.deschedule }
    expect(run({ profiles: [{ ...profile, plugins: { deschedule: both.plugins.deschedule } }] })).to.equal(
      '[{"path":["profiles",0,"pluginConfig",1,"args","priorityThreshold","name"],"message":"expected the name of a PriorityClass of the cluster, got \\"gone\\""}]',
    )
    const node = { name: 'DefaultEvictor', args: { priorityThreshold: { name: 'system-node-critical' } } }
    expect(run({ profiles: [{ name: 'p', pluginConfig: [node], plugins: {} }] })).to.contain('whose value is 2000001000')
  })
})
