// What a pod's sockets are besides open: options, half-closed ends, full queues, groups, Unix sockets. Each is as it was, or as docs/networks.md says.
import { expect } from 'chai'
import { Prompt, promptPod } from '../workloads/prompt.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

const app = 'states'
/** Level, name and value of options of a connection: what criu carries (keepalive, linger's kin) and what it does not. */
const options = [
  [6, 1, 1],
  [1, 9, 1],
  [6, 4, 33],
  [6, 5, 7],
  [6, 6, 5],
  [0, 1, 16],
  [6, 18, 12_345],
  [6, 25, 4096],
  [6, 8, 20],
  [6, 7, 4],
] as const
const optionsNow = `[conns["options"].getsockopt(level, name) for level, name, value in ${JSON.stringify(options)}] + [conns["options"].getsockopt(6, 13, 16).rstrip(b"\\0")]`
const listenerNow = '[server.getsockopt(6, 9), server.getsockopt(6, 23)]'
const groupsNow = '["030201EF" in open("/proc/net/igmp").read(), group.getsockopt(0, 33), group.getsockopt(0, 34)]'
const conns = ['options', 'ended here', 'ended there', 'full'] as const

const openInPod = `
for level, name, value in ${JSON.stringify(options)}: conns["options"].setsockopt(level, name, value)
conns["options"].setsockopt(6, 13, b"reno" if open("/proc/sys/net/ipv4/tcp_congestion_control").read() != "reno\\n" else b"cubic")
conns["ended here"].shutdown(socket.SHUT_WR)
server.setsockopt(6, 9, 5)
server.setsockopt(6, 23, 16)
pair = [socket.socket() for i in range(2)]
for one in pair:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(("", 7010))
    one.listen(16)
    one.setblocking(False)
unread = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
unread.bind(("", 7020))
group = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
group.bind(("", 7040))
group.setsockopt(0, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + socket.inet_aton("0.0.0.0"))
group.setsockopt(0, 33, 4)
group.setsockopt(0, 34, 0)
ends = [socket.socketpair(socket.AF_UNIX, kind) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET)]
for a, b in ends: a.send(b"one"); a.send(b"two")
named = socket.socket(socket.AF_UNIX)
named.bind("\\0states")
named.listen(5)
bound = socket.socket()
bound.bind(("", 7050))
asking = socket.socket()
asking.setblocking(False)
asking.connect_ex((outside, 7900))
`
const fill = `
conns["full"].setblocking(False)
sent = 0
try:
    while True: sent += conns["full"].send(bytes(range(256)) * 64)
except BlockingIOError: pass
`
const drained = (bytes: number): string => `
conns["full"].settimeout(5)
got = b""
while len(got) < ${bytes}: got += conns["full"].recv(65536)
`
const asItShouldBe = '[len(got), got == (bytes(range(256)) * (len(got) // 256 + 1))[:len(got)]]'
const acceptAll = `
accepted = []
for one in pair:
    accepted.append(0)
    try:
        while one.accept(): accepted[-1] += 1
    except BlockingIOError: pass
`

