// Wrong wishes are refused with field, value and remedy, and the pod is not touched.
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

// Each wrong spec with what its refusal must name.
const wrongFields: [Record<string, unknown>, RegExp][] = [
  [{ mode: 'Warm' }, /spec\.mode.*"Warm".*PreCopy/s],
  [{ preCopyMaxRounds: 0 }, /spec\.preCopyMaxRounds.*0.*1/s],
  [{ preCopyMaxRounds: 21 }, /spec\.preCopyMaxRounds.*21.*20/s],
  [{ preCopyDirtyThresholdMB: 0 }, /spec\.preCopyDirtyThresholdMB.*0.*1/s],
  [{ bandwidthLimitMbps: -1 }, /spec\.bandwidthLimitMbps.*-1.*0/s],
  [{ completionTimeoutSeconds: 29 }, /spec\.completionTimeoutSeconds.*29.*30/s],
  [{ storageStrategy: 'Magic' }, /spec\.storageStrategy.*"Magic".*Auto/s],
  [{ tcpPreservationMode: 'Maybe' }, /spec\.tcpPreservationMode.*"Maybe".*Strict/s],
  [{ freezeWindowBudgetMs: 49 }, /spec\.freezeWindowBudgetMs.*49.*50/s],
  [{ freezeWindowBudgetMs: 10001 }, /spec\.freezeWindowBudgetMs.*10001.*10000/s],
  [{ affinityMode: 'none' }, /spec\.affinityMode.*"none".*strict/s],
  [{ applicationProbe: { protocol: 'SMTP', port: 25 } }, /spec\.applicationProbe\.protocol.*"SMTP".*HTTP/s],
  [{ applicationProbe: { protocol: 'TCP', port: 70000 } }, /spec\.applicationProbe\.port.*70000.*65535/s],
  [{ destinationCluster: 'elsewhere' }, /destinationCluster.*elsewhere.*remove/is],
  [{ sourcePodUID: '00000000-0000-0000-0000-000000000000' }, /sourcePodUID.*00000000-0000-0000-0000-000000000000/s],
  [{ podName: 'no-such-pod' }, /no-such-pod/],
  [{ podNamespace: 'elsewhere' }, /podNamespace.*elsewhere/s],
]

describe('a wrong PodMigration', () => {
  let world: World
  let pod: V1Pod
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
    pod = await world.deployEcho({ name: 'refused' })
  })
  after(async () => {
    await world.remove('deployment/refused', 'service/refused')
  })
  afterEach(async () => {
    const now = await world.pod('refused')
    expect(now.metadata?.uid).to.equal(pod.metadata?.uid)
    expect(now.status?.containerStatuses?.map((one) => one.restartCount)).to.deep.equal([0, 0])
  })

  for (const [spec, named] of wrongFields) {
    it(`with ${JSON.stringify(spec)} is refused`, async () => {
      const { exitCode, all } = await world.apply(world.migration({ podName: pod.metadata?.name, ...spec }))
      expect(exitCode, all).to.not.equal(0)
      expect(all).to.match(named)
    })
  }

  it('of a pod on the host network is refused', async () => {
    await refuses(world, { name: 'on-host', spec: { hostNetwork: true } }, /hostNetwork/)
  })

  it('of a pod without our RuntimeClass is refused, and says how to opt in', async () => {
    await refuses(world, { name: 'ordinary', spec: { runtimeClassName: null } }, /runtimeClassName.*podmotion/s)
  })
})

async function refuses(world: World, options: { name: string; spec: Record<string, unknown> }, named: RegExp): Promise<void> {
  await world.deployEchos({ ...options, bare: true })
  const pod = await world.pod(options.name)
  const { exitCode, all } = await world.apply(world.migration({ podName: options.name }))
  expect(exitCode, all).to.not.equal(0)
  expect(all).to.match(named)
  expect((await world.pod(options.name)).metadata?.uid).to.equal(pod.metadata?.uid)
  await world.remove(`pod/${options.name}`, `service/${options.name}`)
}
