// The nftables texts: the node's permanent table (one for each family that it has an address of), what a move adds to it, and the lock of a frozen pod's namespace.
import { ofItsFamily } from '../../runtime/addresses.ts'
import type { Protocol, Tuple } from './conntrack-entries.ts'
import { type Family, families, familyOf, ipv4, ipv6 } from './family.ts'
import { clearRelayMark, relayMarkTest, setWaitingMark } from './relay-marks.ts'

const tableName = 'podmotion'
const lockTable = 'podmotion_lock'

/** Declared again and again: what is there stays. */
const sets = ({ type }: Family): string[] => [
  `  set movable { type ${type}; }`,
  `  set itself { type ${type} . ${type}; }`,
  // Movable addresses whose flows of before our rules have been translated anew (leg-plan.ts, fixedLines).
  `  set fixed { type ${type}; }`,
  // While a pod is held here: its addresses, and those of its ports that are known.
  `  set guarded { type ${type}; }`,
  `  set known { type ${type} . inet_service; }`,
  `  set untracked { type ${type} . inet_proto . inet_service . ${type} . inet_service; flags timeout; }`,
  // Pods that come here and are not held yet: who opens a connection waits already.
  `  set awaited { type ${type}; }`,
  // Devices to other nodes and to the outside.
  '  set outer { type iface_index; }',
]

/**
 * A segment of a flow that began on the source after its table was read: it may still have to be translated, and the pod would reset what it
 * cannot recognise. Dropped, it is sent again. Known are the ports on which the pod listens, and its own end of each flow that was told.
 */
const guardRule = ({ ip }: Words): string => `${ip} daddr @guarded tcp flags & (syn | ack) != syn ${ip} daddr . tcp dport != @known drop`

/** The first segment of a handshake. */
export const opensConnection = 'tcp flags & (fin | syn | rst | ack) == syn'
const waitingRule = ({ ip }: Words): string => `${ip} daddr @awaited ${opensConnection} ${setWaitingMark}`

interface Words {
  /** Header of the family. */
  ip: Family['nft']
  standIn: string
}

const chains: Record<string, { hook: string; rules: (words: Words) => string[] }> = {
  /**
   * Before connection tracking. First rule: flow-legs.ts, translatedForms; all of a flow or nothing: SYNs are no exception (a new connection under
   * the port of such a flow waits until the move is settled; half tracked it would be reset). Last rule: this node only hands on what is for a pod
   * that lives elsewhere, and the answers go another way. Tracked, half of a flow is INVALID to the kernel, and kube-proxy's iptables mode drops
   * that. New connections that wait for a pod that comes here are not handed on.
   */
  untracked: {
    hook: 'type filter hook prerouting priority -300',
    rules: ({ ip }) => [
      `${ip} saddr . meta l4proto . th sport . ${ip} daddr . th dport @untracked notrack accept`,
      `${ip} daddr @awaited ${opensConnection} accept`,
      `iif @outer ${ip} daddr @movable fib daddr oif @outer notrack`,
    ],
  },
  /** After connection tracking and before the routing decision. Only the pod's own packets: answers would come back here for ever. */
  relay: {
    hook: 'type filter hook prerouting priority -149',
    rules: ({ ip }) => [`${ip} saddr @movable ${relayMarkTest('ct')} meta mark set ct mark`],
  },
  /** After kube-proxy has chosen the endpoint, before the routing decision: by a table of their own, into the queue of the hold. */
  awaited: { hook: 'type filter hook prerouting priority -90', rules: (words) => [waitingRule(words)] },
  /** A changed mark is a new routing decision. */
  awaitedLocal: { hook: 'type route hook output priority -90', rules: (words) => [waitingRule(words)] },
  /** A tunnel's outer packet inherits the mark and would be routed by it once more. */
  unmark: {
    hook: 'type filter hook postrouting priority -150',
    rules: () => [`${relayMarkTest('meta')} ${clearRelayMark}`],
  },
  guard: { hook: 'type filter hook forward priority -10', rules: (words) => [guardRule(words)] },
  guardLocal: { hook: 'type filter hook output priority -10', rules: (words) => [guardRule(words), ...noRedirects(words)] },
  /**
   * Before kube-proxy's and the CNI's own postrouting (priority 100). A flow masqueraded there dies when the pod moves, because the kernel
   * forgets a masquerade whose output device changed; the same translation by a fixed `snat` lives on. 0x4000 is kube-proxy's mark in both
   * modes; it is taken off as kube-proxy does, or a tunnel's own packet would inherit it.
   * Second rule: the same for a pod that calls itself through its Service, which kube-proxy's nftables mode masquerades without a mark.
   * Third rule: the pod speaks first in a flow that is already open but not tracked here. It must keep its own address, not be taken for
   * a new outgoing connection and masqueraded.
   * Fourth rule: who asks a hostPort at this node's localhost has no address that the pod could answer.
   * Last rule: who else speaks to the pod keeps its address. flannel masquerades towards a pod of another node's range, and would do so here
   * while the pod is away from home; after its next move nobody on the way would know that translation.
   */
  postrouting: {
    hook: 'type nat hook postrouting priority 99',
    rules: ({ ip, standIn }) => [
      `meta mark & 0x4000 == 0x4000 ${ip} daddr @movable meta mark set meta mark ^ 0x4000 snat to ${standIn} fully-random`,
      `ct status dnat ${ip} saddr . ${ip} daddr @itself snat to ${standIn} fully-random`,
      `${ip} saddr @movable tcp flags & (syn | ack) != syn snat to ${ip} saddr`,
      ...(ip === ipv4.nft ? [`ip saddr 127.0.0.0/8 ip daddr @movable snat to ${standIn} fully-random`] : []),
      `${ip} daddr @movable snat to ${ip} saddr`,
    ],
  },
}

