// tcpdump at clients of the pod: what went in and out there while the pod moved.
import type { Machine } from '../machine.ts'
import type { World } from '../product/world.ts'
import { said } from '../said.ts'
import { peersApp } from './objects.ts'
import type { Segment } from './sequence.ts'

const file = '/tmp/podmotion-flows.pcap'
/** Headers are all that is looked at. */
const snapBytes = 128
const bufferKiB = 32_768

/** Characters: some 120 a segment, of a million and more segments over two families. */
const longestText = 2 ** 28

export interface Capture {
  name: string
  /** Ends it. In the order of what was seen; throws when the kernel had to leave something out. */
  stop(): Promise<Segment[]>
}

/** At the host outside of the cluster, and at the peers on the first and on the last node. */
export async function clientCaptures(world: World, podIp: string): Promise<Capture[]> {
  const captures = [await capture('outside', world.lab.client, { device: await deviceTo(world.lab.client, podIp), filter: 'tcp' })]
  const peers = await world.pods(peersApp)
  for (const node of [world.lab.nodes.at(0), world.lab.nodes.at(-1)]) {
    const peer = peers.find((pod) => pod.spec?.nodeName === node?.name)
    const ip = peer?.status?.podIP
    if (!node || !ip) throw new Error(`capturing at the peer on ${node?.name}: expected one that runs`)
    const hosts = (peer.status?.podIPs ?? []).map((one) => `host ${one.ip}`).join(' or ')
    const machine = world.lab.node(node.name)
    captures.push(await capture(`the peer on ${node.name}`, machine, { device: await vethOf(machine, ip), filter: `tcp and (${hosts})` }))
  }
  return captures
}

async function deviceTo(machine: Machine, address: string): Promise<string> {
  const { stdout } = await said(machine.run('ip', ['-o', 'route', 'get', address]))
  const device = / dev (\S+)/.exec(stdout)?.[1]
  if (device === undefined) throw new Error(`capturing at ${machine.name}: expected a route to ${address}, got: ${stdout}`)
  return device
}

/** The pod's port of the node's bridge: there packets look as the pod itself sees them, and neighbours on the bridge are seen, too. */
async function vethOf(machine: Machine, ip: string): Promise<string> {
  const script = `ping -c 1 -W 2 ${ip} >/dev/null
    mac=$(ip neigh show ${ip} | sed -n 's/.* lladdr \\([^ ]*\\).*/\\1/p')
    bridge fdb show | awk -v mac="$mac" '$1 == mac && $2 == "dev" { print $3; exit }'`
  const { stdout } = await said(machine.run('sh', ['-c', script]))
  if (stdout.trim() === '') throw new Error(`capturing at ${machine.name}: expected a port of a bridge that leads to ${ip}`)
  return stdout.trim()
}

/** When it returns, packets are seen. */
async function capture(name: string, machine: Machine, { device, filter }: { device: string; filter: string }): Promise<Capture> {
  const script = [
    `tcpdump -i ${device} -nn --immediate-mode -B ${bufferKiB} -s ${snapBytes} -w ${file} '${filter}' & dump=$!`,
    'read -r _',
    // What is in its buffer is written first.
    'sleep 0.3; kill -INT $dump; wait $dump',
  ].join('\n')
  const running = machine.run('sh', ['-c', script], { stdin: 'pipe', all: true, reject: false })
  await listening(running)
  return {
    name,
    stop: async () => {
      running.stdin?.end()
      const { all } = await said(running)
      const dropped = Number(/(\d+) packets dropped by kernel/.exec(all)?.[1] ?? Number.NaN)
      if (dropped !== 0) throw new Error(`capturing at ${name}: expected that nothing is left out, tcpdump says: ${all.slice(-400)}`)
      const text = await said(
        machine.run('sh', ['-c', `tcpdump -r ${file} -nn -tt -S 2>/dev/null; rm -f ${file}`], { maxBuffer: longestText }),
      )
      return segmentsOf(text.stdout)
    },
  }
}

async function listening(running: { stderr: NodeJS.ReadableStream | null }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let text = ''
    running.stderr?.on('data', (chunk: Buffer) => {
      text += String(chunk)
      if (text.includes('listening on')) resolve()
    })
    running.stderr?.on('end', () => reject(new Error(`capturing: ${text}`)))
  })
}

const line = /^(\d+\.\d+) IP6? (\S+) > (\S+): Flags \[([^\]]*)\](.*)$/

/** Of `tcpdump -nn -tt -S`; lines of other protocols are left out. */
export function segmentsOf(text: string): Segment[] {
  return text.split('\n').flatMap((one) => {
    const [, seconds, from, to, flags = '', rest = ''] = line.exec(one) ?? []
    if (seconds === undefined || from === undefined || to === undefined) return []
    const [seq, ack] = [/\bseq (\d+)/.exec(rest)?.[1], /\back (\d+)/.exec(rest)?.[1]]
    return [
      {
        atMs: Number(seconds) * 1000,
        from,
        to,
        seq: seq === undefined ? undefined : Number(seq),
        length: Number(/\blength (\d+)/.exec(rest)?.[1] ?? 0),
        ack: ack === undefined ? undefined : Number(ack),
        syn: flags.includes('S'),
        fin: flags.includes('F'),
        reset: flags.includes('R'),
      },
    ]
  })
}
