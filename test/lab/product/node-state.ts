// What a move may leave on a node, as sorted lines that can be compared: network, files, mounts, cgroups, processes.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../machine.ts'
import { said } from '../said.ts'
import { processesOn } from './victims.ts'

// The journal is not here: it is bounded by time (24 h) and read by people. Folders that are always there are not either, nor the kernel's own
// routes: a node's bridge comes with its first pod.
const script = `
section() { sed "s|^|$1: |"; }
for family in -4 -6; do
  ip $family route show table all | grep -v 'proto kernel' | sed 's/ *$//' | section route
  ip $family rule | section rule
  ip $family neigh show proxy | section proxy
  ip $family neigh show nud permanent | section neighbour
done
for family in ip ip6; do nft list table $family podmotion | section nft; done
nft list tables | grep -v podmotion | section table
find /run/podmotion /var/lib/podmotion -mindepth 2 -not -path '/var/lib/podmotion/journal/*' | section file
cut -d' ' -f5 /proc/self/mountinfo | section mount
find /sys/fs/cgroup/freezer -mindepth 1 -type d | section cgroup
find /var/lib/cni/networks -type f \\( -name '[0-9]*' -o -name '*:*' \\) | section lease
for family in ipv4 ipv6; do conntrack -L -f $family 2>/dev/null; done | grep -E "$1" | grep -E 'ESTABLISHED|UNREPLIED|ASSURED' | grep -v TIME_WAIT | sed -E 's/ [0-9]+ ESTABLISHED/ ESTABLISHED/' | section conntrack
`
/** Programs that start and end all the time are none of ours to compare. */
const passing = /^(\S*\/)?(nsenter|sh|ip|nft|find|conntrack|sed|cut|grep|runc|iptables|ip6tables|exe) /

export async function nodeState(node: Machine, ...podIps: string[]): Promise<Set<string>> {
  const { stdout } = await said(node.run('sh', ['-c', script, 'sh', podIps.join('|').replaceAll('.', '\\.')]))
  const processes = processesOn(node)
    .map(({ args }) => `${args.join(' ').slice(0, 200)} `)
    .filter((line) => line.trim() !== '' && !passing.test(line))
  return new Set([...stdout.split('\n'), ...processes.map((line) => `process: ${line}`)].map((line) => line.trim()).filter(Boolean))
}

export type States = ReadonlyMap<string, ReadonlySet<string>>

export async function statesOf(nodes: readonly Machine[], ...podIps: string[]): Promise<States> {
  return new Map(await Promise.all(nodes.map(async (node) => [node.name, await nodeState(node, ...podIps)] as const)))
}

const quietWithinMs = 150_000
/** Of a pod that a test before this one moved: sweeps come each minute. */
const ofAnEarlierMove = /podmotion\/(moving|awaited|restored)\//

/** To compare with later: once nothing of an earlier test is on its way out. After 150 s as they are. */
export async function quietStates(nodes: readonly Machine[]): Promise<States> {
  const endMs = Date.now() + quietWithinMs
  let before: States | undefined
  for (;;) {
    const now = await statesOf(nodes, 'no-pod-yet')
    if (Date.now() > endMs || (before !== undefined && isQuiet(before, now))) return now
    before = now
    await sleep(3000)
  }
}

function isQuiet(before: States, now: States): boolean {
  return [...now].every(([node, state]) => {
    return differences(before.get(node) ?? new Set(), state).length === 0 && ![...state].some((line) => ofAnEarlierMove.test(line))
  })
}

/** What is only in one of the two, `+` being new. */
export function differences(before: ReadonlySet<string>, after: ReadonlySet<string>): string[] {
  const gone = [...before].filter((line) => !after.has(line)).map((line) => `- ${line}`)
  const come = [...after].filter((line) => !before.has(line)).map((line) => `+ ${line}`)
  return [...gone, ...come]
}
