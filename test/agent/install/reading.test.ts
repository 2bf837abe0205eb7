// The pure half of the install, by tables: versions, containerd's dump, facts to reasons.
import { expect } from 'chai'
import { type NodeFacts, reasonsAgainst, warningsAbout } from '../../../src/agent/install/checks.ts'
import { chosenConfiguration } from '../../../src/agent/install/cni-chain.ts'
import { foreignChanges, parseDump } from '../../../src/agent/install/containerd-dump.ts'
import { configurationOf } from '../../../src/agent/install/containerd-process.ts'
import { parseCpu } from '../../../src/agent/install/node-facts.ts'
import { launcher, parseLibraries } from '../../../src/agent/install/programs.ts'
import { dropInFile } from '../../../src/agent/install/runtime-entry.ts'
import { isAtLeast, parseVersion } from '../../../src/agent/install/versions.ts'
import { containerdToml } from './host.ts'

describe('versions', () => {
  const printed: [string, string | undefined][] = [
    ['Version: 4.2.1\nGitID: v4.2.1', '4.2.1'],
    ['runc version 1.3.6\nspec: 1.2.1', '1.3.6'],
    ['containerd github.com/containerd/containerd/v2 2.1.9+unknown', '2.1.9'],
    ['containerd containerd.io v1.7.24 abc', '1.7.24'],
    ['6.18.44-fc-v657', '6.18.44'],
    ['Version: 4.2', '4.2'],
    ['nothing', undefined],
  ]
  for (const [text, version] of printed) it(`${text.split('\n')[0]} is ${version}`, () => expect(parseVersion(text)).to.equal(version))

  const ordered: [string, string, boolean][] = [
    ['4.2.1', '4.2.1', true],
    ['4.2', '4.2.1', false],
    ['4.10', '4.2.1', true],
    ['3.17.1', '4.2.1', false],
    ['2.0.0', '2.0', true],
  ]
  for (const [have, want, good] of ordered)
    it(`${have} is ${good ? '' : 'not '}at least ${want}`, () => expect(isAtLeast(have, want)).to.equal(good))
})

describe('reading containerd', () => {
  const text = containerdToml("'/etc/containerd/conf.d/*.toml'")

  it('finds its folders and its default runtime', () => {
    expect(parseDump(text)).to.deep.equal({
      imports: ['/etc/containerd/conf.d/*.toml'],
      cniBinaryFolders: ['/usr/lib/cni'],
      cniConfigurationFolder: '/etc/cni/net.d',
      snapshotter: 'overlayfs',
      systemdCgroup: true,
      runtimes: { runc: '' },
      podAnnotations: [],
    })
  })

  it('notices what a drop-in changes besides ours', () => {
    const ours = "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.podmotion]\n  runtime_type = 'x'\n"
    expect(foreignChanges(text, `${text}${ours}`)).to.deep.equal([])
    expect(foreignChanges(text, text.replace('= true', '= false'))).to.deep.equal([
      'plugins.io.containerd.cri.v1.runtime.restrict_oom_score_adj',
    ])
  })

  it('knows the configuration file of a containerd that was started with another', () => {
    expect(configurationOf(['/usr/bin/containerd', ''])).to.deep.equal({ command: '/usr/bin/containerd', args: [] })
    for (const words of [['-c', '/x.toml'], ['--config', '/x.toml'], ['--config=/x.toml']]) {
      expect(configurationOf(['containerd', '--log-level', 'info', ...words])).to.deep.equal({
        command: 'containerd',
        args: ['--config', '/x.toml'],
      })
    }
  })

  it('finds the folder of drop-ins', () => {
    expect(dropInFile(['/etc/containerd/conf.d/*.toml'])).to.equal('/etc/containerd/conf.d/99-podmotion.toml')
    expect(dropInFile(['/etc/containerd/one.toml'])).to.equal(undefined)
  })

  it('takes the CNI configuration that libcni takes', () => {
    expect(chosenConfiguration(['20-b.conflist', '10-a.conflist', '.podmotion-1.new', 'README'])).to.equal('10-a.conflist')
    expect(chosenConfiguration(['README'])).to.equal(undefined)
  })
})

describe('reasons why a node cannot take part', () => {
  const good: NodeFacts = {
    kernel: '6.18.44',
    architecture: 'x64',
    criu: '4.2.1',
    runc: '1.3.6',
    containerd: '2.1.9',
    cgroupVersion: 2,
    cpuModel: 'x',
    cpuFeatures: [],
    nftables: true,
    conntrack: true,
    snapshotter: 'overlayfs',
    userfaultfd: true,
    softDirty: false,
    selinuxEnforcing: false,
    ioUringAllowed: false,
  }
  const { criu: _criu, ...withoutCriu } = good

  it('none for a good node', () => {
    expect(reasonsAgainst(good)).to.deep.equal([])
    expect(warningsAbout(good)).to.deep.equal([])
  })

  const cases: [string, NodeFacts, string[]][] = [
    ['an old kernel', { ...good, kernel: '5.10.0' }, ['KernelTooOld']],
    ['an old criu', { ...good, criu: '4.1.1' }, ['CriuTooOld']],
    ['no criu', withoutCriu, ['CriuMissing']],
    [
      'several at once',
      { ...good, runc: '1.1.5', containerd: '1.7.24', snapshotter: 'zfs' },
      ['RuncTooOld', 'ContainerdTooOld', 'SnapshotterUnsupported'],
    ],
    ['no nftables, no conntrack', { ...good, nftables: false, conntrack: false }, ['NftablesMissing', 'ConntrackMissing']],
    ['another architecture', { ...good, architecture: 'arm64' }, ['ArchitectureUnsupported']],
  ]
  for (const [name, facts, codes] of cases) {
    it(name, () => {
      const reasons = reasonsAgainst(facts)
      expect(reasons.map((reason) => reason.code)).to.deep.equal(codes)
      expect(reasons.every((reason) => reason.remedy)).to.equal(true)
    })
  }

  it('quotes the version that is too old and the one that is needed', () => {
    expect(reasonsAgainst({ ...good, criu: '4.1.1' })[0]?.message).to.equal('criu is 4.1.1, at least 4.2.1 is needed')
  })

  it('warns without refusing', () => {
    const facts = { ...good, userfaultfd: false, ioUringAllowed: true, selinuxEnforcing: true }
    expect(warningsAbout(facts).map((warning) => warning.code)).to.deep.equal(['NoMemoryTracker', 'SelinuxEnforcing', 'IoUringAllowed'])
  })
})

describe('facts of the machine', () => {
  it('CPU model and features, sorted so that two nodes compare', () => {
    const text =
      'processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: sse2 avx\n\nprocessor\t: 1\nmodel name\t: Some CPU\nflags\t\t: sse2 avx\n'
    expect(parseCpu(text)).to.deep.equal({ cpuModel: 'Some CPU', cpuFeatures: ['avx', 'sse2'] })
  })

  it('an own program is started by the loader that came with it', () => {
    const libraries = parseLibraries(
      '\tlinux-vdso.so.1 (0x0)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x1)\n\t/lib64/ld-linux-x86-64.so.2 (0x2)\n',
    )
    expect(libraries).to.deep.equal(['/lib/x/libc.so.6', '/lib64/ld-linux-x86-64.so.2'])
    expect(launcher('/opt/f', 'criu', libraries)).to.contain('exec /opt/f/ld-linux-x86-64.so.2 --library-path /opt/f /opt/f/criu "$@"')
  })
})
