// The diversion of a moving pod's addresses to its destination, on its source and on its home: planned ahead of the hold, carried out within it.
import { ofItsFamily } from '../../runtime/addresses.ts'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import type { PodNetwork } from '../rooms.ts'
import { divertBatch, leaveBridgeBatch, type Veth } from './ip-batches.ts'
import { describeVeth, deviceExists, hostVethOf, macOf, writeSysctls } from './kernel-files.ts'
import { lateRuleSet, ownFrames, takeFrames, waysOn } from './last-frames.ts'
import type { AddressLeases } from './leases.ts'
import { lossProbesOf, stopLossProbes } from './loss-probes.ts'
import { homesOf, type Owned, type Ownership } from './ownership.ts'
import { readWays } from './read-ways.ts'
import type { NetworkRecords, RecordedAddress } from './records.ts'
import { hostRoute, type Route } from './route-table.ts'
import { vethSysctls } from './sysctls.ts'
import { announcing, ipBatch, nftFile, nftIn, type WaitingCommands } from './waiting-commands.ts'

export type DivertMove = Parameters<PodNetwork['divert']>[0]

interface PlannedDiversion {
  text: string
  /** Lines for `garp`: addresses that neighbours on a bridge have by the pod's own MAC. */
  announce: string
  /** For `nft`, and then for `ip`, after that. */
  late: string
  leave: string
  bridgeOf: Owned['bridgeOf']
}

interface Rooms {
  helper: string
  records: NetworkRecords
  leases: AddressLeases
  ownership: Ownership
  waiting: WaitingCommands
}

export class Diversions {
  readonly #helper: string
  readonly #records: NetworkRecords
  readonly #leases: AddressLeases
  readonly #ownership: Ownership
  readonly #waiting: WaitingCommands
  readonly #planned = new Map<string, PlannedDiversion>()
  readonly #rests = new Map<string, Promise<void>>()
  /** Host veths that survey found, so that no program has to look for them. */
  readonly #vethNames = new Map<number, string>()

  constructor({ helper, records, leases, ownership, waiting }: Rooms) {
    this.#helper = helper
    this.#records = records
    this.#leases = leases
    this.#ownership = ownership
    this.#waiting = waiting
  }

  know(sandboxPid: number, veth: string): void {
    this.#vethNames.set(sandboxPid, veth)
  }

  async prepare(move: DivertMove): Promise<void> {
    this.#waiting.start(move.uid, 'divert', ipBatch)
    this.#planned.set(move.uid, await this.#plan(move))
  }

  /** On the source the rest is done when `finished` says so: the freeze need not wait for it. */
  async divert(move: DivertMove): Promise<void> {
    const plan = this.#planned.get(move.uid) ?? (await this.#plan(move))
    this.#planned.delete(move.uid)
    await this.#waiting.finish(move.uid, 'divert', ipBatch, plan.text)
    if (plan.announce) await this.#waiting.finish(move.uid, 'announce', announcing(this.#helper), plan.announce)
    const rest = this.#finish(move, plan)
    if (move.role !== 'source') return await rest
    rest.catch(() => undefined)
    this.#rests.set(move.uid, rest)
  }

  async finished(uid: string): Promise<void> {
    const rest = this.#rests.get(uid)
    this.#rests.delete(uid)
    await rest
  }

  forget(uid: string): void {
    this.#planned.delete(uid)
  }

  async #finish({ uid, ips }: DivertMove, { late, leave, bridgeOf }: PlannedDiversion): Promise<void> {
    if (late) await this.#waiting.finish(uid, 'late', nftFile, late).catch(warnOfLate)
    if (leave) await this.#waiting.finish(uid, 'leave', ipBatch, leave)
    for (const { ip } of homesOf(ips, bridgeOf)) await this.#leases.keep(ip)
  }

  async #plan(move: DivertMove): Promise<PlannedDiversion> {
    if (move.sandboxPid !== undefined) this.#waiting.start(move.uid, 'lock', nftIn(move.sandboxPid))
    const { record, routes, bridgeOf } = await this.#ownership.of(move.uid, move.ips, move.role)
    const veth = record.veth ?? (move.role === 'source' ? await this.#vethOf(routes, move.ips, move.sandboxPid) : undefined)
    const addresses = await Promise.all(record.addresses.map((address) => this.#withLease(address, bridgeOf)))
    const lossProbes = record.lossProbes ?? (await this.#lossProbesOf(move))
    await this.#records.write({ ...record, addresses, ...(veth ? { veth } : {}), ...(lossProbes === undefined ? {} : { lossProbes }) })
    if (lossProbes !== undefined && move.sandboxPid !== undefined) await stopLossProbes(this.#helper, move.sandboxPid)
    if (veth) await writeSysctls(vethSysctls(veth.name))
    // Neighbours of a pod that was no port of the bridge know the node's MAC for it already.
    const announce = record.addresses.flatMap(({ ip, proxyBridge }) => (proxyBridge ? [`${proxyBridge} ${ip}\n`] : [])).join('')
    if (announce) this.#waiting.start(move.uid, 'announce', announcing(this.#helper))
    const leave = veth?.bridge ? leaveBridgeBatch(veth.name, veth.bridge, await macOf(veth.bridge)) : ''
    if (leave) {
      this.#waiting.start(move.uid, 'late', nftFile)
      this.#waiting.start(move.uid, 'leave', ipBatch)
    }
    const wayTo = await readWays(routes)
    const diverted = move.ips.flatMap((ip) => {
      const nodeIp = ofItsFamily(ip, move.destinationNodeIps)
      return nodeIp === undefined ? [] : [{ ip, way: wayTo(nodeIp), homeBridge: bridgeOf(ip) }]
    })
    // On the bridge it has not moved yet: the other node does not stand in for it.
    const own = veth?.bridge ? undefined : ownFrames(record.own, diverted, routes)
    const late = veth?.bridge ? lateRuleSet(veth.name, veth.bridge, waysOn(diverted, routes)) : ''
    if (veth) await takeFrames({ veth: veth.name, bridge: veth.bridge, own })
    return { text: divertBatch({ addresses: diverted, veth }), announce, late, leave, bridgeOf }
  }

  async #lossProbesOf({ role, sandboxPid }: DivertMove): Promise<string | undefined> {
    return role === 'source' && sandboxPid !== undefined ? await lossProbesOf(this.#helper, sandboxPid) : undefined
  }

  async #withLease(address: RecordedAddress, bridgeOf: Owned['bridgeOf']): Promise<RecordedAddress> {
    const lease = address.lease ?? (bridgeOf(address.ip) ? await this.#leases.find(address.ip) : undefined)
    return { ...address, ...(lease ? { lease } : {}) }
  }

  async #vethOf(routes: readonly Route[], ips: readonly string[], sandboxPid: number | undefined): Promise<Veth> {
    const direct = ips.map((ip) => hostRoute(routes, ip)).find((route) => route && route.gateway === undefined)
    const known = direct?.device ?? this.#vethNames.get(sandboxPid ?? 0)
    if (known !== undefined && (await deviceExists(known))) return await describeVeth(known)
    if (sandboxPid === undefined)
      throw new Error(`Diverting ${ips.join(', ')}: its sandbox is not known: give its process, or the route to its veth`)
    return await hostVethOf(sandboxPid)
  }
}

/** A kernel without the egress hook. */
function warnOfLate(error: unknown): void {
  log.warn({ reason: messageOf(error) }, 'what a process of this node was just sending to the pod is sent again')
}
