// The nftables texts: the node's permanent table, and the lock of a frozen pod's namespace.

export const tableName = 'podmotion'
const lockTable = 'podmotion_lock'

/**
 * Before kube-proxy's and the CNI's own postrouting (priority 100). A flow masqueraded there dies when the pod moves, because the kernel
 * forgets a masquerade whose output device changed; the same translation by a fixed `snat` lives on. 0x4000 is kube-proxy's mark in both modes;
 * it is taken off as kube-proxy does, or a tunnel's own packet would inherit it.
 * Second rule: the pod speaks first in a flow that is already open but not tracked here. It must keep its own address, not be taken for a
 * new outgoing connection and masqueraded.
 */
export function nodeRuleSet(nodeIp: string, movable: readonly string[]): string {
  const elements = [...new Set(movable)].sort()
  return [
    `table ip ${tableName} {`,
    '  set movable { type ipv4_addr; }',
    '  chain postrouting {',
    '    type nat hook postrouting priority 99; policy accept;',
    '  }',
    '}',
    `flush chain ip ${tableName} postrouting`,
    `flush set ip ${tableName} movable`,
    ...(elements.length > 0 ? [`add element ip ${tableName} movable { ${elements.join(', ')} }`] : []),
    `add rule ip ${tableName} postrouting meta mark & 0x4000 == 0x4000 ip daddr @movable meta mark set meta mark ^ 0x4000 snat to ${nodeIp} fully-random`,
    `add rule ip ${tableName} postrouting ip saddr @movable tcp flags & (syn | ack) != syn snat to ip saddr`,
    '',
  ].join('\n')
}

export function addMovable(ip: string): string {
  return `table ip ${tableName} {\n  set movable { type ipv4_addr; }\n}\nadd element ip ${tableName} movable { ${ip} }\n`
}

export function deleteNodeTable(): string {
  return `table ip ${tableName} {\n}\ndelete table ip ${tableName}\n`
}

/** Inside the pod: nothing in, nothing out, except what the pod says to itself. Declared before it is deleted, so that it never fails. */
export function lockRuleSet(): string {
  return [
    unlockRuleSet().trimEnd(),
    `table inet ${lockTable} {`,
    '  chain incoming { type filter hook prerouting priority -400; policy drop; iif lo accept; }',
    '  chain outgoing { type filter hook output priority -400; policy drop; oif lo accept; }',
    '}',
    '',
  ].join('\n')
}

export function unlockRuleSet(): string {
  return `table inet ${lockTable} {\n}\ndelete table inet ${lockTable}\n`
}
