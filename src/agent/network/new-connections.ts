// New connections wait on the destination ahead of the hold, so that those that had begun can finish where they began: criu carries no half-open
// one, and the last segment of its handshake would be answered by a reset on the destination.
import { ofItsFamily } from '../../runtime/addresses.ts'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { PodTcp } from '../pod-tcp.ts'
import type { PodNetwork } from '../rooms.ts'
import { run } from '../run.ts'
import { untilNone } from '../runc/until-none.ts'
import { type Family, families, familyOf, ipv4, ownRange } from './family.ts'
import { routeProtocol } from './ip-batches.ts'
import { readRoutes } from './kernel-files.ts'
import { framesTable, sentOn, type WayOn, waysOn } from './last-frames.ts'
import { learnNeighbour } from './neighbours.ts'
import { deviceRuleSet } from './netdev-tables.ts'
import { isHalfOpen } from './pod-sockets.ts'
import { readWays } from './read-ways.ts'
import type { NetworkRecord } from './records.ts'
import { relayPriority, ruleOf, tableOf, waitingNumber } from './relay-marks.ts'
import { opensConnection } from './rule-sets.ts'
import { Turn } from './turn.ts'
import { nftFile, type WaitingCommands } from './waiting-commands.ts'

type Move = Parameters<PodNetwork['sendNewOn']>[0]

const table = String(tableOf(waitingNumber))

/** Destination: a table whose routes only a packet with the mark of `rule-sets.ts` takes. Moves share the rule that leads there. */
export class WaitingRoutes {
  readonly #turn = new Turn()

  lay(ips: readonly string[], hostVeth: string): Promise<void> {
    return this.#turn.take(async () => {
      for (const family of families) {
        const own = ips.filter((ip) => familyOf(ip) === family)
        if (own.length === 0) continue
        const routes = own.map((ip) => `route replace ${ownRange(ip)} dev ${hostVeth} table ${table} proto ${routeProtocol}\n`)
        const rule = (await hasRule(family)) ? '' : `rule add ${ruleOf(waitingNumber)}\n`
        await run('ip', [family.option, '-batch', '-'], { input: `${routes.join('')}${rule}` })
      }
    })
  }

  /** The routes go with their device, if that is gone. The rule goes with the last of them. */
  takeAway(hostVeth: string): Promise<void> {
    return this.#turn.take(async () => {
      for (const family of families) {
        await run('ip', [family.option, 'route', 'flush', 'table', table, 'dev', hostVeth], { reject: false })
        if ((await hasRule(family)) && !(await hasRoutes(family)))
          await run('ip', [family.option, 'rule', 'del', ...ruleOf(waitingNumber).split(' ')])
      }
    })
  }
}

/** A kernel without IPv6 has no rules of it. */
async function hasRule(family: Family): Promise<boolean> {
  const { stdout } = await run('ip', [family.option, 'rule', 'show', 'pref', String(relayPriority)], { reject: family === ipv4 })
  return stdout.split('\n').some((rule) => rule.trim().endsWith(`lookup ${table}`))
}

/** A table that never had a route is an error to `ip`. */
async function hasRoutes(family: Family): Promise<boolean> {
  const { stdout } = await run('ip', [family.option, 'route', 'show', 'table', table], { reject: false })
  return stdout.trim() !== ''
}

/**
 * Source: on the last step of the way into the pod, whoever sent it and whatever this node has translated. The next hop's MAC and the TTL are
 * `fwd`'s. The egress hook is in Linux since 5.16. Goes with the table (last-frames.ts).
 */
export function sendOnRuleSet(veth: string, ways: readonly WayOn[]): string {
  const rules = ways.map((way) => sentOn(way, opensConnection))
  return deviceRuleSet(framesTable(veth), { opening: { hook: `egress device "${veth}" priority 0`, rules } })
}

/** Source: what is known of each migration before it is wanted, so that new connections wait no longer than they must. */
export class SentOn {
  readonly #helper: string
  readonly #waiting: WaitingCommands
  readonly #planned = new Map<string, string>()

  constructor(helper: string, waiting: WaitingCommands) {
    this.#helper = helper
    this.#waiting = waiting
  }

  async prepare(
    { uid, ips, destinationNodeIps }: Pick<Move, 'uid' | 'ips' | 'destinationNodeIps'>,
    record: NetworkRecord | undefined,
  ): Promise<void> {
    const veth = record?.veth?.name
    if (veth === undefined) return
    this.#waiting.start(uid, 'sendOn', nftFile)
    const ways = await waysTo(ips, destinationNodeIps)
    await Promise.all(ways.map(({ gateway }) => learnNeighbour(gateway)))
    this.#planned.set(uid, sendOnRuleSet(veth, ways))
  }

  /**
   * When the destination is ready for them. Returns whose handshakes had not ended after `withinMs`, as `address port`: they are a long way off, or
   * never answer.
   */
  async begin({ uid, sandboxPid, withinMs }: Move): Promise<string[]> {
    const plan = this.#planned.get(uid)
    if (plan === undefined) return []
    try {
      await this.#waiting.finish(uid, 'sendOn', nftFile, plan)
    } catch (error) {
      log.warn({ uid, reason: messageOf(error) }, 'connections that open just before the freeze may be reset')
      return []
    }
    return await untilNoneIsHalfOpen(PodTcp.of(this.#helper, sandboxPid), withinMs)
  }

  forget(uid: string): void {
    this.#planned.delete(uid)
  }
}

async function waysTo(ips: readonly string[], destinationNodeIps: readonly string[]): Promise<WayOn[]> {
  const routes = await readRoutes()
  const wayTo = await readWays(routes)
  const reached = ips.flatMap((ip) => {
    const nodeIp = ofItsFamily(ip, destinationNodeIps)
    return nodeIp === undefined ? [] : [{ ip, way: wayTo(nodeIp) }]
  })
  return waysOn(reached, routes)
}

async function untilNoneIsHalfOpen(tcp: PodTcp, withinMs: number): Promise<string[]> {
  if (await untilNone(() => tcp.halfOpen(), withinMs)) return []
  return (await tcp.sockets()).filter(isHalfOpen).map(({ remote, remotePort }) => `${remote} ${remotePort}`)
}
