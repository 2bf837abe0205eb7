// The pod network of a node: a bridge with addresses of the node's own range; the fabric routes between nodes.
export function cniConflist(subnet: string, mtu: number): string {
  const bridge = {
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    mtu,
    ipMasq: false,
    hairpinMode: true,
    ipam: { type: 'host-local', ranges: [[{ subnet }]], routes: [{ dst: '0.0.0.0/0' }] },
  }
  const portmap = { type: 'portmap', capabilities: { portMappings: true } }
  return `${JSON.stringify({ cniVersion: '1.0.0', name: 'lab', plugins: [bridge, portmap] }, null, 2)}\n`
}
