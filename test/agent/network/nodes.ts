// Two nodes with a bridge, pods and a client outside, each a network namespace; the real network room runs in each node.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { readConfig } from '../../../src/agent/config.ts'
import type { Attached, FlowSurvey } from '../../../src/agent/rooms.ts'
import { nativeHelper, nativeProgram } from '../native-helper.ts'

const projectRoot = path.resolve(import.meta.dirname, '../../..')
const fixtures = path.join(import.meta.dirname, 'fixtures')
export const podIp = '10.244.1.5'
export const nodeIps = { a: '172.31.0.1', b: '172.31.0.2' } as const
export const clientIp = '172.31.0.9'
/** Where `dualStack` was asked for. */
export const podIp6 = ipv6Of(podIp)
export const nodeIps6 = { a: 'fd00:31::1', b: 'fd00:31::2' } as const
export const clientIp6 = 'fd00:31::9'
export const podCidrs = ['10.244.1.0/24', '10.244.2.0/24']
export type NodeName = keyof typeof nodeIps

/** Namespaces: names are short because devices are named after them. */
export class Nodes {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'podmotion-network-'))
  readonly #prefix = `pm${process.pid}`
  readonly #namespaces: string[] = []
  readonly #children: ChildProcess[] = []
  readonly #agents = new Map<NodeName, Lines>()
  #isDual = false

  constructor() {
    this.#addNamespace('fab')
    this.in('fab', 'ip link add fab type bridge && ip link set fab up')
    for (const [name, ip] of [...Object.entries(nodeIps), ['c', clientIp] as const]) this.#addHost(name, ip)
    for (const name of ['a', 'b'] as const) this.#addNode(name)
    this.in('c', `ip route add 10.244.1.0/24 via ${nodeIps.a}; ip route add 10.244.2.0/24 via ${nodeIps.b}`)
  }

  /** IPv6 beside IPv4, for nodes and for pods that come after this. */
  dualStack(): void {
    this.#isDual = true
    for (const [name, ip] of [...Object.entries(nodeIps6), ['c', clientIp6] as const]) {
      this.in(name, `sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0; ip addr add ${ip}/64 dev eth0 nodad`)
      for (const node of ['a', 'b'] as const) {
        const range = `fd00:244:0:${node === 'a' ? 1 : 2}::`
        if (name === node) this.in(name, `sysctl -qw net.ipv6.conf.cni0.accept_dad=0; ip addr add ${range}1/64 dev cni0 nodad`)
        else this.in(name, `ip route add ${range}/64 via ${nodeIps6[node]}`)
      }
    }
  }

  /** Of the pod. */
  get ips(): string[] {
    return this.#isDual ? [podIp, podIp6] : [podIp]
  }

  nodeIpsOf(name: NodeName): string[] {
    return this.#isDual ? [nodeIps[name], nodeIps6[name]] : [nodeIps[name]]
  }

  in(namespace: string, script: string): string {
    return execFileSync('ip', ['netns', 'exec', this.#name(namespace), 'sh', '-ec', script], { encoding: 'utf8' })
  }

  /** A pod that the bridge plugin attached: a port of cni0. */
  async addBridgedPod(node: NodeName, name: string, ip: string): Promise<Pod> {
    const gateway = node === 'a' ? '10.244.1.1' : '10.244.2.1'
    this.#addVeth(node, name)
    this.in(node, `ip link set h${name} master cni0; ip link set h${name} type bridge_slave hairpin on`)
    this.in(name, `ip addr add ${ip}/24 dev eth0; ip route add default via ${gateway}`)
    if (this.#isDual) this.in(name, `ip addr add ${ipv6Of(ip)}/64 dev eth0 nodad; ip route add default via ${ipv6Of(gateway)}`)
    return await this.#start(name)
  }

  /** The same, and podmotion-runc was asked to create its sandbox. */
  async addBornPod(node: NodeName, name: string, ip: string): Promise<Pod> {
    const pod = await this.addBridgedPod(node, name, ip)
    const folder = path.join(this.folder, 'births', name)
    mkdirSync(path.join(folder, 'run'), { recursive: true })
    writeFileSync(path.join(folder, 'run/attach-at-birth'), '')
    const namespaces = [{ type: 'network', path: `/proc/${pod.pid}/ns/net` }]
    const annotations = { 'io.kubernetes.cri.container-type': 'sandbox' }
    writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ annotations, linux: { namespaces } }))
    this.in(node, `PODMOTION_RUNC=/bin/true PODMOTION_RUN_DIR=${folder}/run ${nativeProgram('runc')} create --bundle ${folder} ${name}`)
    return pod
  }

  /** A pod as podmotion-cni attaches an awaited one: point-to-point, no route to it yet. */
  async addAwaitedPod(node: NodeName, name: string, ip: string): Promise<Pod & { attached: Attached }> {
    const gateway = node === 'a' ? '10.244.1.1' : '10.244.2.1'
    this.#addVeth(node, name)
    const hostMac = this.in(node, `cat /sys/class/net/h${name}/address`).trim()
    this.in(
      name,
      `ip addr add ${ip}/32 dev eth0; ip route add ${gateway} dev eth0 scope link; ip route add default via ${gateway}
       ip neigh replace ${gateway} lladdr ${hostMac} dev eth0 nud permanent
       sysctl -qw net.ipv4.conf.all.arp_ignore=8 net.ipv4.conf.eth0.arp_ignore=8`,
    )
    const gateway6 = ipv6Of(gateway)
    if (this.#isDual)
      this.in(
        name,
        `ip addr add ${ipv6Of(ip)}/128 dev eth0 nodad; ip route add ${gateway6} dev eth0; ip route add default via ${gateway6}
         ip neigh replace ${gateway6} lladdr ${hostMac} dev eth0 nud permanent`,
      )
    const podMac = this.in(name, 'cat /sys/class/net/eth0/address').trim()
    return { ...(await this.#start(name)), attached: { hostVeth: `h${name}`, podMac, gateway, netns: name } }
  }

  async removePod(node: NodeName, name: string): Promise<void> {
    this.in(node, `ip link del h${name}`)
  }

  client(namespace: string): Client {
    return new Client(new Lines(this.#spawn(namespace, 'node', [path.join(fixtures, 'client.mjs')])))
  }

  async call<T = null>(node: NodeName, method: string, ...args: unknown[]): Promise<T> {
    const agent = this.#agents.get(node) ?? this.#startAgent(node)
    const answer = JSON.parse(await agent.ask(JSON.stringify({ method, args }))) as { result: T; error?: string }
    if (answer.error !== undefined) throw new Error(answer.error)
    return answer.result
  }

  /** Killed, and started anew: it sweeps before it is asked anything. */
  async restartAgent(node: NodeName, openUids: string[] = []): Promise<void> {
    this.#agents.get(node)?.kill()
    this.#agents.delete(node)
    await this.call(node, 'sweep', openUids, false)
  }

  survey(node: NodeName, pod: Pod, serviceIps: string[] = []): Promise<FlowSurvey> {
    return this.call<FlowSurvey>(node, 'survey', {
      ips: this.ips,
      sandboxPid: pod.pid,
      podCidrs,
      serviceIps,
    })
  }

  /** As flannel's VXLAN, on a network between the nodes that takes no pod's address. */
  tunnel(): void {
    this.#addTunnel('a', 'b')
    this.#addTunnel('b', 'a')
    const rules = ['saddr', 'daddr'].map((field) => `ip ${field} 10.244.0.0/16 counter drop;`).join(' ')
    this.in('fab', `nft 'table bridge strict { chain forward { type filter hook forward priority 0; ${rules} }; }'`)
  }

  #addTunnel(name: NodeName, other: NodeName): void {
    const [own, far] = [name, other].map((node) => (node === 'a' ? '1' : '2'))
    this.in(
      name,
      `ip link add flannel.1 address 0e:00:00:00:00:0${own} mtu 1450 type vxlan id 1 dstport 8472 local ${nodeIps[name]} dev eth0 nolearning
       ip addr add 10.244.${own}.0/32 dev flannel.1; ip link set flannel.1 up
       ip neigh replace 10.244.${far}.0 lladdr 0e:00:00:00:00:0${far} dev flannel.1 nud permanent
       bridge fdb replace 0e:00:00:00:00:0${far} dev flannel.1 dst ${nodeIps[other]}
       ip route replace 10.244.${far}.0/24 via 10.244.${far}.0 dev flannel.1 onlink`,
    )
  }

  /** To the lock; returns how to roll it back. */
  async halfMove(uid: string, { from, to, pod, attached }: WholeMove): Promise<() => Promise<void>> {
    const { ips } = this
    const { legs, openPorts } = await this.survey(from, pod)
    await this.call(from, 'prepare', { uid, ips, legs })
    await this.call(to, 'arm', { uid, ips, legs, openPorts })
    await this.call(to, 'hold', { uid, ips, attached, otherNodeIps: this.nodeIpsOf(from) })
    await this.call(from, 'divert', { uid, ips, destinationNodeIps: this.nodeIpsOf(to), role: 'source', sandboxPid: pod.pid })
    await this.call(from, 'lock', { uid, sandboxPid: pod.pid })
    return async () => {
      await this.call(from, 'undo', { uid, role: 'source', sandboxPid: pod.pid })
      await this.call(to, 'undo', { uid, role: 'destination' })
      this.in(to, `ip link set ${(attached as { hostVeth: string }).hostVeth} up`)
    }
  }

  async wholeMove(uid: string, way: WholeMove): Promise<void> {
    const { from, to, attached } = way
    await this.halfMove(uid, way)
    await this.call(to, 'release', { uid, ips: this.ips, attached })
    for (const node of [from, to]) await this.call(node, 'settle', uid)
  }

  /** Everything that a move may change on a node, as text. */
  snapshot(node: NodeName): string {
    // A bridge says UNKNOWN for a moment before it says UP.
    const links = this.in(node, 'ip -br link | sort').replaceAll('UNKNOWN', 'UP     ')
    return [
      links,
      this.in(
        node,
        'bridge -d link | sort; ip route show; ip neigh show proxy; ip -6 route show table main; ip -6 neigh show proxy; ip -d link show type veth | grep -c bridge_slave || true',
      ),
    ].join('')
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const namespace of this.#namespaces) execFileSync('ip', ['netns', 'del', namespace])
    rmSync(this.folder, { recursive: true, force: true })
  }

  #addHost(name: string, ip: string): void {
    this.#addNamespace(name)
    this.#addPair(name, `f${name}`, 'fab')
    this.in('fab', `ip link set f${name} master fab up`)
    this.in(name, `ip link set lo up; ip addr add ${ip}/24 dev eth0; ip link set eth0 up; sysctl -qw net.ipv4.ip_forward=1`)
  }

  #addNode(name: NodeName): void {
    const [own, other] = name === 'a' ? ['1', '2'] : ['2', '1']
    mkdirSync(path.join(this.folder, name, 'cni/networks/lab'), { recursive: true })
    this.in(
      name,
      `ip link add cni0 type bridge; ip addr add 10.244.${own}.1/24 dev cni0; ip link set cni0 up
       ip route add 10.244.${other}.0/24 via ${name === 'a' ? nodeIps.b : nodeIps.a}
       sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1`,
    )
  }

  #addVeth(node: NodeName, name: string): void {
    this.#addNamespace(name)
    this.#addPair(name, `h${name}`, node)
    this.in(name, 'ip link set lo up; ip link set eth0 up')
    this.in(node, `ip link set h${name} up`)
  }

  /** eth0 in the first namespace, its peer in the other. */
  #addPair(namespace: string, peer: string, other: string): void {
    const command = `link add eth0 netns ${this.#name(namespace)} type veth peer name ${peer} netns ${this.#name(other)}`
    execFileSync('ip', command.split(' '))
  }

  /** The same server somewhere else than in a pod. */
  async serve(namespace: string): Promise<Pod> {
    return await this.#start(namespace)
  }

  async #start(name: string): Promise<Pod> {
    const child = this.#spawn(name, 'node', [path.join(fixtures, 'echo.mjs'), name])
    const output = new Lines(child)
    await output.next()
    return { pid: child.pid ?? 0, output }
  }

  #startAgent(node: NodeName): Lines {
    const config = readConfig({
      NODE_NAME: node,
      NODE_IP: nodeIps[node],
      NODE_IPS: this.nodeIpsOf(node).join(','),
      STATE_DIR: path.join(this.folder, node, 'state'),
      RUN_DIR: path.join(this.folder, node, 'run'),
      CNI_STATE_DIR: path.join(this.folder, node, 'cni'),
    })
    const given = JSON.stringify({ ...config, helper: nativeHelper() })
    const agent = new Lines(this.#spawn(node, 'node', ['--import', 'tsx', path.join(fixtures, 'node-agent.ts'), given]))
    this.#agents.set(node, agent)
    return agent
  }

  /** `ip netns exec` becomes the program: the child's pid is the program's. */
  #spawn(namespace: string, command: string, args: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.#name(namespace), command, ...args], {
      cwd: projectRoot,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#children.push(child)
    return child
  }

  #addNamespace(name: string): void {
    execFileSync('ip', ['netns', 'add', this.#name(name)])
    this.#namespaces.push(this.#name(name))
  }

  #name(name: string): string {
    return `${this.#prefix}-${name}`
  }
}

