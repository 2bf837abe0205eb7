// The ways to other nodes as this node's kernel has them now. Nodes that reach each other without a tunnel start no program for it.
import { readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { run } from '../run.ts'
import { readRoutes } from './kernel-files.ts'
import type { Route } from './route-table.ts'
import { type TunnelEnd, tunnelDevices, tunnelEnds, type WayTo, wayTo } from './ways.ts'

export async function readWays(routes: readonly Route[]): Promise<WayTo> {
  const ends = (await Promise.all(tunnelDevices(routes).map(readEnds))).flat()
  return (nodeIp) => wayTo(nodeIp, routes, ends)
}

async function readEnds(device: string): Promise<TunnelEnd[]> {
  const [forwarding, neighbours] = await Promise.all([
    run('bridge', ['-j', 'fdb', 'show', 'dev', device], { reject: false }),
    readFile('/proc/net/arp', 'utf8'),
  ])
  return tunnelEnds(device, forwarding.exitCode === 0 ? forwarding.stdout : '', neighbours)
}

/**
 * The address by which this node stands in for others towards a pod. On a tunnel it is the tunnel's: answers to the node's own address would
 * leave the tunnel with a pod's address as their source, and that is what networks between nodes drop.
 */
export async function standInAddress(nodeIp: string): Promise<string> {
  const tunnels = tunnelDevices(await readRoutes())
  const addresses = tunnels.flatMap((device) => networkInterfaces()[device] ?? [])
  return addresses.find(({ family }) => family === 'IPv4')?.address ?? nodeIp
}
