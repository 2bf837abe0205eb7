// The way back of the packets that waited on the destination of a move that goes back: out of the held veth to the source, and there also
// past its stack, where that would refuse them. Without it peers send again when their timer says so: 0.2, 0.6, 1.4, 3 s after the first time.
import { ofItsFamily } from '../../runtime/addresses.ts'
import { log } from '../../runtime/log.ts'
import { run } from '../run.ts'
import { familyOf } from './family.ts'
import { deviceExists, readRoutes } from './kernel-files.ts'
import { learnNeighbour } from './neighbours.ts'
import { closeTables, tablesNow } from './netdev-tables.ts'
import { readWays } from './read-ways.ts'
import { ipsOf, type NetworkRecord } from './records.ts'
import { hopOf } from './ways.ts'

const prefix = 'podmotion_back_'
interface Giving {
  ip: string
  /** Its neighbour queue has the packets. */
  heldVeth: string
  /** The source, as this node reaches it. */
  gateway: string
  /** Towards it. */
  uplink: string
}

interface Taking {
  ip: string
  /** Where the pod is: its veth, or the bridge of which that is a port. */
  device: string
  /** Towards the destination. */
  uplink: string
}

/** Destination, before the queue is let go. The egress hook is in Linux since 5.16; the next hop's MAC and the TTL are `fwd`'s. */
export function giveRuleSet({ ip, heldVeth, gateway, uplink }: Giving): string {
  return ruleSet(ip, `egress device "${heldVeth}" priority 0`, [
    `${familyOf(ip).nft} daddr ${ip} fwd ${familyOf(ip).nft} to ${gateway} device "${uplink}"`,
  ])
}

/**
 * Source: packets under an address of this node (it stands in for their sender, or sent them itself), or of a pod here, would come in from
 * outside (martian, reverse path). Its table has their flows already, and saw them leave. All others are tracked as ever.
 */
export function takeRuleSet({ ip, device, uplink }: Taking): string {
  const { nft } = familyOf(ip)
  const toPod = `fwd ${nft} to ${ip} device "${device}"`
  return ruleSet(ip, `ingress device "${uplink}" priority -500`, [
    `${nft} daddr ${ip} fib saddr type local ${toPod}`,
    `${nft} daddr ${ip} fib saddr oifname != "${uplink}" ${toPod}`,
  ])
}

function ruleSet(ip: string, hook: string, rules: readonly string[]): string {
  const table = tableOf(ip)
  return [
    `table netdev ${table} {`,
    `  chain back { type filter hook ${hook}; policy accept; }`,
    '}',
    `flush chain netdev ${table} back`,
    ...rules.map((rule) => `add rule netdev ${table} back ${rule}`),
    '',
  ].join('\n')
}

function tableOf(ip: string): string {
  return `${prefix}${ip.replaceAll(/[.:]/g, '_')}`
}

/** Ways back are open for seconds, and belong to this life of the agent. */
export class WaysBack {
  readonly #open = new Set<string>()

  /**
   * `otherNodeIps`: of the other side of the move. Returns the destination's addresses whose queue may be let go, for `restoreBatch`: all that waits
   * leaves then.
   */
  async open(record: NetworkRecord, otherNodeIps: readonly string[]): Promise<string[]> {
    const ips = ipsOf(record)
    const open = await Promise.all(ips.map((ip) => this.#openFor(ip, record, ofItsFamily(ip, otherNodeIps))))
    return ips.filter((_, index) => open[index])
  }

  async #openFor(ip: string, { role, veth, heldVeth }: NetworkRecord, otherNodeIp: string | undefined): Promise<boolean> {
    if (otherNodeIp === undefined) return false
    const routes = await readRoutes()
    const hop = hopOf((await readWays(routes))(otherNodeIp), routes)
    if (hop === undefined) return false
    const { gateway, uplink } = hop
    if (role === 'source' && veth && (await deviceExists(veth.name)))
      await this.#lay(ip, takeRuleSet({ ip, device: veth.bridge ?? veth.name, uplink }))
    if (role !== 'destination' || heldVeth === undefined || !(await deviceExists(heldVeth))) return false
    await learnNeighbour(gateway)
    return await this.#lay(ip, giveRuleSet({ ip, heldVeth, gateway, uplink }))
  }

  /** false: this kernel cannot, so packets are lost as on any other network change. Nothing else of the way back may depend on it. */
  async #lay(ip: string, rules: string): Promise<boolean> {
    this.#open.add(tableOf(ip))
    const { exitCode, stderr } = await run('nft', ['-f', '-'], { input: rules, reject: false })
    if (exitCode !== 0) log.warn({ ip, reason: stderr }, 'packets that waited cannot be given back')
    return exitCode === 0
  }

  async close(ips: readonly string[]): Promise<void> {
    const tables = ips.map(tableOf)
    await closeTables(tables)
    for (const table of tables) this.#open.delete(table)
  }

  /** Those of another life of the agent. Returns their names. */
  async sweep(dryRun: boolean): Promise<string[]> {
    const left = (await tablesNow(prefix)).filter((table) => !this.#open.has(table))
    if (!dryRun) await closeTables(left)
    return left
  }
}
