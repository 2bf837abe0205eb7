// Uninstall: pods that are at home and beside their bridge become ports of it again, so that they need no proxy neighbour that somebody keeps.
import { readdir, readlink } from 'node:fs/promises'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { AgentConfig } from '../config.ts'
import { run, runInNetworkOf } from '../run.ts'
import { rejoinBatch } from './ip-batches.ts'
import { connectedBridges, hostVethOf, readRoutes } from './kernel-files.ts'
import type { NodeNetwork } from './wish.ts'

interface Homecomer {
  veth: string
  bridge: string
  ips: string[]
  /** A process in its network. */
  pid: number
}

/** Returns the addresses that could not be brought back: they go on by what they have. */
export async function rejoinBridges(config: AgentConfig, { routes }: NodeNetwork): Promise<string[]> {
  const bridgeOf = await connectedBridges(await readRoutes())
  const attached = routes.filter(({ gateway, address }) => gateway === undefined && bridgeOf(address) !== undefined)
  const processes = attached.length > 0 ? await processesOfNetworks() : []
  const back = new Set<string>()
  for (const veth of new Set(attached.map(({ device }) => device))) {
    const ips = attached.filter(({ device }) => device === veth).map(({ address }) => address)
    const bridge = bridgeOf(ips[0] ?? '')
    const pid = await processBehind(veth, ips, processes)
    if (pid === undefined || bridge === undefined) continue
    if (await hasRejoined(config, { veth, bridge, ips, pid })) for (const ip of ips) back.add(ip)
  }
  return attached.map(({ address }) => address).filter((address) => !back.has(address))
}

/** A pod that ends in the middle of this must not keep the rest from being taken off. */
async function hasRejoined(config: AgentConfig, homecomer: Homecomer): Promise<boolean> {
  try {
    await rejoin(config, homecomer)
    return true
  } catch (error) {
    log.warn({ reason: messageOf(error), veth: homecomer.veth }, 'bringing a pod back to its bridge failed')
    return false
  }
}

/** It answers ARP again before it is asked; a received pod was told not to. What it sends goes to its gateway as before, by the veth's own address. */
async function rejoin({ helper }: AgentConfig, { veth, bridge, ips, pid }: Homecomer): Promise<void> {
  const speak = 'for device in all eth0; do echo 0 > /proc/sys/net/ipv4/conf/$device/arp_ignore; done'
  await runInNetworkOf(pid, 'sh', ['-ec', speak])
  await run('ip', ['-batch', '-'], { input: rejoinBatch(ips, veth, bridge) })
  for (const ip of ips) await runInNetworkOf(pid, helper, ['garp', 'eth0', ip], { reject: false })
}

/** Its network has the veth's other end, and the addresses. */
async function processBehind(veth: string, ips: readonly string[], processes: readonly number[]): Promise<number | undefined> {
  for (const pid of processes) {
    const found = await hostVethOf(pid).catch(() => undefined)
    if (found?.name !== veth) continue
    const { stdout } = await runInNetworkOf(pid, 'ip', ['-o', 'addr', 'show', 'dev', 'eth0'], { reject: false })
    if (ips.every((ip) => stdout.includes(` ${ip}/`))) return pid
  }
  return undefined
}

/** One of each network, besides the node's own, that processes of this node are in. */
async function processesOfNetworks(): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const networks = await Promise.all(pids.map(async (pid) => [await networkOf(pid), Number(pid)] as const))
  const own = await networkOf('self')
  return [...new Map(networks.filter(([network]) => network !== undefined && network !== own)).values()]
}

function networkOf(pid: string): Promise<string | undefined> {
  return readlink(`/proc/${pid}/ns/net`).catch(() => undefined)
}
