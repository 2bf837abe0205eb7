// A MigrationPolicy finds an imbalance by itself and moves a pod, live, within its budget.
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import { apiVersion } from '../../../src/api/names.ts'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const policy = {
  apiVersion,
  kind: 'MigrationPolicy',
  metadata: { name: 'balance' },
  spec: {
    schedule: '*/5 * * * * *',
    podSelector: { matchLabels: { app: 'heavy' } },
    strategies: [{ name: 'LowNodeUtilization', lowNodeUtilization: { thresholds: { cpu: 40 }, targetThresholds: { cpu: 50 } } }],
    budgets: { inFlightCluster: 1 },
    cooldownSeconds: 600,
    defaults: { tcpPreservationMode: 'Strict', freezeWindowBudgetMs: 8000 },
  },
}

describe('a policy', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })
  after(async () => {
    await world.remove('migrationpolicy', 'balance')
    await world.remove('deployment/heavy', 'service/heavy')
    await world.remove('podmigrations', '--all')
  })

  it('moves pods off a node that carries too much, one at a time', async () => {
    await world.deployEchosOn('node-1', { name: 'heavy', replicas: 4, cpu: '300m' })
    await world.answers('heavy')
    const talking = world.talk(await world.serviceAddress('heavy'), 40)
    expect((await world.apply(policy)).exitCode).to.equal(0)
    const moved = await world.until('a completed migration of the policy', async () => {
      const migrations = await world.list<PodMigration>('podmigrations')
      expect(migrations.filter((one) => !one.status?.completedAt).length).to.be.at.most(1)
      return migrations.find((one) => one.status?.phase === 'Complete')
    })
    expect(moved.spec.migrationPolicyRef?.name).to.equal('balance')
    expect(moved.status?.sourceNode).to.equal('node-1')
    expect((await talking).errors).to.deep.equal([])
    const left = (await world.pods('heavy')).filter((pod: V1Pod) => pod.spec?.nodeName === 'node-1')
    expect(left.length).to.be.below(4)
  })

  it('that is wrong is refused, with the field and its limits', async () => {
    const wrong = structuredClone(policy) as { spec: { strategies: { lowNodeUtilization: { thresholds: { cpu: number } } }[] } }
    const [strategy] = wrong.spec.strategies
    if (strategy) strategy.lowNodeUtilization.thresholds.cpu = 900
    const { exitCode, all } = await world.apply(wrong)
    expect(exitCode).to.not.equal(0)
    expect(all).to.match(/strategies\[0\]\.lowNodeUtilization\.thresholds\.cpu.*900.*100/s)
  })
})
