// What can be chosen about the benchmark of flows.
import { parseArgs } from 'node:util'
import { type PodNetworkKind, type ProxyMode, podNetworkOf, type Stack, stackOf } from '../../test/lab/options.ts'

/** Of each flow that asks. As many requests a second from the flows of two families as from those of one. */
const usualPeriodMs: Readonly<Record<Stack, number>> = { ipv4: 400, dual: 800 }

export interface FlowOptions {
  moves: number
  /** Flows of each kind. */
  count: number
  periodMs: number
  /** Besides, flows that ask every 2 ms; 0: none. */
  busy: number
  proxyMode: ProxyMode
  podNetwork: PodNetworkKind
  stack: Stack
  /** Each second move is rolled back. */
  rollback: boolean
  /** Instead of flows of all kinds this many idle connections, against a few, in the same run. */
  sockets: number | undefined
  keep: boolean
}

export function flowOptions(args: readonly string[]): FlowOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      moves: { type: 'string', default: '10' },
      count: { type: 'string', default: '10' },
      'period-ms': { type: 'string' },
      busy: { type: 'string', default: '8' },
      proxy: { type: 'string', default: 'nftables' },
      network: { type: 'string', default: 'routed' },
      stack: { type: 'string', default: 'ipv4' },
      rollback: { type: 'boolean', default: false },
      sockets: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  })
  if (values.proxy !== 'nftables' && values.proxy !== 'iptables') {
    throw new Error(`Reading --proxy: expected nftables or iptables, got ${JSON.stringify(values.proxy)}`)
  }
  const stack = stackOf(values.stack)
  return {
    moves: positive('--moves', values.moves),
    count: positive('--count', values.count),
    periodMs: values['period-ms'] === undefined ? usualPeriodMs[stack] : positive('--period-ms', values['period-ms']),
    busy: values.busy === '0' ? 0 : positive('--busy', values.busy),
    proxyMode: values.proxy,
    podNetwork: podNetworkOf(values.network),
    stack,
    rollback: values.rollback,
    sockets: values.sockets === undefined ? undefined : positive('--sockets', values.sockets),
    keep: values.keep,
  }
}

function positive(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`Reading ${name}: expected a whole number above 0, got ${JSON.stringify(text)}`)
}