/** Of a pod's or a bridge's IPv4 address. */
function ipv6Of(address: string): string {
  const [, , network = '', host = ''] = address.split('.')
  return `fd00:244:0:${network}::${host}`
}

export interface WholeMove {
  from: NodeName
  to: NodeName
  pod: Pod
  attached: unknown
}

export interface Pod {
  pid: number
  output: Lines
}

/** Lines of a child's output, asked for one by one. */
export class Lines {
  readonly seen: string[] = []
  readonly #child: ChildProcess
  readonly #waiting: ((line: string) => void)[] = []
  #taken = 0

  constructor(child: ChildProcess) {
    this.#child = child
    if (!child.stdout) throw new Error('the child has no output')
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.seen.push(line)
      const waiting = this.#waiting.shift()
      if (waiting) {
        this.#taken++
        waiting(line)
      }
    })
  }

  next(): Promise<string> {
    const line = this.seen[this.#taken]
    if (line === undefined) return new Promise((resolve) => this.#waiting.push(resolve))
    this.#taken++
    return Promise.resolve(line)
  }

  ask(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`)
    return this.next()
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

export class Client {
  readonly #lines: Lines

  constructor(lines: Lines) {
    this.#lines = lines
  }

  async ask(command: string): Promise<unknown> {
    return JSON.parse(await this.#lines.ask(command))
  }
}

/** What the controller wishes of that node. */
export function state(node: NodeName, moved: { ip: string; nodeIp: string; homeNodeIp?: string }[]): object {
  return { nodeIps: [nodeIps[node]], podCidrs, movable: [podIp], moved }
}
