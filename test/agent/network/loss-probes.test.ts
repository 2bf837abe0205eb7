// Tail loss probes of a pod that leaves: its kernel would send what is acknowledged elsewhere once more.
import { expect } from 'chai'
import { Nodes, nodeIps, type Pod, podIp } from './nodes.ts'

describe('tail loss probes of a pod that leaves', function () {
  this.timeout(60_000)
  let nodes: Nodes
  let pod: Pod

  beforeEach(async function () {
    if (process.getuid?.() !== 0) this.skip()
    nodes = new Nodes()
    pod = await nodes.addBridgedPod('a', 'pa', podIp)
  })

  afterEach(() => nodes?.close())

  const setting = (): string => nodes.in('pa', 'sysctl -n net.ipv4.tcp_early_retrans').trim()

  it('are off from before its diversion on, and as they were when it stays', async () => {
    nodes.in('pa', 'sysctl -qw net.ipv4.tcp_early_retrans=4')
    const ours = nodes.in('a', 'sysctl -n net.ipv4.tcp_early_retrans')
    const move = { uid: 'm1', role: 'source', ips: nodes.ips, sandboxPid: pod.pid, destinationNodeIps: [nodeIps.b] }
    await nodes.call('a', 'prepareDivert', move)
    expect(setting()).to.equal('0')
    await nodes.call('a', 'divert', move)
    expect(setting()).to.equal('0')
    await nodes.call('a', 'undo', { uid: 'm1', role: 'source', sandboxPid: pod.pid })
    expect(setting()).to.equal('4')
    expect(nodes.in('a', 'sysctl -n net.ipv4.tcp_early_retrans')).to.equal(ours)
  })
})
