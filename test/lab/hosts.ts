// The machines of a lab and their addresses on the fabric.
type HostKind = 'control' | 'client' | 'node'

export type Host = {
  readonly name: string
  readonly kind: HostKind
  readonly address: string
  // In a lab of both families.
  readonly address6: string
  // 1, 2, … for nodes, 0 for the others.
  readonly index: number
}

export const fabricCidr = '172.30.0.0/24'
export const fabricCidr6 = 'fd00:30::/64'
export const podCidr = '10.244.0.0/16'
export const podCidr6 = 'fd00:244::/48'
export const serviceCidr = '10.96.0.0/16'
export const serviceCidr6 = 'fd00:96::/112'
export const apiServiceAddress = '10.96.0.1'
// An address that is outside of the cluster and its fabric; the client host answers on it.
export const outsideAddress = '198.51.100.10'
export const outsideAddress6 = '2001:db8::10'

export const control: Host = { name: 'control', kind: 'control', ...addressesOf(254), index: 0 }
export const client: Host = { name: 'client', kind: 'client', ...addressesOf(250), index: 0 }

function addressesOf(last: number): Pick<Host, 'address' | 'address6'> {
  return { address: `172.30.0.${last}`, address6: `fd00:30::${last}` }
}

export function node(index: number): Host {
  return { name: `node-${index}`, kind: 'node', ...addressesOf(index), index }
}

export function nodes(count: number): Host[] {
  return Array.from({ length: count }, (_, position) => node(position + 1))
}

export function podCidrOf(host: Host): string {
  return `10.244.${host.index}.0/24`
}

export function podCidr6Of(host: Host): string {
  return `fd00:244:0:${host.index}::/64`
}

export type Route = { readonly to: string; readonly via: string }

// Every host reaches every pod through its node; those without kube-proxy reach Services through node-1.
export function routesOf(host: Host, count: number): Route[] {
  const others = nodes(count).filter((other) => other.name !== host.name)
  const pods = others.map((other) => ({ to: podCidrOf(other), via: other.address }))
  return host.kind === 'client' ? [...pods, { to: serviceCidr, via: node(1).address }] : pods
}

export function routes6Of(host: Host, count: number): Route[] {
  const others = nodes(count).filter((other) => other.name !== host.name)
  const pods = others.map((other) => ({ to: podCidr6Of(other), via: other.address6 }))
  return host.kind === 'client' ? [...pods, { to: serviceCidr6, via: node(1).address6 }] : pods
}
