// A pod of the RuntimeClass is attached beside its bridge from birth: every way to and from it works, it moves away and home, and nothing is left of it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import type { Machine } from '../machine.ts'
import { said } from '../said.ts'
import { differences, quietStates, type States, statesOf } from './node-state.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const app = 'born'
const twin = 'born-too'
const neighbour = 'on-the-bridge'
const ported = 'born-port'
const unready = 'born-before'
/** What the wrapper asks for. */
const allowed = '/run/podmotion/attach-at-birth'
const hostPort = 17000
const patienceMs = 200_000
/** Asks three times, one connection each. */
const ask = `
import socket, sys
for n in range(3):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as s:
        f = s.makefile("rwb"); f.write(b"%d\\n" % n); f.flush()
        assert f.readline().startswith(b"%d " % n)
print("answered")
`
/** The same for a node, which has no python: its host's own process. */
const askFromNode = 'exec 3<>/dev/tcp/$0/$1 && echo 7 >&3 && read -t 5 -r line <&3 && [ "${line%% *}" = 7 ] && echo answered'

describe('a pod attached at birth', () => {
  let world: World
  let atFirst: States
  let pod: V1Pod
  let home: Machine
  let ip: string
  let homeAddress: string
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
    atFirst = await quietStates(world.lab.nodes)
    home = world.lab.node('node-2')
    const spec = { nodeName: 'node-2' }
    await world.deployEchos({ name: neighbour, spec: { ...spec, runtimeClassName: null } })
    await world.pod(neighbour)
    await world.deployEchos({ name: twin, spec })
    await world.pod(twin)
    pod = await world.deployEcho({ name: app, nodeName: 'node-2' })
    ip = pod.status?.podIP ?? ''
    homeAddress = pod.status?.hostIP ?? ''
    expect(pod.spec?.nodeName).to.equal('node-2')
  })
  after(async function () {
    this.timeout(400_000)
    for (const name of [app, twin, neighbour, ported, unready]) await world.remove(`deployment/${name}`, `service/${name}`, '--wait')
    await world.remove('podmigrations', '--all')
  })

  async function on(node: Machine, ...command: string[]): Promise<string> {
    return (await said(node.run('sh', ['-c', command.join(' ')], { all: true, reject: false }))).stdout.trim()
  }

  /** The device that the address leads to, and the bridge that that is a port of. */
  async function attachment(of: V1Pod, node: Machine): Promise<{ route: string; master: string; proxy: string }> {
    const address = of.status?.podIP ?? ''
    const route = await on(node, `ip -4 route show ${address}/32`)
    const veth = /dev (\S+)/.exec(route)?.[1] ?? 'none'
    return {
      route,
      master: await on(node, `basename $(readlink /sys/class/net/${veth}/master) 2>/dev/null`),
      proxy: await on(node, `ip neigh show proxy | grep -F '${address} '`),
    }
  }

  async function expectAnswers(what: string, from: Promise<{ all: string }>): Promise<void> {
    expect((await from).all, what).to.contain('answered')
  }

  const process = (from: Machine, to: string, port = '7000') =>
    said(from.run('python3', ['-c', ask, to, port], { all: true, reject: false }))
  const nodeProcess = (from: Machine, to: string, port = '7000') =>
    said(from.run('timeout', ['10', 'bash', '-c', askFromNode, to, port], { all: true, reject: false }))

  async function everyWay(of: V1Pod, node: Machine, service: string): Promise<void> {
    const [address, clusterIp] = [of.status?.podIP ?? '', await world.serviceAddress(service)]
    const [other, plain] = [await world.pod(twin), await world.pod(neighbour)]
    const echo = (from: V1Pod, to: string, port = '7000') => world.exec(from, 'echo', 'python3', '-c', ask, to, port)
    const nodePort = (await world.kubectl('get', 'service', service, '-o', 'jsonpath={.spec.ports[0].nodePort}')).stdout
    for (const [kind, to] of [
      ['address', address],
      ['Service', clusterIp],
    ] as const) {
      await expectAnswers(`pod on the bridge to its ${kind}`, echo(plain, to))
      await expectAnswers(`pod beside the bridge to its ${kind}`, echo(other, to))
      await expectAnswers(`to itself by its ${kind}`, echo(of, to))
      await expectAnswers(`its node to its ${kind}`, nodeProcess(node, to))
      await expectAnswers(`client outside to its ${kind}`, process(world.lab.client, to))
    }
    await expectAnswers('it to a pod on the bridge', echo(of, plain.status?.podIP ?? ''))
    await expectAnswers('it to a pod beside the bridge', echo(of, other.status?.podIP ?? ''))
    await expectAnswers('it to a Service of the node', echo(of, await world.serviceAddress(twin)))
    await expectAnswers('NodePort from outside', process(world.lab.client, homeAddress, nodePort))
    await expectAnswers('NodePort from its own node', nodeProcess(node, homeAddress, nodePort))
    await expectAnswers('NodePort from itself', echo(of, homeAddress, nodePort))
  }

  async function expectBeside(of: V1Pod): Promise<void> {
    const { route, master, proxy } = await attachment(of, home)
    expect(route).to.match(/dev veth\w+ proto 112 scope link/)
    expect(master).to.equal('')
    expect(proxy).to.contain('dev cni0')
  }

  it('has a way of its own, and an ordinary pod has not', async () => {
    await expectBeside(pod)
    await expectBeside(await world.pod(twin))
    expect((await attachment(await world.pod(neighbour), home)).route).to.equal('')
    expect((await world.exec(pod, 'echo', 'cat', '/proc/net/route')).stdout).to.contain('eth0')
  })

  it('is reached and reaches in every way, whatever the bridge tells netfilter', async function () {
    this.timeout(400_000)
    await world.kubectl('patch', 'service', app, '-p', '{"spec":{"type":"NodePort"}}')
    await sleep(3000)
    const setting = '/proc/sys/net/bridge/bridge-nf-call-iptables'
    const before = await on(home, `cat ${setting} 2>/dev/null`)
    await everyWay(pod, home, app)
    if (before === '') return
    await on(home, `echo ${before === '1' ? 0 : 1} > ${setting}`)
    try {
      await everyWay(pod, home, app)
    } finally {
      await on(home, `echo ${before} > ${setting}`)
    }
  })

  it('has its host port, from outside, from its node and there from localhost', async function () {
    this.timeout(200_000)
    const echo = { name: ported, nodeName: 'node-2' }
    await world.deployEchos(echo)
    const ports = [{ containerPort: 7000, hostPort }]
    await world.kubectl(
      'patch',
      'deployment',
      ported,
      '-p',
      JSON.stringify({
        spec: { strategy: { type: 'Recreate', rollingUpdate: null }, template: { spec: { containers: [{ name: 'echo', ports }] } } },
      }),
    )
    await world.kubectl('rollout', 'status', `deployment/${ported}`, '--timeout=90s')
    const withPort = await world.pod(ported)
    await expectBeside(withPort)
    await expectAnswers('from outside', process(world.lab.client, homeAddress, String(hostPort)))
    await expectAnswers('from its node', nodeProcess(home, homeAddress, String(hostPort)))
    await expectAnswers('from localhost', nodeProcess(home, '127.0.0.1', String(hostPort)))
    await expectAnswers(
      'from a pod on the bridge',
      world.exec(await world.pod(neighbour), 'echo', 'python3', '-c', ask, homeAddress, String(hostPort)),
    )
    await expectAnswers('from itself', world.exec(withPort, 'echo', 'python3', '-c', ask, homeAddress, String(hostPort)))
  })

  it('moves away, is rolled back, comes home and goes on under clients that notice nothing', async function () {
    this.timeout(600_000)
    const ending = new AbortController()
    const talking = [await world.serviceAddress(app), ip].map((address) => world.talk(address, 300, 8, ending.signal))
    await sleep(1000)
    const failed = await world.migrate(pod.metadata?.name ?? '', { targetNodeName: 'node-3', freezeWindowBudgetMs: 50 })
    expect(failed.status?.phase, failed.status?.message).to.equal('RolledBack')
    await expectBeside(pod)
    for (const targetNodeName of ['node-3', 'node-2']) {
      const moved = await world.migrate((await world.pod(app)).metadata?.name ?? '', { targetNodeName })
      expect(moved.status?.phase, moved.status?.message).to.equal('Complete')
    }
    ending.abort()
    for (const talk of await Promise.all(talking)) expect(talk.errors).to.deep.equal([])
    const back = await world.pod(app)
    expect(back.status?.podIP).to.equal(ip)
    await expectBeside(back)
    await everyWay(back, home, app)
  })

  it('is born on its bridge where the node is not ready for it, and leaves that at its first move', async function () {
    this.timeout(400_000)
    await on(home, `rm ${allowed}`)
    const early = await world.deployEcho({ name: unready, nodeName: 'node-2' }).finally(() => on(home, `touch ${allowed}`))
    expect((await attachment(early, home)).route).to.equal('')
    const ending = new AbortController()
    const talking = world.talk(await world.serviceAddress(unready), 300, 8, ending.signal)
    await sleep(1000)
    for (const targetNodeName of ['node-3', 'node-2']) {
      const moved = await world.migrate((await world.pod(unready)).metadata?.name ?? '', { targetNodeName })
      expect(moved.status?.phase, moved.status?.message).to.equal('Complete')
    }
    ending.abort()
    expect((await talking).errors).to.deep.equal([])
    await expectBeside(await world.pod(unready))
  })

  it('leaves nothing', async function () {
    this.timeout(400_000)
    for (const name of [app, twin, neighbour, ported, unready]) await world.remove(`deployment/${name}`, `service/${name}`, '--wait')
    const endMs = Date.now() + patienceMs
    for (;;) {
      const now = await statesOf(world.lab.nodes, ip)
      const wrong = [...now].flatMap(([node, state]) => differences(atFirst.get(node) ?? new Set(), state).map((line) => `${node} ${line}`))
      if (wrong.length === 0) return
      if (Date.now() > endMs) expect(wrong).to.deep.equal([])
      await sleep(5000)
    }
  })
})
