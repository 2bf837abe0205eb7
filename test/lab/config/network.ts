// The shell script that sets up a host's own network when it boots.
import { client, fabricCidr, type Host, outsideAddress, podCidr, type Route, routesOf } from '../hosts.ts'
import type { LabOptions } from '../options.ts'
import { isFlannel } from './flannel.ts'

export function networkScript(host: Host, options: LabOptions): string {
  return [
    '# Addresses, routes and sysctls of this host.',
    'set -e',
    'ip link set lo up',
    `ip addr add ${host.address}/24 dev eth0`,
    'ip link set eth0 up',
    // The client is the way to the outside; without a default route not even Services could be reached.
    host.kind === 'client' ? `ip addr add ${outsideAddress}/32 dev lo` : `ip route add default via ${client.address}`,
    ...routes(host, options).map(({ to, via }) => `ip route add ${to} via ${via}`),
    'sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0',
    ...(host.kind === 'node' ? nodeNetwork(options) : []),
    '',
  ].join('\n')
}

/** Those of nodes are flannel's own, where it is. */
function routes(host: Host, options: LabOptions): Route[] {
  return host.kind === 'node' && isFlannel(options) ? [] : routesOf(host, options.nodes)
}

function nodeNetwork(options: LabOptions): string[] {
  return [
    // Service traffic between pods of one bridge passes netfilter too, as kubeadm asks of every node.
    'sysctl -qw net.bridge.bridge-nf-call-iptables=1 2> /dev/null || true',
    ...(isFlannel(options) ? [] : masquerade(options)),
  ]
}

function masquerade({ masquerade }: LabOptions): string[] {
  if (masquerade === 'none') return []
  const inside = masquerade === 'outside' ? `{ ${podCidr}, ${fabricCidr} }` : podCidr
  return [
    'nft -f - << RULES',
    'table ip lab-masquerade {',
    '  chain postrouting {',
    '    type nat hook postrouting priority 100;',
    `    ip saddr ${podCidr} ip daddr != ${inside} oifname "eth0" masquerade fully-random`,
    '  }',
    '}',
    'RULES',
  ]
}
