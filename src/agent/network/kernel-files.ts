// What the network room reads from and writes to the kernel's files instead of starting programs.
import { readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import path from 'node:path'
import { run } from '../run.ts'
import type { PortFlags, Veth } from './ip-batches.ts'
import { connectedDevices, isAttached, parseIpv6RouteTable, parseRouteTable, type Route } from './route-table.ts'
import type { Sysctl } from './sysctls.ts'

const devicesFolder = '/sys/class/net'

export async function readRoutes(): Promise<Route[]> {
  const [ipv4, ipv6] = await Promise.all([
    readFile('/proc/net/route', 'utf8'),
    // Absent where the kernel has no IPv6.
    readFile('/proc/net/ipv6_route', 'utf8').catch(() => ''),
  ])
  return [...parseRouteTable(ipv4), ...parseIpv6RouteTable(ipv6)]
}

/** A pod that is attached point-to-point. */
export async function isHere(ips: readonly string[]): Promise<boolean> {
  const routes = await readRoutes()
  return ips.some((ip) => isAttached(routes, ip))
}

/** Tells the bridge whose subnet holds an address: then this node is the address's home. */
export async function connectedBridges(routes: readonly Route[]): Promise<(ip: string) => string | undefined> {
  const bridges = new Set(await listBridges())
  return (ip) => connectedDevices(routes, ip).find((device) => bridges.has(device))
}

export async function listBridges(): Promise<string[]> {
  const devices = await readdir(devicesFolder).catch(() => [])
  const found = await Promise.all(devices.map(async (device) => ((await isBridge(device)) ? [device] : [])))
  return found.flat()
}

export function deviceExists(device: string): Promise<boolean> {
  return exists(path.join(devicesFolder, device))
}

function isBridge(device: string): Promise<boolean> {
  return exists(path.join(devicesFolder, device, 'bridge'))
}

export async function macOf(device: string): Promise<string> {
  return (await readFile(path.join(devicesFolder, device, 'address'), 'utf8')).trim()
}

/** NET_ADDR_SET: somebody gave the device its MAC, so a bridge keeps it whatever its ports are. */
const addressWasSet = '3'

export async function hasOwnMac(device: string): Promise<boolean> {
  const [type, mac] = await Promise.all([readFile(path.join(devicesFolder, device, 'addr_assign_type'), 'utf8'), macOf(device)])
  return type.trim() === addressWasSet || /^[0:]+$/.test(mac)
}

/** Devices that carry an address of the node: what leaves for other nodes goes through one of them. */
export function uplinksOf(nodeIps: readonly string[]): string[] {
  return Object.entries(networkInterfaces())
    .filter(([, addresses]) => addresses?.some(({ address }) => nodeIps.includes(address)))
    .map(([device]) => device)
}

/** Settings of devices that went away meanwhile are nobody's loss. */
export async function writeSysctls(sysctls: readonly Sysctl[]): Promise<void> {
  await Promise.all(sysctls.map(({ path: name, value }) => writeFile(path.join('/proc/sys', name), value).catch(ignoreAbsent)))
}

export async function readSysctls(names: readonly string[]): Promise<Sysctl[]> {
  const read = names.map(async (name) => {
    const value = await readFile(path.join('/proc/sys', name), 'utf8').catch(() => undefined)
    return value === undefined ? [] : [{ path: name, value: value.trim() }]
  })
  return (await Promise.all(read)).flat()
}

function ignoreAbsent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

/** The host's end of the pod's eth0, found by the index that the pod's end names. */
export async function hostVethOf(sandboxPid: number): Promise<Veth> {
  const shown = await run('nsenter', ['--target', String(sandboxPid), '--net', '--', 'ip', '-o', 'link', 'show', 'dev', 'eth0'])
  const index = /eth0@if(\d+)/.exec(shown.stdout)?.[1]
  const name = index === undefined ? undefined : await deviceOfIndex(index)
  if (name === undefined) {
    throw new Error(
      `Looking for the host's end of the pod's eth0: "${shown.stdout.trim()}" is no veth of this node: use a CNI of veth pairs`,
    )
  }
  return await describeVeth(name)
}

export async function describeVeth(name: string): Promise<Veth> {
  const [bridge, mac] = await Promise.all([bridgeOf(name), macOf(name)])
  return { name, mac, ...(bridge ? { bridge, port: await portFlags(name) } : {}) }
}

async function portFlags(device: string): Promise<PortFlags> {
  const read = async (flag: string): Promise<boolean> =>
    (await readFile(path.join(devicesFolder, device, 'brport', flag), 'utf8').catch(() => '0')).trim() === '1'
  return { hairpin: await read('hairpin_mode'), isolated: await read('isolated') }
}

async function deviceOfIndex(index: string): Promise<string | undefined> {
  for (const device of await readdir(devicesFolder)) {
    const own = await readFile(path.join(devicesFolder, device, 'ifindex'), 'utf8').catch(() => '')
    if (own.trim() === index) return device
  }
  return undefined
}

async function bridgeOf(device: string): Promise<string | undefined> {
  const master = await readlink(path.join(devicesFolder, device, 'master')).catch(() => undefined)
  return master === undefined ? undefined : path.basename(master)
}

function exists(file: string): Promise<boolean> {
  return readdir(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === 'ENOTDIR',
  )
}
