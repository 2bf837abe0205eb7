// Takes away, from outside, one thing that a move does for a pod's flows: so that a check of flows can be seen to find it.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../machine.ts'
import { said } from '../said.ts'

export interface Scene {
  podIp: string
  destination: Machine
  client: Machine
}

/** Begins before the move; what it returns is called when the pod runs on the destination. */
export type Sabotage = (scene: Scene) => Promise<() => Promise<void>>

async function shell(machine: Machine, script: string): Promise<void> {
  await said(machine.run('sh', ['-c', script]))
}

/** Not for ever: the move may have come to nothing. */
function waited(holds: string): string {
  return `timeout 90 sh -c 'until ${holds} 2>/dev/null; do sleep 0.005; done'`
}

/** Packets that come while the pod is not there yet are lost, not kept. */
export const dropsWhatItShouldHold: Sabotage = async ({ destination, podIp }) => {
  const chain = (hook: string): string => `chain ${hook} { type filter hook ${hook} priority -400; ip daddr ${podIp} counter drop; }`
  await said(destination.run('nft', ['-f', '-'], { input: `table ip broken_hold {\n${chain('prerouting')}\n${chain('output')}\n}\n` }))
  // The neighbour entry is what ends the hold.
  const released = shell(destination, `${waited(`ip neigh show ${podIp} | grep -q PERMANENT`)}; nft delete table ip broken_hold`)
  return () => released
}

/** The destination does not know how the pod's own flows are translated. */
export const forgetsTranslations: Sabotage = async ({ destination, podIp }) => {
  return () => shell(destination, `conntrack -D -s ${podIp}; conntrack -D -d ${podIp}; true`)
}

/** Nothing of the pod's has it. */
export const unknownPort = 31999

/** Segments of an open connection that nobody told of, until its input ends. Arguments: own address, the pod's. */
const unknownSegments = `
import socket, struct, sys, threading, time
own, pod = sys.argv[1:3]
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.bind((own, 0))
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
def segment(check):
    return struct.pack("!HHIIBBHHH", 5555, ${unknownPort}, 1000, 2000, 5 << 4, 0x10, 512, check, 0)
pseudo = socket.inet_aton(own) + socket.inet_aton(pod) + struct.pack("!BBH", 0, socket.IPPROTO_TCP, 20)
ready = segment(checksum(pseudo + segment(0)))
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
while not over.wait(0.02):
    raw.sendto(ready, (pod, 0))
`

/** A segment that the pod would answer with a reset reaches it: of a flow that began when the source's table had been read already. */
export const lacksTheGuard: Sabotage = async ({ destination, client, podIp }) => {
  const isArmed = `nft list set ip podmotion guarded | grep -q ${podIp}`
  const flush = 'nft flush chain ip podmotion guard'
  // Until it is armed nobody may speak to the pod in that way: where it runs it answers.
  const armed = (async () => {
    await shell(destination, `${waited(isArmed)}; ${flush}`)
    const { stdout } = await said(client.run('ip', ['-o', 'route', 'get', podIp]))
    const own = / src (\S+)/.exec(stdout)?.[1] ?? ''
    return { sending: client.run('python3', ['-c', unknownSegments, own, podIp], { stdin: 'pipe', reject: false }) }
  })()
  const untilInputEnds = `while read -r -t 0.02 _; [ $? -gt 128 ]; do ${flush} 2>/dev/null; done`
  const flushing = destination.run('bash', ['-c', untilInputEnds], { stdin: 'pipe', reject: false })
  return async () => {
    const { sending } = await armed
    await sleep(200)
    sending.stdin?.end()
    await sending
    flushing.stdin?.end()
    await flushing
  }
}

/** The node that stands in for the pod towards the outside gets its packets no more. */
export const cutsTheRelay: Sabotage = async ({ destination }) => {
  return () => shell(destination, 'ip rule | grep -q "lookup 2867" && while ip rule del pref 90 2>/dev/null; do :; done')
}
