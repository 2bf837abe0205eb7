// What can be chosen about a lab, with defaults.
export type ProxyMode = 'nftables' | 'iptables'

// 'outside': as on most clusters, only traffic that leaves the cluster's own networks takes the node's address.
export type Masquerade = 'outside' | 'fabric' | 'none'

// 'routed': static routes between the nodes; otherwise flanneld makes them, and masquerades by its own rules.
export const podNetworks = ['routed', 'flannel-vxlan', 'flannel-host-gw'] as const
export type PodNetworkKind = (typeof podNetworks)[number]

// The address families of nodes, pods and Services.
export const stacks = ['ipv4', 'dual'] as const
export type Stack = (typeof stacks)[number]

export type LabOptions = {
  readonly name: string
  readonly nodes: number
  readonly proxyMode: ProxyMode
  readonly masquerade: Masquerade
  readonly podNetwork: PodNetworkKind
  readonly stack: Stack
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
    stack: stackOf(given.stack ?? process.env['LAB_STACK'] ?? 'ipv4'),
  }
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(options.name)) {
    throw new Error(`Reading the lab's options: name ${JSON.stringify(options.name)} must be lower-case letters, digits and dashes`)
  }
  if (!Number.isInteger(options.nodes) || options.nodes < 1 || options.nodes > maximumNodes) {
    throw new Error(`Reading the lab's options: nodes must be 1 to ${maximumNodes}, got ${options.nodes}`)
  }
  if (options.stack === 'dual' && options.podNetwork !== 'routed') {
    throw new Error(`Reading the lab's options: both families are there on the routed network only, not on ${options.podNetwork}`)
  }
  return options
}

export function stackOf(text: string): Stack {
  const stack = stacks.find((one) => one === text)
  if (stack === undefined) throw new Error(`Reading the lab's options: stack must be ${stacks.join(' or ')}, got ${JSON.stringify(text)}`)
  return stack
}

export function podNetworkOf(text: string): PodNetworkKind {
  const kind = podNetworks.find((one) => one === text)
  if (kind === undefined)
    throw new Error(`Reading the lab's options: network must be ${podNetworks.join(', ')}, got ${JSON.stringify(text)}`)
  return kind
}
