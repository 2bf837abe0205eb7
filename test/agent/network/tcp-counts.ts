// What a kernel has counted of TCP in a namespace.
import type { Nodes } from './nodes.ts'

/** Connections that were open there and ended by a reset. */
export function resetsIn(nodes: Nodes, namespace: string): number {
  return tcpCount(nodes, namespace, 'EstabResets')
}

export function tcpCount(nodes: Nodes, namespace: string, name: string): number {
  const [names = '', values = ''] = nodes.in(namespace, 'grep ^Tcp: /proc/net/snmp').split('\n')
  return Number(values.split(' ')[names.split(' ').indexOf(name)])
}
