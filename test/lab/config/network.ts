// The shell script that sets up a host's own network when it boots.
import {
  client,
  fabricCidr,
  fabricCidr6,
  type Host,
  outsideAddress,
  outsideAddress6,
  podCidr,
  podCidr6,
  type Route,
  routes6Of,
  routesOf,
} from '../hosts.ts'
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
    ...(options.stack === 'dual' ? ipv6Network(host, options) : []),
    ...(host.kind === 'node' ? nodeNetwork(options) : []),
    '',
  ].join('\n')
}

/** Addresses are usable at once: nobody else can have them here. */
function ipv6Network(host: Host, options: LabOptions): string[] {
  return [
    'sysctl -qw net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.all.forwarding=1',
    `ip addr add ${host.address6}/64 dev eth0 nodad`,
    host.kind === 'client' ? `ip addr add ${outsideAddress6}/128 dev lo nodad` : `ip route add default via ${client.address6}`,
    ...routes6Of(host, options.nodes).map(({ to, via }) => `ip route add ${to} via ${via}`),
  ]
}

/** Those of nodes are flannel's own, where it is. */
function routes(host: Host, options: LabOptions): Route[] {
  return host.kind === 'node' && isFlannel(options) ? [] : routesOf(host, options.nodes)
}

function nodeNetwork(options: LabOptions): string[] {
  const isDual = options.stack === 'dual'
  return [
    // Service traffic between pods of one bridge passes netfilter too, as kubeadm asks of every node.
    'sysctl -qw net.bridge.bridge-nf-call-iptables=1 2> /dev/null || true',
    ...(isDual ? ['sysctl -qw net.bridge.bridge-nf-call-ip6tables=1 2> /dev/null || true'] : []),
    ...(isFlannel(options) ? [] : masquerade(options, { family: 'ip', pods: podCidr, fabric: fabricCidr })),
    ...(isDual ? masquerade(options, { family: 'ip6', pods: podCidr6, fabric: fabricCidr6 }) : []),
  ]
}

type Ranges = { readonly family: 'ip' | 'ip6'; readonly pods: string; readonly fabric: string }

function masquerade({ masquerade }: LabOptions, { family, pods, fabric }: Ranges): string[] {
  if (masquerade === 'none') return []
  const inside = masquerade === 'outside' ? `{ ${pods}, ${fabric} }` : pods
  return [
    'nft -f - << RULES',
    `table ${family} lab-masquerade {`,
    '  chain postrouting {',
    '    type nat hook postrouting priority 100;',
    `    ${family} saddr ${pods} ${family} daddr != ${inside} oifname "eth0" masquerade fully-random`,
    '  }',
    '}',
    'RULES',
  ]
}