/** What `send_redirects` is for IPv4 (sysctls.ts). */
function noRedirects({ ip }: Words): string[] {
  return ip === ipv6.nft ? ['icmpv6 type nd-redirect drop'] : []
}

/**
 * `standIns`: one address of each family of this node; so everywhere here. Movable addresses of another family are no concern of it. `outer`:
 * devices to other nodes and to the outside.
 */
export function nodeRuleSet(standIns: readonly string[], movable: readonly string[], outer: readonly string[]): string {
  const elements = [...new Set(movable)].filter((ip) => ofItsFamily(ip, standIns) !== undefined).sort()
  const own = standIns.map((standIn) => familyOf(standIn).nft)
  return lines(
    ...tables(standIns),
    ...own.flatMap((nft) => ['movable', 'itself', 'outer'].map((set) => `flush set ${nft} ${tableName} ${set}`)),
    ...elementsOf('add', 'movable', elements),
    ...elementsOf('add', 'itself', elements.map(itself)),
    ...(outer.length === 0 ? [] : own.map((nft) => `add element ${nft} ${tableName} outer { ${outer.map(quoted).join(', ')} }`)),
  )
}

/** Asks for the movable addresses whose earlier flows have a fixed translation too. */
export function listFixed({ nft }: Family): string[] {
  return ['-j', 'list', 'set', nft, tableName, 'fixed']
}

/** From its answer. */
export function fixedIn(json: string): string[] {
  const { nftables } = JSON.parse(json) as { nftables: { set?: { elem?: unknown[] } }[] }
  return nftables.flatMap(({ set }) => set?.elem ?? []).filter((element) => typeof element === 'string')
}

export function fixedRuleSet(fresh: readonly string[], gone: readonly string[]): string {
  return lines(...elementsOf('delete', 'fixed', gone), ...elementsOf('add', 'fixed', fresh))
}

/** As it should be, whatever it was: one transaction. */
function tables(standIns: readonly string[]): string[] {
  return standIns.flatMap((standIn) => table(familyOf(standIn), standIn))
}

function table(family: Family, standIn: string): string[] {
  const ip = family.nft
  return [
    `table ${ip} ${tableName} {`,
    ...sets(family),
    ...Object.entries(chains).map(([name, { hook }]) => `  chain ${name} { ${hook}; policy accept; }`),
    '}',
    ...Object.keys(chains).map((name) => `flush chain ${ip} ${tableName} ${name}`),
    ...Object.entries(chains).flatMap(([name, { rules }]) =>
      rules({ ip, standIn }).map((rule) => `add rule ${ip} ${tableName} ${name} ${rule}`),
    ),
  ]
}

