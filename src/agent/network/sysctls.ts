// Every kernel setting that podmotion changes on a node, and why.

export interface Sysctl {
  /** Path under /proc/sys. */
  path: string
  value: string
}

export interface NodeDevices {
  uplinks: readonly string[]
  bridges: readonly string[]
  tunnels: readonly string[]
  hasIpv6: boolean
}

/** Set by the install for the node's life, taken back by uninstall. */
export function nodeSysctls({ uplinks, bridges, tunnels, hasIpv6 }: NodeDevices): Sysctl[] {
  const devices = ['all', ...uplinks, ...bridges, ...tunnels]
  return [
    // A node that forwards to a moved pod through the device the packet came from would tell the sender to go elsewhere, and senders obey.
    ...devices.map((device) => ({ path: `net/ipv4/conf/${device}/send_redirects`, value: '0' })),
    // Who is no pod speaks to a moved pod through the tunnel, and gets the answer beside it: loose, as for the veths below.
    ...(tunnels.length === 0 ? [] : [...uplinks, ...tunnels]).map((device) => ({ path: `net/ipv4/conf/${device}/rp_filter`, value: '2' })),
    // The home answers ARP for a pod that left: at once, not after up to 0.8 s.
    ...bridges.map((bridge) => ({ path: `net/ipv4/neigh/${bridge}/proxy_delay`, value: '0' })),
    ...(hasIpv6 ? ipv6Sysctls(bridges) : []),
  ]
}

/** No setting keeps a node from sending redirects: a rule drops them (rule-sets.ts). There is no reverse path filter either. */
function ipv6Sysctls(bridges: readonly string[]): Sysctl[] {
  return [
    // The home answers for a pod that left, and for no other. In `all`: a solicitation that asks the pod itself is forwarded otherwise.
    { path: 'net/ipv6/conf/all/proxy_ndp', value: '1' },
    ...bridges.map((bridge) => ({ path: `net/ipv6/neigh/${bridge}/proxy_delay`, value: '0' })),
  ]
}

/** Set on a pod's host veth; they go with it. */
export function holdSysctls(hostVeth: string): Sysctl[] {
  return [
    // The hold is the neighbour queue: room for what peers may send meanwhile, and patience (200 tries, one a second).
    { path: `net/ipv4/neigh/${hostVeth}/unres_qlen_bytes`, value: '16777216' },
    { path: `net/ipv4/neigh/${hostVeth}/mcast_solicit`, value: '200' },
    // Nothing keeps a pod from answering IPv6's solicitations, so none is sent: a user's program is asked, of which there is none.
    { path: `net/ipv6/neigh/${hostVeth}/unres_qlen_bytes`, value: '16777216' },
    { path: `net/ipv6/neigh/${hostVeth}/mcast_solicit`, value: '0' },
    { path: `net/ipv6/neigh/${hostVeth}/app_solicit`, value: '200' },
    ...vethSysctls(hostVeth),
  ]
}

export function vethSysctls(hostVeth: string): Sysctl[] {
  return [
    // 2 (loose), not 0: the kernel takes the greater of this and conf/all (ip-batches.ts, vethAddress).
    { path: `net/ipv4/conf/${hostVeth}/rp_filter`, value: '2' },
    { path: `net/ipv4/conf/${hostVeth}/send_redirects`, value: '0' },
  ]
}
