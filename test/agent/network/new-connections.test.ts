// What opens a connection while a pod is about to leave: it waits on the destination from before the hold, and nothing is half open at the freeze.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { Attached } from '../../../src/agent/rooms.ts'
import { clientIp, Nodes, nodeIps, type Pod, podIp, podIp6 } from './nodes.ts'

/** As kube-proxy does it for every node's address. */
const nodePort = `nft -f - <<X
table ip proxy {
  chain pre { type nat hook prerouting priority -100; fib daddr type local tcp dport 30000 meta mark set meta mark | 0x4000 dnat to ${podIp}:7000; }
  chain out { type nat hook output priority -100; fib daddr type local tcp dport 30000 meta mark set meta mark | 0x4000 dnat to ${podIp}:7000; }
  chain post { type nat hook postrouting priority 100; meta mark & 0x4000 == 0x4000 masquerade fully-random; }
}
X`

describe('new connections of a pod that is about to move', function () {
  this.timeout(60_000)
  let nodes: Nodes
  let source: Pod
  let destination: Pod & { attached: Attached }

  beforeEach(async function () {
    if (process.getuid?.() !== 0) this.skip()
    nodes = new Nodes()
  })

  afterEach(() => nodes?.close())

  async function prepared(): Promise<void> {
    const { ips } = nodes
    source = await nodes.addBridgedPod('a', 'pa', podIp)
    destination = await nodes.addAwaitedPod('b', 'pb', podIp)
    for (const node of ['a', 'b'] as const)
      await nodes.call(node, 'apply', { nodeIps: nodes.nodeIpsOf(node), podCidrs: [], movable: ips, moved: [] })
    const { legs, openPorts } = await nodes.survey('a', source)
    await nodes.call('a', 'prepare', { uid: 'm1', ips, legs })
    await nodes.call('b', 'arm', { uid: 'm1', ips, legs, openPorts })
    await nodes.call('a', 'prepareDivert', diversion())
    await nodes.call('b', 'prepareHold', { uid: 'm1', ips, attached: destination.attached, otherNodeIps: nodes.nodeIpsOf('a') })
    await nodes.call('b', 'awaitNew', { uid: 'm1', ips })
  }

  /** Whose are half open in the end. */
  async function newWait(withinMs = 2000): Promise<string[]> {
    return await nodes.call<string[]>('a', 'sendNewOn', { ...diversion(), withinMs })
  }

  function diversion() {
    return { uid: 'm1', ips: nodes.ips, destinationNodeIps: nodes.nodeIpsOf('b'), role: 'source', sandboxPid: source.pid }
  }

  async function holdAndDivert(): Promise<void> {
    await nodes.call('b', 'hold', { uid: 'm1', ips: nodes.ips, attached: destination.attached })
    await nodes.call('a', 'divert', diversion())
    await nodes.call('a', 'lock', { uid: 'm1', sandboxPid: source.pid })
  }

  async function undone(): Promise<void> {
    await nodes.call('a', 'undo', { uid: 'm1', role: 'source', sandboxPid: source.pid, otherNodeIps: nodes.nodeIpsOf('b') })
    await nodes.call('b', 'undo', { uid: 'm1', role: 'destination', otherNodeIps: nodes.nodeIpsOf('a') })
    await sleep(200)
    await nodes.call('a', 'wayBackEnds', nodes.ips)
  }

  /** From outside, from a neighbour on the bridge, from both nodes, from a pod of the destination, through NodePorts, all at once. */
  async function opened(): Promise<Promise<string>[]> {
    for (const node of ['a', 'b'] as const) nodes.in(node, nodePort)
    await nodes.addBridgedPod('a', 'qa', '10.244.1.6')
    await nodes.addBridgedPod('b', 'qb', '10.244.2.6')
    const targets = [`${podIp} 7000`, ...(nodes.ips.length > 1 ? [`${podIp6} 7000`] : [])]
    const direct = ['c', 'qa', 'qb', 'a', 'b'].flatMap((from) => targets.map((to) => [from, to] as const))
    const served = [nodeIps.a, nodeIps.b].map((node) => ['c', `${node} 30000`] as const)
    const clients = [...direct, ...served, ['b', `${nodeIps.b} 30000`] as const].map(
      ([from, to]) => [nodes.client(from), from, to] as const,
    )
    await Promise.all(clients.map(async ([client]) => await client.ask('stats')))
    return clients.map(async ([client, from, to]) => {
      await client.ask(`connect ${to}`)
      return `${from} to ${to}: ${String(await client.ask('say hello'))
        .split(' ')
        .at(-1)}`
    })
  }

  /** Segments that had to be sent again, by anyone. */
  function sentAgain(): number {
    return ['a', 'b', 'c', 'qa', 'qb'].reduce((sum, namespace) => {
      const [names = '', values = ''] = nodes.in(namespace, 'grep ^Tcp: /proc/net/snmp').split('\n')
      return sum + Number(values.split(' ')[names.split(' ').indexOf('RetransSegs')])
    }, 0)
  }

  async function isPending(answers: readonly Promise<unknown>[]): Promise<boolean> {
    return await Promise.race([sleep(100).then(() => true), ...answers.map(async (answer) => !(await answer))])
  }

  function leftBehind(): string {
    const left = ['a', 'b'].map((node) =>
      nodes.in(node, 'ip rule show pref 90; ip -6 rule show pref 90; ip route show table 28672 2>&1 || true; nft list tables netdev'),
    )
    const awaited = nodes.in('b', 'nft list set ip podmotion awaited').includes('elements') ? 'awaited' : ''
    return [...left, awaited].join('').replace('Error: ipv4: FIB table does not exist.\nDump terminated\n', '')
  }

  for (const dual of [false, true]) {
    it(`wait ahead of the hold, whoever opens them, and reach the pod where it goes${dual ? ' (both families)' : ''}`, async () => {
      if (dual) nodes.dualStack()
      await prepared()
      expect(await newWait()).to.deep.equal([])
      const answers = await opened()
      expect(await isPending(answers), 'nobody has come through').to.equal(true)
      await holdAndDivert()
      await nodes.call('b', 'release', { uid: 'm1', ips: nodes.ips, attached: destination.attached })
      expect((await Promise.all(answers)).filter((answer) => !answer.endsWith(' pb'))).to.deep.equal([])
      for (const node of ['a', 'b'] as const) await nodes.call(node, 'settle', 'm1')
      expect(leftBehind().trim()).to.equal('')
    })

    it(`are given back when the move is undone, ${dual ? 'held already (both families)' : 'before the hold'}`, async () => {
      if (dual) nodes.dualStack()
      await prepared()
      await newWait()
      const answers = await opened()
      expect(await isPending(answers), 'nobody has come through').to.equal(true)
      if (dual) await holdAndDivert()
      await undone()
      expect((await Promise.all(answers)).filter((answer) => !answer.endsWith(' pa'))).to.deep.equal([])
      // Those that were held have waited for so long that a timer may have gone off.
      if (!dual) expect(sentAgain(), 'sent again').to.equal(0)
      expect(leftBehind().trim()).to.equal('')
    })
  }

  it('are given back where the destination drops what it has not seen the beginning of, as kube-proxy’s iptables mode does', async () => {
    await prepared()
    nodes.in('b', 'nft "table ip strict { chain forward { type filter hook forward priority 0; ct state invalid counter drop; }; }"')
    // It has not heard of the way back yet, and won't.
    nodes.in('c', `ip route replace ${podIp} via ${nodeIps.b}`)
    await newWait()
    const client = nodes.client('c')
    await client.ask('stats')
    const opening = client.ask(`connect ${podIp} 7000`)
    expect(await isPending([opening])).to.equal(true)
    await holdAndDivert()
    await undone()
    expect(await opening).to.equal('connected')
    expect(await client.ask('say hello')).to.match(/^hello \d+ pa$/)
    expect(nodes.in('b', 'nft list table ip strict')).to.include('counter packets 0 ')
  })

  it('are given back by a later life of the destination’s agent, whose sweep leaves their way alone', async () => {
    await prepared()
    await newWait()
    const client = nodes.client('c')
    await client.ask('stats')
    const opening = client.ask(`connect ${podIp} 7000`)
    expect(await isPending([opening])).to.equal(true)
    await nodes.restartAgent('b', ['m1'])
    expect(nodes.in('b', 'nft list tables netdev')).to.include('podmotion_back_')
    await undone()
    expect(await opening).to.equal('connected')
    expect(leftBehind().trim()).to.equal('')
  })

  it('that are half open are waited for, and not for ever', async () => {
    await prepared()
    const client = nodes.client('c')
    // As far away as it gets: the last segment of the handshake does not come.
    nodes.in('c', 'nft "table ip far { chain out { type filter hook output priority 0; tcp dport 7000 tcp flags & syn == 0 drop; }; }"')
    expect(await client.ask(`connect ${podIp} 7000`)).to.equal('connected')
    expect((await newWait(50)).map((peer) => peer.split(' ')[0])).to.deep.equal([clientIp])
    const ended = newWait()
    expect(await Promise.race([ended, sleep(100).then(() => 'waits')])).to.equal('waits')
    nodes.in('c', 'nft delete table ip far')
    expect(await client.ask('say hello')).to.match(/^hello \d+ pa$/)
    expect(await ended).to.deep.equal([])
    await holdAndDivert()
    await undone()
    expect(await client.ask('say again')).to.match(/^again \d+ pa$/)
    expect(await client.ask('stats')).to.deep.equal({ errors: [], lines: [] })
  })
})