describe('the sockets of a moving pod', () => {
  let world: World
  let prompt: Prompt
  let podIp = ''
  before(async function () {
    this.timeout(900_000)
    world = await sharedWorld()
  })
  beforeEach(async () => {
    await world.apply(promptPod(app, 'node-1'))
    podIp = (await world.pod(app)).status?.podIP ?? ''
    prompt = await world.until('the pod to take orders', async () => await Prompt.to(world.lab, podIp).catch(() => undefined))
    await prompt.inPod('server = socket.create_server(("", 7000), backlog=64)')
    for (const where of ['inPod', 'outside'] as const) await prompt[where]('conns = {}')
  })
  afterEach(async () => {
    prompt.close()
    await world.remove('pods', '-l', `app=${app}`, '--now')
    await world.remove('podmigrations', '--all')
  })

  async function connect(name: string): Promise<void> {
    await prompt.outside(`conns[${JSON.stringify(name)}] = socket.create_connection((${JSON.stringify(podIp)}, 7000), 5)`)
    await prompt.inPod(`conns[${JSON.stringify(name)}] = server.accept()[0]`)
  }

  async function move() {
    return (await world.migrate((await world.pod(app)).metadata?.name ?? '', { targetNodeName: 'node-2' })).status
  }

  it('are as they were', async () => {
    for (const name of conns) await connect(name)
    const outside = await prompt.inPod<string>('conns["full"].getpeername()[0]')
    // A port that does not answer: the pod's connection is still being made when it moves.
    await prompt.outside('late = socket.create_server(("", 7900))')
    await prompt.outside(
      'os.system("nft add table ip late; nft \'add chain ip late c { type filter hook input priority 0; }\'; nft add rule ip late c tcp dport 7900 drop")',
    )
    await prompt.inPod(`outside = ${JSON.stringify(outside)}`)
    await prompt.inPod(openInPod)
    await prompt.outside('conns["ended there"].shutdown(socket.SHUT_WR)')
    const sent: number[] = []
    for (const where of ['outside', 'inPod'] as const) {
      await prompt[where](fill)
      sent.push(await prompt[where]<number>('sent'))
    }
    await prompt.outside(`socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"lost", (${JSON.stringify(podIp)}, 7020))`)
    const before = [await prompt.inPod(optionsNow), await prompt.inPod(listenerNow), await prompt.inPod(groupsNow)]
    expect(before[2]).to.deep.equal([true, 4, 0])

    const status = await move()
    expect(status?.phase, status?.message).to.equal('Complete')
    expect(status?.warnings).to.deep.equal(['Datagrams that waited unread at the freeze are lost (UDP sockets: 1)'])
    expect([await prompt.inPod(optionsNow), await prompt.inPod(listenerNow), await prompt.inPod(groupsNow)]).to.deep.equal(before)

    await prompt.outside('conns["ended here"].send(b"still")')
    expect(await prompt.inPod('conns["ended here"].recv(9)')).to.equal('still')
    await prompt.inPod('conns["ended there"].send(b"still")')
    expect(await prompt.outside('conns["ended there"].recv(9)')).to.equal('still')
    for (const [index, where] of (['inPod', 'outside'] as const).entries()) {
      await prompt[where](drained(sent[index] ?? 0))
      expect(await prompt[where](asItShouldBe)).to.deep.equal([sent[index], true])
    }
    await prompt.outside(`all = [socket.create_connection((${JSON.stringify(podIp)}, 7010), 5) for i in range(24)]`)
    await prompt.inPod(acceptAll)
    const accepted = await prompt.inPod<number[]>('accepted')
    expect([accepted.reduce((sum, count) => sum + count, 0), accepted.every((count) => count > 0)]).to.deep.equal([24, true])
    expect(await prompt.inPod('[b.recv(3) + b.recv(3) for a, b in ends]')).to.deep.equal(['onetwo', 'onetwo', 'onetwo'])
    expect(await prompt.inPod('[socket.socket(socket.AF_UNIX).connect("\\0states"), bound.getsockname()[1]]')).to.deep.equal([null, 7050])
    await prompt.outside('os.system("nft delete table ip late")')
    expect(await prompt.inPod('[select.select([], [asking], [], 15)[1] != [], asking.getsockopt(1, 4)]')).to.deep.equal([true, 0])
  })

  it('that the pod does not accept keep it where it is, and stay open', async () => {
    await prompt.outside(`waiting = socket.create_connection((${JSON.stringify(podIp)}, 7000), 5)`)
    const status = await move()
    expect([status?.phase, status?.failure?.code]).to.deep.equal(['RolledBack', 'UnacceptedConnections'])
    expect(status?.message).to.contain('1 connection waits at its listeners')
    await prompt.outside('waiting.send(b"hello")')
    expect(await prompt.inPod('server.accept()[0].recv(9)')).to.equal('hello')
  })
})
