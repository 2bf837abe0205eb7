// What a move may leave on a node, as sorted lines that can be compared: network, files, mounts, cgroups, processes.
import type { Machine } from '../machine.ts'
import { said } from '../said.ts'
import { processesOn } from './victims.ts'

// The journal is not here: it is bounded by time (24 h) and read by people. Folders that are always there are not either, nor the kernel's own
// routes: a node's bridge comes with its first pod.
const script = `
section() { sed "s|^|$1: |"; }
ip -4 route show table all | grep -v 'proto kernel' | sed 's/ *$//' | section route
ip -4 rule | section rule
ip -4 neigh show proxy | section proxy
ip -4 neigh show nud permanent | section neighbour
nft list table ip podmotion | section nft
nft list tables | grep -v podmotion | section table
find /run/podmotion /var/lib/podmotion -mindepth 2 -not -path '/var/lib/podmotion/journal/*' | section file
cut -d' ' -f5 /proc/self/mountinfo | section mount
find /sys/fs/cgroup/freezer -mindepth 1 -type d | section cgroup
find /var/lib/cni/networks -type f -name '[0-9]*' | section lease
conntrack -L 2>/dev/null | grep -E "$1" | grep -E 'ESTABLISHED|UNREPLIED|ASSURED' | grep -v TIME_WAIT | sed -E 's/ [0-9]+ ESTABLISHED/ ESTABLISHED/' | section conntrack
`
/** Programs that start and end all the time are none of ours to compare. */
const passing = /^(nsenter|sh|ip|nft|find|conntrack|sed|cut|grep|runc|\/usr\/sbin\/runc|iptables|ip6tables|\/proc\/self\/exe) /

export async function nodeState(node: Machine, podIp: string): Promise<Set<string>> {
  const { stdout } = await said(node.run('sh', ['-c', script, 'sh', podIp.replaceAll('.', '\\.')]))
  const processes = processesOn(node)
    .map(({ args }) => `${args.join(' ').slice(0, 200)} `)
    .filter((line) => line.trim() !== '' && !passing.test(line))
  return new Set([...stdout.split('\n'), ...processes.map((line) => `process: ${line}`)].map((line) => line.trim()).filter(Boolean))
}

/** What is only in one of the two, `+` being new. */
export function differences(before: ReadonlySet<string>, after: ReadonlySet<string>): string[] {
  const gone = [...before].filter((line) => !after.has(line)).map((line) => `- ${line}`)
  const come = [...after].filter((line) => !before.has(line)).map((line) => `+ ${line}`)
  return [...gone, ...come]
}
