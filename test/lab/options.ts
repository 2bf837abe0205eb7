// What can be chosen about a lab, with defaults.
export type ProxyMode = 'nftables' | 'iptables'

// 'outside': as on most clusters, only traffic that leaves the cluster's own networks takes the node's address.
export type Masquerade = 'outside' | 'fabric' | 'none'

// 'routed': static routes between the nodes; otherwise flanneld makes them, and masquerades by its own rules.
export const podNetworks = ['routed', 'flannel-vxlan', 'flannel-host-gw'] as const
export type PodNetworkKind = (typeof podNetworks)[number]

export type LabOptions = {
  readonly name: string
  readonly nodes: number
  readonly proxyMode: ProxyMode
  readonly masquerade: Masquerade
  readonly podNetwork: PodNetworkKind
}

// The fabric's last octets above this one belong to hosts that are no nodes.
const maximumNodes = 200

export function labOptions(given: Partial<LabOptions> = {}): LabOptions {
  const options = {
    name: given.name ?? process.env['LAB_NAME'] ?? 'lab',
    nodes: given.nodes ?? 3,
    proxyMode: given.proxyMode ?? 'nftables',
    masquerade: given.masquerade ?? 'outside',
    podNetwork: podNetworkOf(given.podNetwork ?? process.env['LAB_NETWORK'] ?? 'routed'),
  }
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(options.name)) {
    throw new Error(`Reading the lab's options: name ${JSON.stringify(options.name)} must be lower-case letters, digits and dashes`)
  }
  if (!Number.isInteger(options.nodes) || options.nodes < 1 || options.nodes > maximumNodes) {
    throw new Error(`Reading the lab's options: nodes must be 1 to ${maximumNodes}, got ${options.nodes}`)
  }
  return options
}

export function podNetworkOf(text: string): PodNetworkKind {
  const kind = podNetworks.find((one) => one === text)
  if (kind === undefined)
    throw new Error(`Reading the lab's options: network must be ${podNetworks.join(', ')}, got ${JSON.stringify(text)}`)
  return kind
}
