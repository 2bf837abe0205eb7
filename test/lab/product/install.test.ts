// The chart, installed by real Helm into a real cluster: every part is there and says so.
import { expect } from 'chai'
import type { NodeMigrationCapacity } from '../../../src/api/node-migration-capacity.ts'
import { productNamespace } from './install.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

describe('the installed product', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })

  it('has two controllers, one of which leads', async () => {
    const lease = await world.get<{ spec: { holderIdentity: string } }>('lease', 'podmotion-controller', '-n', productNamespace)
    const ready = await world.kubectl(
      '-n',
      productNamespace,
      'get',
      'deployment',
      'podmotion-controller',
      '-o',
      'jsonpath={.status.readyReplicas}',
    )
    expect(ready.stdout).to.equal('2')
    expect(lease?.spec.holderIdentity).to.match(/^podmotion-controller-/)
  })

  it('finds every node able to take part, with what it found', async () => {
    const capacities = await world.list<NodeMigrationCapacity>('nodemigrationcapacities')
    expect(capacities.map((one) => one.metadata.name)).to.deep.equal(['node-1', 'node-2', 'node-3'])
    for (const one of capacities) {
      expect(one.status?.reasons).to.deep.equal([])
      expect(one.status?.criuVersion).to.match(/^4\.2/)
    }
  })

  it('explains the fields of a PodMigration', async () => {
    const explained = await world.kubectl('explain', 'podmigration.spec.preCopyDirtyThresholdMB')
    expect(explained.exitCode, explained.all).to.equal(0)
    expect(explained.stdout).to.contain('the freeze may start')
  })

  it('is asked by kube-scheduler', async () => {
    const pods = await world.list<{ metadata: { name: string } }>(
      'pods',
      '-n',
      productNamespace,
      '-l',
      'app.kubernetes.io/name=podmotion-controller',
    )
    await world.kubectl(
      'run',
      'ordinary',
      '--image=podmotion.local/app:1',
      '--image-pull-policy=IfNotPresent',
      '--command',
      '--',
      'sleep',
      '1000',
    )
    await world.until('a filter request at the extender', async () => {
      const metrics = await Promise.all(
        pods.map((pod) =>
          world.kubectl('get', '--raw', `/api/v1/namespaces/${productNamespace}/pods/${pod.metadata.name}:8080/proxy/metrics`),
        ),
      )
      return metrics.some((one) => /podmotion_extender_request_seconds_count\{verb="filter"\} [1-9]/.test(one.stdout))
    })
    await world.remove('pod', 'ordinary', '--grace-period=0')
  })
})
