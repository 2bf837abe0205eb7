// What can be chosen about a lab, with defaults.
export type ProxyMode = 'nftables' | 'iptables'

// 'outside': as on most clusters, only traffic that leaves the cluster's own networks takes the node's address.
export type Masquerade = 'outside' | 'fabric' | 'none'

export type LabOptions = {
  readonly name: string
  readonly nodes: number
  readonly proxyMode: ProxyMode
  readonly masquerade: Masquerade
}

// The fabric's last octets above this one belong to hosts that are no nodes.
const maximumNodes = 200

export function labOptions(given: Partial<LabOptions> = {}): LabOptions {
  const options = {
    name: given.name ?? process.env['LAB_NAME'] ?? 'lab',
    nodes: given.nodes ?? 3,
    proxyMode: given.proxyMode ?? 'nftables',
    masquerade: given.masquerade ?? 'outside',
  }
  if (!/^[a-z][a-z0-9-]{0,30}$/.test(options.name)) {
    throw new Error(`Reading the lab's options: name ${JSON.stringify(options.name)} must be lower-case letters, digits and dashes`)
  }
  if (!Number.isInteger(options.nodes) || options.nodes < 1 || options.nodes > maximumNodes) {
    throw new Error(`Reading the lab's options: nodes must be 1 to ${maximumNodes}, got ${options.nodes}`)
  }
  return options
}
