// Installing on a host in a folder: what is put where, once; what a host that cannot take it is told; and all of it off again.
import path from 'node:path'
import { expect } from 'chai'
import { cniPlaces, installCni, keepChained, uninstallCni } from '../../../src/agent/install/cni.ts'
import { installRuntime, uninstallRuntime } from '../../../src/agent/install/containerd.ts'
import { installPrograms, uninstallPrograms } from '../../../src/agent/install/programs.ts'
import { conflist, Host } from './host.ts'

const places = { binaryFolder: '/usr/lib/cni', configurationFolder: '/etc/cni/net.d' }
const dropIn = '/etc/containerd/conf.d/99-podmotion.toml'

describe('installing on a node', () => {
  let host: Host
  afterEach(() => host.close())

  describe('the CNI plugin', () => {
    beforeEach(() => {
      host = new Host()
    })

    it('comes last in the chain, and its binary where containerd looks', async () => {
      expect(await installCni(host.config, places)).to.equal(undefined)
      const text = host.read('/etc/cni/net.d/10-lab.conflist') ?? ''
      expect(JSON.parse(text).plugins.map((plugin: { type: string }) => plugin.type)).to.deep.equal(['bridge', 'portmap', 'podmotion-cni'])
      expect(text).to.match(/^\{\n {4}"cniVersion"/)
      expect(host.read('/usr/lib/cni/podmotion-cni')).to.equal(host.read('/app/native/podmotion-cni'))
    })

    it('writes nothing when all is as it should be', async () => {
      await installCni(host.config, places)
      const inode = host.inode('/etc/cni/net.d/10-lab.conflist')
      await installCni(host.config, places)
      expect(host.inode('/etc/cni/net.d/10-lab.conflist')).to.equal(inode)
    })

    it('comes back when somebody rewrites the file', async () => {
      await installCni(host.config, places)
      host.write('/etc/cni/net.d/10-lab.conflist', conflist.replace('portmap', 'bandwidth'))
      await keepChained(host.config, places)
      expect(host.read('/etc/cni/net.d/10-lab.conflist')).to.contain('bandwidth').and.contain('podmotion-cni')
    })

    it('goes without a trace, and leaves what others changed since', async () => {
      const before = host.everything()
      await installCni(host.config, places)
      await uninstallCni(host.config, places)
      expect(host.everything()).to.deep.equal(before)
      await installCni(host.config, places)
      host.write('/etc/cni/net.d/10-lab.conflist', (host.read('/etc/cni/net.d/10-lab.conflist') ?? '').replace('"lab"', '"mine"'))
      await uninstallCni(host.config, places)
      expect(JSON.parse(host.read('/etc/cni/net.d/10-lab.conflist') ?? '')).to.deep.equal({ ...JSON.parse(conflist), name: 'mine' })
    })

    it('says what to do where there is no list to be chained to', async () => {
      host.write('/etc/cni/net.d/05-single.conf', '{"cniVersion":"1.0.0","name":"x","type":"bridge"}')
      const refusal = await installCni(host.config, places)
      expect(refusal).to.include({ code: 'CniNotChainable' })
      expect(refusal?.message).to.contain('/etc/cni/net.d/05-single.conf')
      expect(refusal?.remedy).to.contain('.conflist')
      expect((await keepChained(host.config, { ...places, configurationFolder: '/etc/none' }))?.code).to.equal('CniNotConfigured')
    })
  })

  describe('the runtime entry', () => {
    it('is a drop-in; containerd restarts once, and its other settings stay', async () => {
      host = new Host()
      expect(await installRuntime(host.config)).to.equal(undefined)
      expect(host.read(dropIn)).to.contain(`BinaryName = "${path.join(host.folder, 'opt/podmotion/bin/podmotion-runc')}"`)
      expect(host.read(dropIn)).to.contain('SystemdCgroup = true').and.contain('pod_annotations = ["podmotion.io/*"]')
      await installRuntime(host.config)
      expect(host.read('/systemctl.log')).to.equal('restart containerd\n')
      await uninstallRuntime(host.config)
      await uninstallRuntime(host.config)
      expect(host.read(dropIn)).to.equal(undefined)
      expect(host.read('/systemctl.log')).to.equal('restart containerd\nrestart containerd\n')
    })

    it('restarts containerd although an earlier agent died between writing and restarting', async () => {
      host = new Host()
      await installRuntime(host.config)
      host.write('/var/lib/podmotion/install/containerd-restart', 'x')
      await installRuntime(host.config)
      expect(host.read('/systemctl.log')).to.equal('restart containerd\nrestart containerd\n')
      expect(host.read('/var/lib/podmotion/install/containerd-restart')).to.equal(undefined)
    })

    it('gives the lines to add where no folder is imported, and changes nothing', async () => {
      host = new Host('')
      const before = host.everything()
      const refusal = await installRuntime(host.config)
      expect(refusal?.code).to.equal('RuntimeNotConfigured')
      expect(refusal?.remedy).to.contain('runtimes.podmotion]').and.contain('BinaryName')
      expect(host.everything()).to.deep.equal(before)
    })

    it('takes the drop-in away where containerd would lose other settings by it', async () => {
      host = new Host()
      process.env.FAKE_MERGE = 'replace'
      const refusal = await installRuntime(host.config)
      expect(refusal?.code).to.equal('RuntimeNotMerged')
      expect(refusal?.message).to.contain('restrict_oom_score_adj')
      expect(host.read(dropIn)).to.equal(undefined)
      expect(host.read('/systemctl.log')).to.equal(undefined)
    })
  })

  describe('the programs', () => {
    beforeEach(() => {
      host = new Host()
    })

    it('are replaced only when they differ', async () => {
      await installPrograms(host.config)
      const inode = host.inode('/opt/podmotion/bin/podmotion-runc')
      await installPrograms(host.config)
      expect(host.inode('/opt/podmotion/bin/podmotion-runc')).to.equal(inode)
      host.write('/app/native/podmotion-runc', 'newer')
      await installPrograms(host.config)
      expect(host.read('/opt/podmotion/bin/podmotion-runc')).to.equal('newer')
      expect(host.read('/opt/podmotion/libexec/criu')).to.equal(host.read('/app/native/podmotion-criu'))
      expect(host.read('/opt/podmotion/etc/criu-path')).to.equal(undefined)
      await uninstallPrograms(host.config)
      expect(Object.keys(host.everything('opt'))).to.deep.equal([])
    })
  })

  it('takes the folders from containerd, else the usual ones', () => {
    host = new Host()
    expect(cniPlaces(undefined)).to.deep.equal({ binaryFolder: '/opt/cni/bin', configurationFolder: '/etc/cni/net.d' })
  })
})
