// Every kind of flow that a move must not disturb: who opens it, to which address, and what it does.
import { node, outsideAddress, outsideAddress6 } from '../hosts.ts'

export type Mode = 'request' | 'bulk' | 'idle' | 'connects' | 'datagrams'

export interface Order {
  kind: string
  mode: Mode
  address: string
  port: number
  count: number
  periodMs: number
}

/** Where flows begin: a process of the outside, of a node, of a plain pod on a node, or of the pod that moves. */
export type Origin = 'outside' | 'moved' | `node-${number}` | `pod-${number}`

/** All of one family. */
export interface Addresses {
  podIp: string
  /** Services of the moved pod and of the peers. */
  serviceIp: string
  peersIp: string
  /** Pods that stay, by the number of their node. */
  peerIps: readonly string[]
}

export const nodePort = 30700
/** externalTrafficPolicy Local: only the node where the pod is when a flow begins lets it in. */
export const localNodePort = 30701

export interface KindOptions {
  /** Flows of each kind. */
  count: number
  periodMs: number
  /** Number of the node where the pod is when the flows begin. */
  startNode: number
  nodes: number
  /** Besides, so many that ask every 2 ms. */
  busy?: number
}

const busyPeriodMs = 2

/** The same kinds for each family that the lab has. */
export function ordersOf(families: readonly Addresses[], options: KindOptions): Map<Origin, Order[]> {
  const orders = new Map<Origin, Order[]>()
  for (const addresses of families) {
    const suffix = addresses.podIp.includes(':') ? ' v6' : ''
    const add = (origin: Origin, kind: string, mode: Mode, address: string, port = 7000): void => {
      const count = mode === 'bulk' ? Math.min(options.count, 4) : options.count
      const order = { kind: `${origin}->${kind}${suffix}`, mode, address, port, count, periodMs: options.periodMs }
      orders.set(origin, [...(orders.get(origin) ?? []), order])
    }
    const places = placesOf(addresses)
    clientsInTheCluster(add, addresses, options)
    clientsOutside(add, addresses, places, options)
    ownFlows(add, addresses, places)
  }
  const [first] = families
  if (first && options.busy)
    orders.get('outside')?.push({
      kind: 'outside->service busy',
      mode: 'request',
      address: first.serviceIp,
      port: 7000,
      count: options.busy,
      periodMs: busyPeriodMs,
    })
  return orders
}

interface Places {
  nodeIp: (number: number) => string
  outside: string
}

function placesOf({ podIp }: Addresses): Places {
  if (!podIp.includes(':')) return { nodeIp: (number) => node(number).address, outside: outsideAddress }
  return { nodeIp: (number) => node(number).address6, outside: outsideAddress6 }
}

type Add = (origin: Origin, kind: string, mode: Mode, address: string, port?: number) => void

function clientsInTheCluster(add: Add, { podIp, serviceIp }: Addresses, { nodes }: KindOptions): void {
  for (let number = 1; number <= nodes; number++) {
    for (const origin of [`pod-${number}`, `node-${number}`] as const) {
      add(origin, 'pod', 'request', podIp)
      add(origin, 'service', 'request', serviceIp)
    }
    // As kubelet's probes do: short ones from the node itself.
    add(`node-${number}`, 'pod connects', 'connects', podIp)
  }
  add('pod-1', 'service bulk', 'bulk', serviceIp)
  add('pod-2', 'service datagrams', 'datagrams', serviceIp)
}

function clientsOutside(add: Add, { podIp, serviceIp }: Addresses, { nodeIp }: Places, { nodes, startNode }: KindOptions): void {
  add('outside', 'pod', 'request', podIp)
  add('outside', 'pod bulk', 'bulk', podIp)
  add('outside', 'pod datagrams', 'datagrams', podIp)
  add('outside', 'service', 'request', serviceIp)
  add('outside', 'service connects', 'connects', serviceIp)
  for (let number = 1; number <= nodes; number++) add('outside', `node port ${number}`, 'request', nodeIp(number), nodePort)
  add('outside', 'node port idle', 'idle', nodeIp(startNode), nodePort)
  add('outside', 'node port datagrams', 'datagrams', nodeIp(startNode), nodePort)
  add('outside', 'local node port', 'request', nodeIp(startNode), localNodePort)
}

function ownFlows(add: Add, { serviceIp, peersIp, peerIps }: Addresses, { outside }: Places): void {
  for (const [index, address] of peerIps.entries()) add('moved', `pod-${index + 1}`, 'request', address)
  add('moved', 'service', 'request', peersIp)
  add('moved', 'service bulk', 'bulk', peersIp)
  add('moved', 'service idle', 'idle', peersIp)
  add('moved', 'service datagrams', 'datagrams', peersIp)
  add('moved', 'outside', 'request', outside)
  add('moved', 'outside bulk', 'bulk', outside)
  add('moved', 'outside datagrams', 'datagrams', outside)
  add('moved', 'itself', 'request', serviceIp)
  // Always on its way, so also in the instants between the diversion and the freeze.
  add('moved', 'itself bulk', 'bulk', serviceIp)
}
