// The ways to other nodes as this node's kernel has them now. Nodes that reach each other without a tunnel start no program for it.
import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { areOfOneFamily, contains } from '../../runtime/addresses.ts'
import { run } from '../run.ts'
import { familyOf } from './family.ts'
import { readRoutes } from './kernel-files.ts'
import type { Route } from './route-table.ts'
import { type TunnelEnd, tunnelDevices, tunnelEnds, type WayTo, wayTo } from './ways.ts'

export async function readWays(routes: readonly Route[]): Promise<WayTo> {
  const ends = (await Promise.all(tunnelDevices(routes).map(readEnds))).flat()
  return (nodeIp) => wayTo(nodeIp, routes, ends)
}

async function readEnds(device: string): Promise<TunnelEnd[]> {
  const [forwarding, arp, ipv6] = await Promise.all([
    run('bridge', ['-j', 'fdb', 'show', 'dev', device], { reject: false }),
    readFile('/proc/net/arp', 'utf8'),
    run('ip', ['-j', '-6', 'neigh', 'show', 'dev', device], { reject: false }),
  ])
  const said = ({ exitCode, stdout }: { exitCode: number; stdout: string }): string => (exitCode === 0 ? stdout : '')
  return tunnelEnds(device, said(forwarding), arp, said(ipv6))
}

/**
 * The addresses by which this node stands in for others towards a pod, one for each of its own. On a tunnel it is the tunnel's: answers to the
 * node's own address would leave the tunnel with a pod's address as their source, and that is what networks between nodes drop.
 */
export async function standInAddresses(nodeIps: readonly string[]): Promise<string[]> {
  const routes = await readRoutes()
  return nodeIps.map((nodeIp) => {
    const tunnels = tunnelDevices(routes.filter(({ destination }) => areOfOneFamily(destination, nodeIp)))
    const addresses = tunnels.flatMap((device) => networkInterfaces()[device] ?? [])
    return addresses.find(({ family, address }) => family === familyOf(nodeIp).name && !isLinkLocal(address))?.address ?? nodeIp
  })
}

function isLinkLocal(address: string): boolean {
  return contains('fe80::/10', address)
}
