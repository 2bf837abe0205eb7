// The way back of the packets that waited on the destination of a move that goes back: out of the held veth to the source, and there also
// past its stack, where that would refuse them. Without it peers send again when their timer says so: 0.2, 0.6, 1.4, 3 s after the first time.
import { ofItsFamily } from '../../runtime/addresses.ts'
import { log } from '../../runtime/log.ts'
import { run } from '../run.ts'
import { familyOf } from './family.ts'
import { noMac } from './ip-batches.ts'
import { deviceExists, readRoutes } from './kernel-files.ts'
import { learnNeighbour } from './neighbours.ts'
import { closeTables, deviceRuleSet, tablesNow } from './netdev-tables.ts'
import { readWays } from './read-ways.ts'
import { ipsOf, type NetworkRecord } from './records.ts'
import { type Hop, hopOf } from './ways.ts'

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

/**
 * Destination, ahead of the hold. `back`: only what leaves the queue under no MAC goes this way. The egress hook is in Linux since 5.16; the next
 * hop's MAC and the TTL are `fwd`'s. `round`: what a process of this node was about to send when the hold began (it was preempted between its
 * route and its device) still goes to the source, and comes back from there under an address of this node: into the queue, past the stack, which
 * would refuse it (martian). Its table saw it leave.
 */
export function giveRuleSet({ ip, heldVeth, gateway, uplink }: Giving): string {
  const { nft } = familyOf(ip)
  return deviceRuleSet(giveTable(heldVeth, ip), {
    back: {
      hook: `egress device "${heldVeth}" priority 0`,
      rules: [`ether daddr ${noMac} ${nft} daddr ${ip} fwd ${nft} to ${gateway} device "${uplink}"`],
    },
    round: {
      hook: `ingress device "${uplink}" priority -500`,
      rules: [`${nft} daddr ${ip} fib saddr type local fwd ${nft} to ${ip} device "${heldVeth}"`],
    },
  })
}

/**
 * Source: packets under an address of this node (it stands in for their sender, or sent them itself), or of a pod here, would come in from
 * outside (martian, reverse path). Its table has their flows already, and saw them leave. All others are tracked as ever.
 */
export function takeRuleSet({ ip, device, uplink }: Taking): string {
  const { nft } = familyOf(ip)
  const toPod = `fwd ${nft} to ${ip} device "${device}"`
  return deviceRuleSet(takeTable(ip), {
    back: {
      hook: `ingress device "${uplink}" priority -500`,
      rules: [`${nft} daddr ${ip} fib saddr type local ${toPod}`, `${nft} daddr ${ip} fib saddr oifname != "${uplink}" ${toPod}`],
    },
  })
}

function takeTable(ip: string): string {
  return tableNamed(ip)
}

/** The device's: a pod that came here and leaves again takes under its address, before or after what it came with is settled. */
function giveTable(heldVeth: string, ip: string): string {
  return tableNamed(`${heldVeth}_${ip}`)
}

function tableNamed(name: string): string {
  return `${prefix}${name.replaceAll(/\W/g, '_')}`
}

function giveTables(record: NetworkRecord): string[] {
  const { heldVeth } = record
  return heldVeth === undefined ? [] : ipsOf(record).map((ip) => giveTable(heldVeth, ip))
}

/** By pod address, how the other node is reached for it; none: not at all. */
async function hopsTo(ips: readonly string[], otherNodeIps: readonly string[]): Promise<Map<string, Hop>> {
  if (ips.length === 0) return new Map()
  const routes = await readRoutes()
  const wayTo = await readWays(routes)
  const found = ips.map((ip) => {
    const nodeIp = ofItsFamily(ip, otherNodeIps)
    return [ip, nodeIp === undefined ? undefined : hopOf(wayTo(nodeIp), routes)] as const
  })
  return new Map(found.filter((one): one is [string, Hop] => one[1] !== undefined))
}

