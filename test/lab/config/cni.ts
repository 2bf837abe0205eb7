// The pod network of a node: a bridge with an address of each of the node's own ranges; the fabric routes between nodes.
export function cniConflist(subnets: readonly string[], mtu: number): string {
  const bridge = {
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    mtu,
    ipMasq: false,
    hairpinMode: true,
    ipam: {
      type: 'host-local',
      ranges: subnets.map((subnet) => [{ subnet }]),
      routes: subnets.map((subnet) => ({ dst: subnet.includes(':') ? '::/0' : '0.0.0.0/0' })),
    },
  }
  const portmap = { type: 'portmap', capabilities: { portMappings: true } }
  return `${JSON.stringify({ cniVersion: '1.0.0', name: 'lab', plugins: [bridge, portmap] }, null, 2)}\n`
}
