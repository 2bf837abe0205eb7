// The kernel settings that belong to the install, their values before it, and everything of the network taken off again.
import path from 'node:path'
import { isIpv6 } from '../../runtime/addresses.ts'
import type { AgentConfig } from '../config.ts'
import { readText, writeIfDifferent } from '../install/host-files.ts'
import { run } from '../run.ts'
import { deleteRoute, proxyNeighbour } from './ip-batches.ts'
import { listBridges, readRoutes, readSysctls, uplinksOf, writeSysctls } from './kernel-files.ts'
import { sweepFrames } from './last-frames.ts'
import { AddressLeases } from './leases.ts'
import { readNodeNetwork } from './node-network.ts'
import { NetworkRecords } from './records.ts'
import { rejoinBridges } from './rejoin.ts'
import { removeAllRelays } from './relays.ts'
import { deleteNodeTables } from './rule-sets.ts'
import { nodeSysctls, type Sysctl } from './sysctls.ts'
import { WaysBack } from './way-back.ts'
import { tunnelDevices } from './ways.ts'

/** Remembers each value as it was before the first change. */
export async function keepNodeSettings(config: AgentConfig): Promise<void> {
  const [bridges, routes] = await Promise.all([listBridges(), readRoutes()])
  const devices = { uplinks: uplinksOf(config.nodeIps), bridges, tunnels: tunnelDevices(routes) }
  const wanted = nodeSysctls({ ...devices, hasIpv6: config.nodeIps.some(isIpv6) })
  const kept = await keptSettings(config)
  const known = new Set(kept.map((sysctl) => sysctl.path))
  const fresh = await readSysctls(wanted.map((sysctl) => sysctl.path).filter((name) => !known.has(name)))
  if (fresh.length > 0) await writeIfDifferent(keptFile(config), JSON.stringify([...kept, ...fresh]), 0o600)
  await writeSysctls(wanted)
}

/** Pods that live away from home lose their routes with this: uninstall is for nodes whose pods have gone home or away. */
export async function restoreNodeNetwork(config: AgentConfig): Promise<void> {
  const network = await readNodeNetwork()
  const { routes, proxies } = network
  const beside = await rejoinBridges(config, network)
  const commands = [
    ...routes.filter((route) => route.gateway !== undefined).map((route) => deleteRoute(route.address)),
    ...proxies.filter(({ address }) => !beside.includes(address)).map((proxy) => proxyNeighbour('del', proxy.address, proxy.bridge)),
  ]
  if (commands.length > 0) await run('ip', ['-batch', '-'], { input: `${commands.join('\n')}\n` })
  await run('nft', ['-f', '-'], { input: deleteNodeTables(config.nodeIps) })
  await new WaysBack().sweep(async () => [], false)
  await sweepFrames(async () => [], false)
  await removeAllRelays()
  await writeSysctls(await keptSettings(config))
  const inUse = routes.filter((route) => route.gateway === undefined).map((route) => route.address)
  await new AddressLeases(config.cniStateDir).freeUnwanted(new Set(inUse))
  await new NetworkRecords(config).removeAll()
}

async function keptSettings(config: AgentConfig): Promise<Sysctl[]> {
  const text = await readText(keptFile(config))
  return text === undefined ? [] : (JSON.parse(text) as Sysctl[])
}

function keptFile(config: AgentConfig): string {
  return path.join(config.stateDir, 'install', 'sysctls.json')
}
