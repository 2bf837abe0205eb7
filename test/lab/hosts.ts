// The machines of a lab and their addresses on the fabric.
type HostKind = 'control' | 'client' | 'node'

export type Host = {
  readonly name: string
  readonly kind: HostKind
  readonly address: string
  // 1, 2, … for nodes, 0 for the others.
  readonly index: number
}

export const fabricCidr = '172.30.0.0/24'
export const podCidr = '10.244.0.0/16'
export const serviceCidr = '10.96.0.0/16'
export const apiServiceAddress = '10.96.0.1'
// An address that is outside of the cluster and its fabric; the client host answers on it.
export const outsideAddress = '198.51.100.10'

export const control: Host = { name: 'control', kind: 'control', address: '172.30.0.254', index: 0 }
export const client: Host = { name: 'client', kind: 'client', address: '172.30.0.250', index: 0 }

export function node(index: number): Host {
  return { name: `node-${index}`, kind: 'node', address: `172.30.0.${index}`, index }
}

export function nodes(count: number): Host[] {
  return Array.from({ length: count }, (_, position) => node(position + 1))
}

export function podCidrOf(host: Host): string {
  return `10.244.${host.index}.0/24`
}

export type Route = { readonly to: string; readonly via: string }

// Every host reaches every pod through its node; those without kube-proxy reach Services through node-1.
export function routesOf(host: Host, count: number): Route[] {
  const pods = nodes(count)
    .filter((other) => other.name !== host.name)
    .map((other) => ({ to: podCidrOf(other), via: other.address }))
  return host.kind === 'client' ? [...pods, { to: serviceCidr, via: node(1).address }] : pods
}