export interface UntrackedFlow {
  protocol: Protocol
  tuple: Tuple
}

export interface ArmedPod {
  /** As `standInAddresses` says. */
  standIns: readonly string[]
  ips: readonly string[]
  knownPorts: readonly number[]
  untracked: readonly UntrackedFlow[]
}

/** The destination: the pod's packets are known as a movable pod's, and the flows pass untracked in their translated form. */
export function armRuleSet({ standIns, ips, knownPorts, untracked }: ArmedPod): string {
  return lines(
    ...tables(standIns),
    ...elementsOf('add', 'movable', ips),
    ...elementsOf('add', 'itself', ips.map(itself)),
    ...elementsOf('add', 'guarded', ips),
    ...elementsOf('add', 'known', knownOf(ips, knownPorts)),
    ...elementsOf('add', 'untracked', untracked.map(untrackedElement)),
  )
}

export function untrackRuleSet(standIns: readonly string[], untracked: readonly UntrackedFlow[]): string {
  return lines(...tables(standIns), ...elementsOf('add', 'untracked', untracked.map(untrackedElement)))
}

/** The destination, ahead of the hold; taken back by `disarmRuleSet`. */
export function awaitRuleSet(standIns: readonly string[], ips: readonly string[]): string {
  return lines(...tables(standIns), ...elementsOf('add', 'awaited', ips))
}

/** Added before they are deleted, so that it never fails. `afterSeconds`: the other node may still translate packets on the way. */
export function disarmRuleSet({ standIns, ips, knownPorts, untracked }: ArmedPod, afterSeconds = 0): string {
  const flows = untracked.map(untrackedElement)
  const later = afterSeconds > 0 ? flows.map((flow) => `${flow} timeout ${afterSeconds}s`) : []
  return lines(
    ...tables(standIns),
    ...again('awaited', ips),
    ...again('guarded', ips),
    ...again('known', knownOf(ips, knownPorts)),
    ...again('untracked', flows),
    ...elementsOf('add', 'untracked', later),
  )
}

function again(set: string, elements: readonly string[]): string[] {
  return [...elementsOf('add', set, elements), ...elementsOf('delete', set, elements)]
}

/** Each in the table of its family: its text begins with an address. */
function elementsOf(verb: 'add' | 'delete', set: string, elements: readonly string[]): string[] {
  return families.flatMap((family) => {
    const own = [...new Set(elements)].filter((element) => familyOf(element) === family)
    return own.length === 0 ? [] : [`${verb} element ${family.nft} ${tableName} ${set} { ${own.join(', ')} }`]
  })
}

function lines(...texts: string[]): string {
  return texts.map((text) => `${text}\n`).join('')
}

function quoted(device: string): string {
  return `"${device}"`
}

function itself(ip: string): string {
  return `${ip} . ${ip}`
}

function knownOf(ips: readonly string[], ports: readonly number[]): string[] {
  return ips.flatMap((ip) => ports.map((port) => `${ip} . ${port}`))
}

export function untrackedElement({ protocol, tuple }: UntrackedFlow): string {
  return `${tuple.source} . ${protocol} . ${tuple.sourcePort} . ${tuple.destination} . ${tuple.destinationPort}`
}

export function deleteNodeTables(nodeIps: readonly string[]): string {
  return nodeIps
    .map((nodeIp) => familyOf(nodeIp).nft)
    .map((nft) => `table ${nft} ${tableName} {\n}\ndelete table ${nft} ${tableName}\n`)
    .join('')
}

/**
 * Inside the pod: nothing in, nothing out, except what the pod says to itself. Said twice it is the same with a rule twice: to delete what may
 * be there first would wait for all processors (5 to 20 ms, in the freeze).
 */
export function lockRuleSet(): string {
  return [
    `table inet ${lockTable} {`,
    '  chain incoming { type filter hook prerouting priority -400; policy drop; iif lo accept; }',
    '  chain outgoing { type filter hook output priority -400; policy drop; oif lo accept; }',
    '}',
    '',
  ].join('\n')
}

/** Declared before it is deleted, so that it never fails. */
export function unlockRuleSet(): string {
  return `table inet ${lockTable} {\n}\ndelete table inet ${lockTable}\n`
}
