// uninstall.enabled=true takes everything off the nodes again; the rest goes with the release. The last test: afterwards there is no product.
import { expect } from 'chai'
import { said } from '../said.ts'
import { productNamespace, uninstallProduct } from './install.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const ours = [
  '/opt/podmotion/bin',
  '/etc/containerd/conf.d/99-podmotion.toml',
  '/usr/lib/cni/podmotion-cni',
  '/var/lib/podmotion/checkpoints',
]

describe('uninstalling', () => {
  let world: World
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })

  it('leaves nodes without a program, rule, runtime or CNI entry of ours', async () => {
    await world.kubectl('delete', 'podmigrations', '--all', '-A')
    const pod = await world.deployEcho({ name: 'kept' })
    const { metadata } = await world.migrate(pod.metadata?.name ?? '', { mode: 'Cold' })
    await world.until('a checkpoint', async () => (await world.get('migrationcheckpoint', metadata.name)) !== undefined)
    await world.remove('deployment/kept', 'service/kept')
    await uninstallProduct(world.lab)
    for (const node of world.lab.nodes) {
      for (const path of ours)
        expect((await said(node.run('ls', ['-d', path], { reject: false }))).exitCode, `${node.name} ${path}`).to.not.equal(0)
      // Tables, not all rules: kube-proxy writes the names of Services into its own for a moment longer.
      const tables = await said(node.run('nft', ['list', 'tables']))
      expect(tables.stdout).to.not.contain('podmotion')
      expect(await node.read('/etc/cni/net.d/10-lab.conflist')).to.not.contain('podmotion')
      expect((await said(node.run('containerd', ['config', 'dump']))).stdout).to.not.contain('podmotion-runc')
    }
    await world.until('nothing of the release', async () =>
      (await world.kubectl('get', 'all', '-n', productNamespace)).all.includes('No resources found'),
    )
    await world.kubectl('delete', 'podmigrations', '--all', '-A')
  })

  it('leaves a cluster that works', async () => {
    await world.kubectl(
      'run',
      'after',
      '--image=podmotion.local/app:1',
      '--image-pull-policy=IfNotPresent',
      '--command',
      '--',
      'sleep',
      '1000',
    )
    await world.until('an ordinary pod', async () => (await world.kubectl('get', 'pod', 'after')).stdout.includes('Running'))
    await world.remove('pod', 'after', '--grace-period=0')
  })
})
