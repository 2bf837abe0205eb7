// What kube-proxy does to a pod's flows, as far as tests of the network need it: texts for a node's shell.
import { podIp } from './nodes.ts'

/** A NodePort of the pod, masqueraded as kube-proxy does it. */
export const fakeProxy = `nft -f - <<X
table ip proxy {
  chain pre { type nat hook prerouting priority -100; fib daddr type local udp dport 30000 meta mark set meta mark | 0x4000 dnat to ${podIp}:7000; }
  chain post { type nat hook postrouting priority 100; meta mark & 0x4000 == 0x4000 masquerade fully-random; }
}
X`

/** A NodePort of the pod whose clients keep their address, as externalTrafficPolicy Local has it. */
export const fakeLocalProxy = `nft "table ip local { chain pre { type nat hook prerouting priority -100; fib daddr type local udp dport 30001 dnat to ${podIp}:7000; }; }"`

/** What kube-proxy does with a Service that has one endpoint. */
export const serviceTo = (endpoint: string): string =>
  `nft "table ip service { chain pre { type nat hook prerouting priority -100; ip daddr 10.96.0.1 dnat to ${endpoint}; }; }"`

/** Of a packet that goes back to where it came from, as kube-proxy's nftables mode does. */
export const masqueradeItself = `nft "table ip itself { chain post { type nat hook postrouting priority 100; ct status dnat ip saddr ${podIp} ip daddr ${podIp} masquerade fully-random; }; }"`

/** Whatever leaves the pods' addresses. */
export const masquerade =
  'nft "table ip nat { chain post { type nat hook postrouting priority 100; ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 oifname eth0 masquerade fully-random; }; }"'