/** What the source takes is for seconds, and belongs to this life of the agent; what the destination gives by belongs to its record. */
export class WaysBack {
  /** Tables that this life of the agent has laid. */
  readonly #open = new Set<string>()
  /** By pod address. */
  readonly #hops = new Map<string, Hop>()

  /** Source, ahead of the freeze: how the destination is reached need not be looked up when it gives back. */
  async prepareToTake(ips: readonly string[], otherNodeIps: readonly string[]): Promise<void> {
    const hops = await hopsTo(ips, otherNodeIps)
    this.forget(ips)
    for (const [ip, hop] of hops) this.#hops.set(ip, hop)
  }

  forget(ips: readonly string[]): void {
    for (const ip of ips) this.#hops.delete(ip)
  }

  /** Source: what comes back is taken. `otherNodeIps`: of the destination. */
  async take(record: NetworkRecord, otherNodeIps: readonly string[]): Promise<void> {
    const { veth } = record
    if (veth === undefined || !(await deviceExists(veth.name))) return
    const device = veth.bridge ?? veth.name
    const ips = ipsOf(record)
    const unknown = ips.filter((ip) => !this.#hops.has(ip))
    const hops = new Map([...this.#hops, ...(await hopsTo(unknown, otherNodeIps))].filter(([ip]) => ips.includes(ip)))
    await Promise.all([...hops].map(([ip, { uplink }]) => this.#lay(takeTable(ip), takeRuleSet({ ip, device, uplink }))))
  }

  async takeNoMore(ips: readonly string[]): Promise<void> {
    this.forget(ips)
    await this.#close(ips.map(takeTable))
  }

  /**
   * Destination, ahead of the hold and again when it is over. `otherNodeIps`: of the source. Returns the addresses whose queue may be let go under
   * no MAC (`restoreBatch`): all that waits leaves then.
   */
  async prepareToGive(record: NetworkRecord, otherNodeIps: readonly string[]): Promise<string[]> {
    const { heldVeth } = record
    if (heldVeth === undefined || !(await deviceExists(heldVeth))) return []
    const ips = ipsOf(record)
    const isOpen = (ip: string): boolean => this.#open.has(giveTable(heldVeth, ip))
    const fresh = ips.filter((ip) => !isOpen(ip))
    const lay = async ([ip, { gateway, uplink }]: [string, Hop]): Promise<void> => {
      await learnNeighbour(gateway)
      await this.#lay(giveTable(heldVeth, ip), giveRuleSet({ ip, heldVeth, gateway, uplink }))
    }
    await Promise.all([...(await hopsTo(fresh, otherNodeIps))].map(lay))
    return ips.filter(isOpen)
  }

  async giveNoMore(record: NetworkRecord): Promise<void> {
    await this.#close(giveTables(record))
  }

  /** A kernel that cannot loses these packets as on any other network change. Nothing else of the way back may depend on it. */
  async #lay(table: string, rules: string): Promise<void> {
    this.#open.add(table)
    const { exitCode, stderr } = await run('nft', ['-f', '-'], { input: rules, reject: false })
    if (exitCode === 0) return
    this.#open.delete(table)
    log.warn({ table, reason: stderr }, 'packets that wait cannot be given back when the move goes back')
  }

  async #close(tables: readonly string[]): Promise<void> {
    await closeTables(tables)
    for (const table of tables) this.#open.delete(table)
  }

  /**
   * Those of another life of the agent and of no record: `records` are read after the tables, and each is written before its table is made. Returns
   * their names.
   */
  async sweep(records: () => Promise<NetworkRecord[]>, dryRun: boolean): Promise<string[]> {
    const tables = await tablesNow(prefix)
    const owned = new Set((await records()).flatMap(giveTables))
    const left = tables.filter((table) => !this.#open.has(table) && !owned.has(table))
    if (!dryRun) await closeTables(left)
    return left
  }
}
