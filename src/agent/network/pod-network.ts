// The network half of a move on one node: each step records what it changes, then changes it with as few programs as possible.
import type { NetworkState } from '../../api/agent-wire.ts'
import { ofItsFamily } from '../../runtime/addresses.ts'
import type { AgentConfig } from '../config.ts'
import type { Attached, FlowChange, FlowSurvey, Leg, PodNetwork } from '../rooms.ts'
import { run, runInNetworkOf } from '../run.ts'
import { applyWish } from './apply-wish.ts'
import { Calm } from './calm.ts'
import { FlowTables, ownOf, portsOf, type SurveyedPod, untrackedOf } from './flow-tables.ts'
import { divertBatch, holdBatch, leaveBridgeBatch, proxyNeighbour, releaseBatch, restoreBatch, type Veth } from './ip-batches.ts'
import { connectedBridges, describeVeth, deviceExists, hostVethOf, macOf, readRoutes, writeSysctls } from './kernel-files.ts'
import { leaveFrames, ownFrames, takeFrames } from './last-frames.ts'
import { AddressLeases } from './leases.ts'
import { readWays, standInAddresses } from './read-ways.ts'
import { ipsOf, type NetworkRecord, NetworkRecords, type RecordedAddress } from './records.ts'
import { type HostRoute, hostRoute, type Route } from './route-table.ts'
import { lockRuleSet, unlockRuleSet } from './rule-sets.ts'
import { holdSysctls, vethSysctls } from './sysctls.ts'
import { Turn } from './turn.ts'
import { UndoneMoves } from './undone.ts'
import { announcing, ipBatch, nftIn, WaitingCommands } from './waiting-commands.ts'
import { WaysBack } from './way-back.ts'
import { tunnelDevices } from './ways.ts'

type Role = NetworkRecord['role']
type DivertMove = Parameters<PodNetwork['divert']>[0]
type ArmedMove = Parameters<PodNetwork['arm']>[0]
type FollowedMove = Parameters<PodNetwork['rearm']>[0]
type HeldMove = Parameters<PodNetwork['hold']>[0]
type UndoneMove = Parameters<PodNetwork['undo']>[0]

export function createPodNetwork(config: AgentConfig): PodNetwork {
  return new NodePodNetwork(config)
}

interface Owned {
  record: NetworkRecord
  routes: Route[]
  /** Of an address whose home this is: the bridge that its neighbours are on. */
  bridgeOf: (ip: string) => string | undefined
}

interface PlannedDiversion {
  text: string
  /** Lines for `garp`: addresses that neighbours on a bridge have by the pod's own MAC. */
  announce: string
  /** For `ip`, after that. */
  leave: string
  bridgeOf: Owned['bridgeOf']
}

class NodePodNetwork implements PodNetwork {
  readonly #config: AgentConfig
  readonly #helper: string
  readonly #records: NetworkRecords
  readonly #leases: AddressLeases
  readonly #turn = new Turn()
  readonly #waiting = new WaitingCommands()
  readonly #calm = new Calm()
  readonly #moves = new UndoneMoves()
  readonly #waysBack = new WaysBack()
  readonly #flows: FlowTables
  /** Host veths that survey found, so that divert need not start a program to look inside the hold. */
  readonly #vethNames = new Map<number, string>()
  readonly #diversions = new Map<string, PlannedDiversion>()

  constructor(config: AgentConfig) {
    this.#config = config
    this.#helper = config.helper
    this.#records = new NetworkRecords(config.stateDir)
    this.#leases = new AddressLeases(config.cniStateDir)
    this.#flows = new FlowTables(config, this.#waiting)
  }

  async survey(pod: SurveyedPod): Promise<FlowSurvey> {
    const [survey, veth] = await Promise.all([this.#flows.survey(pod), hostVethOf(pod.sandboxPid)])
    this.#vethNames.set(pod.sandboxPid, veth.name)
    return survey
  }

  async prepare({ uid, ips, legs }: { uid: string; ips: string[]; legs: Leg[] }): Promise<void> {
    const { record } = await this.#own(uid, ips, 'source')
    await this.#records.write({ ...record, untracked: untrackedOf(legs), own: ownOf(legs) })
    await this.#flows.prepare(uid, ips, legs)
  }

  async changedFlows(move: SurveyedPod & { uid: string; again: boolean }): Promise<FlowChange> {
    return await this.#moves.change(move.uid, () => this.#changedFlows(move))
  }

  async #changedFlows({ uid, again, ...pod }: SurveyedPod & { uid: string; again: boolean }): Promise<FlowChange> {
    const change = await this.#flows.changed(uid, pod, again)
    const { record } = await this.#own(uid, pod.ips, 'source')
    if (change.added.length > 0) {
      const untracked = [...(record.untracked ?? []), ...untrackedOf(change.added)]
      await this.#records.write({ ...record, untracked, own: [...(record.own ?? []), ...ownOf(change.added)] })
    }
    await this.#flows.follow(change)
    return change
  }

  async arm(move: ArmedMove): Promise<void> {
    await this.#moves.change(move.uid, () => this.#arm(move))
  }

  async #arm({ uid, ips, legs, openPorts }: ArmedMove): Promise<void> {
    this.#waiting.start(uid, 'hold', ipBatch)
    const { record } = await this.#own(uid, ips, 'destination')
    const plan = await this.#flows.plan(ips, legs)
    // Repeated, the legs are there already: those of the first time stay ours.
    const inserted = [...(record.legs ?? []), ...plan.inserted]
    const knownPorts = [...new Set([...openPorts, ...portsOf(ips, legs)])]
    await this.#records.write({ ...record, legs: inserted, untracked: untrackedOf(legs), knownPorts })
    await this.#flows.arm(uid, ips, { legs, knownPorts, plan })
  }

  async rearm(move: FollowedMove): Promise<void> {
    await this.#moves.change(move.uid, () => this.#rearm(move))
  }

  async #rearm({ uid, ips, change }: FollowedMove): Promise<void> {
    const { record } = await this.#own(uid, ips, 'destination')
    const plan = await this.#flows.planChange(ips, change)
    const untracked = [...(record.untracked ?? []), ...untrackedOf(change.added)]
    const knownPorts = [...(record.knownPorts ?? []), ...portsOf(ips, change.added)]
    await this.#records.write({ ...record, legs: [...(record.legs ?? []), ...plan.inserted], untracked, knownPorts })
    await this.#flows.rearm(uid, ips, change, plan)
  }

  async missingFlows({ uid, ips }: { uid: string; ips: string[] }): Promise<string[]> {
    return await this.#flows.missing(uid, ips)
  }

  async hold(move: HeldMove): Promise<void> {
    await this.#moves.change(move.uid, () => this.#hold(move))
  }

  async #hold(move: HeldMove): Promise<void> {
    this.#calm.begin(move.uid)
    const { uid, ips } = move
    const { hostVeth, podMac } = move.attached
    const standIns = await standInAddresses(this.#config.nodeIps)
    this.#waiting.start(uid, 'release', ipBatch)
    const { record, bridgeOf } = await this.#own(uid, ips, 'destination')
    await this.#records.write({ ...record, heldVeth: hostVeth })
    await writeSysctls(holdSysctls(hostVeth))
    // The pod comes home: its neighbours on the bridge go on asking the node for it, because it is no port of the bridge any more.
    const proxies = homesOf(ips, bridgeOf).map(({ ip, bridge }) => `${proxyNeighbour('replace', ip, bridge)}\n`)
    await this.#waiting.finish(uid, 'hold', ipBatch, `${proxies.join('')}${holdBatch({ ips, hostVeth, podMac, standIns })}`)
  }

  /** Everything about a diversion that changes no route; the hold has not begun. */
  async prepareDivert(move: DivertMove): Promise<void> {
    await this.#moves.change(move.uid, async () => {
      this.#waiting.start(move.uid, 'divert', ipBatch)
      this.#diversions.set(move.uid, await this.#planDivert(move))
    })
  }

  async divert(move: DivertMove): Promise<void> {
    await this.#moves.change(move.uid, () => this.#divert(move))
  }

  async #divert(move: DivertMove): Promise<void> {
    if (move.role === 'source') this.#calm.begin(move.uid)
    const { text, announce, leave, bridgeOf } = this.#diversions.get(move.uid) ?? (await this.#planDivert(move))
    this.#diversions.delete(move.uid)
    await this.#waiting.finish(move.uid, 'divert', ipBatch, text)
    if (announce) await this.#waiting.finish(move.uid, 'announce', announcing(this.#helper), announce)
    if (leave) await this.#waiting.finish(move.uid, 'leave', ipBatch, leave)
    for (const { ip } of homesOf(move.ips, bridgeOf)) await this.#leases.keep(ip)
  }

  async #planDivert(move: DivertMove): Promise<PlannedDiversion> {
    if (move.sandboxPid !== undefined) this.#waiting.start(move.uid, 'lock', nftIn(move.sandboxPid))
    const { record, routes, bridgeOf } = await this.#own(move.uid, move.ips, move.role)
    const veth = record.veth ?? (move.role === 'source' ? await this.#vethOf(routes, move.ips, move.sandboxPid) : undefined)
    const addresses = await Promise.all(record.addresses.map((address) => this.#withLease(address, bridgeOf)))
    await this.#records.write({ ...record, addresses, ...(veth ? { veth } : {}) })
    if (veth) await writeSysctls(vethSysctls(veth.name))
    // Neighbours of a pod that was no port of the bridge know the node's MAC for it already.
    const announce = record.addresses.flatMap(({ ip, proxyBridge }) => (proxyBridge ? [`${proxyBridge} ${ip}\n`] : [])).join('')
    if (announce) this.#waiting.start(move.uid, 'announce', announcing(this.#helper))
    const leave = veth?.bridge ? leaveBridgeBatch(veth.name, veth.bridge, await macOf(veth.bridge)) : ''
    if (leave) this.#waiting.start(move.uid, 'leave', ipBatch)
    const wayTo = await readWays(routes)
    const diverted = move.ips.flatMap((ip) => {
      const nodeIp = ofItsFamily(ip, move.destinationNodeIps)
      return nodeIp === undefined ? [] : [{ ip, way: wayTo(nodeIp), homeBridge: bridgeOf(ip) }]
    })
    // On the bridge it has not moved yet: the other node does not stand in for it.
    const own = veth?.bridge ? undefined : ownFrames(record.own, diverted, routes)
    if (veth) await takeFrames({ veth: veth.name, bridged: veth.bridge !== undefined, own })
    return { text: divertBatch({ addresses: diverted, veth }), announce, leave, bridgeOf }
  }

  async #withLease(address: RecordedAddress, bridgeOf: Owned['bridgeOf']): Promise<RecordedAddress> {
    const lease = address.lease ?? (bridgeOf(address.ip) ? await this.#leases.find(address.ip) : undefined)
    return { ...address, ...(lease ? { lease } : {}) }
  }

  async lock(move: { uid: string; sandboxPid: number }): Promise<void> {
    await this.#waiting.finish(move.uid, 'lock', nftIn(move.sandboxPid), lockRuleSet())
  }

  async unlock(move: { uid: string; sandboxPid: number }): Promise<void> {
    await runInNetworkOf(move.sandboxPid, 'nft', ['-f', '-'], { input: unlockRuleSet() })
  }

  async release(move: { uid: string; ips: string[]; attached: Attached }): Promise<void> {
    await this.#waiting.finish(move.uid, 'release', ipBatch, releaseBatch(move.ips, move.attached.hostVeth, move.attached.podMac))
    this.#calm.end(move.uid)
  }

  async undo(move: UndoneMove): Promise<void> {
    await this.#moves.undo(move.uid, () => this.#undo(move))
  }

  async #undo(move: UndoneMove): Promise<void> {
    this.#forget(move.uid)
    const record = await this.#records.read(move.uid)
    if (!record) return await this.#records.remove(move.uid)
    const ips = ipsOf(record)
    if (move.otherNodeIps !== undefined) await this.#waysBack.open(record, move.otherNodeIps)
    await this.#restore(record)
    await leaveFrames(record)
    if (move.role === 'destination') await this.#waysBack.close(ips)
    for (const ip of record.veth?.bridge && move.sandboxPid !== undefined ? ips : []) {
      // Neighbours on the bridge were told the bridge's MAC for the pod: its own announcement corrects them.
      await runInNetworkOf(move.sandboxPid ?? 0, this.#helper, ['garp', 'eth0', ip], { reject: false })
    }
    for (const { lease } of record.addresses) if (lease) await this.#leases.restore(lease)
    await this.#flows.undo(move.uid, ips, record)
    await this.#records.remove(move.uid)
  }

  /** What this process knows and has started; what is in the kernel stays. */
  #forget(uid: string): void {
    this.#calm.end(uid)
    this.#waiting.cancel(uid)
    this.#diversions.delete(uid)
  }

  async wayBackEnds(ips: string[]): Promise<void> {
    await this.#waysBack.close(ips)
  }

  async settle(uid: string): Promise<void> {
    await this.#moves.end(uid, () => this.#settle(uid))
  }

  async #settle(uid: string): Promise<void> {
    this.#forget(uid)
    const record = await this.#records.read(uid)
    if (record) await this.#letGo(record)
    await this.#records.remove(uid)
  }

  async sweepHome(olderThanMs: number): Promise<void> {
    const old = (await this.#records.list(olderThanMs)).filter(({ role }) => role === 'home')
    for (const { uid } of old) this.#forget(uid)
    await Promise.all(old.map(({ uid }) => this.#records.remove(uid)))
  }

  async apply(state: NetworkState): Promise<void> {
    await this.#calm.wait()
    await this.#turn.take(async () => {
      const owned = new Set((await this.#records.list()).flatMap(ipsOf))
      await applyWish(state, { config: this.#config, leases: this.#leases, flows: this.#flows, owned })
    })
  }

  async sweep(openUids: string[], dryRun: boolean): Promise<string[]> {
    const open = new Set(openUids)
    const ways = await this.#waysBack.sweep(dryRun)
    const closed = (await this.#records.list()).filter((record) => !open.has(record.uid))
    // Only the ownership goes: what the routes should be is then the controller's wish again.
    if (!dryRun) await Promise.all(closed.map((record) => this.settle(record.uid)))
    const records = closed.map((record) => `network record of migration ${record.uid} (${record.role} of ${ipsOf(record).join(', ')})`)
    return [...records, ...ways.map((table) => `way back ${table}`)]
  }

  async sweepRelays(): Promise<Map<string, number>> {
    const records = await this.#records.list()
    const routes = await readRoutes()
    const held = new Set(records.flatMap(ipsOf))
    const isHere = (ip: string): boolean => held.has(ip) || isAttached(routes, ip)
    const keep = new Set(records.flatMap(({ legs = [] }) => legs.flatMap(({ relayThrough }) => relayThrough ?? [])))
    return await this.#flows.sweepRelays(isHere, keep)
  }

  /** Source: unless the pod is here again, its flows are the destination's. Only then may packets be tracked as they come. */
  async #letGo(record: NetworkRecord): Promise<void> {
    if (record.role === 'home') return
    await leaveFrames(record)
    const ips = ipsOf(record)
    const routes = await readRoutes()
    if (record.role === 'source' && !ips.some((ip) => isAttached(routes, ip))) await this.#flows.leave(ips)
    await this.#flows.settle(record.uid, ips, record)
  }

  /** The record of this migration; made, with the routes as they were, before the first change. */
  #own(uid: string, ips: readonly string[], role: Role): Promise<Owned> {
    return this.#turn.take(async () => {
      const routes = await readRoutes()
      const bridgeOf = await connectedBridges(routes)
      const known = await this.#records.read(uid)
      if (known) return { record: known, routes, bridgeOf }
      const record: NetworkRecord = { uid, role, addresses: ips.map((ip) => addressNow(ip, routes, bridgeOf(ip))) }
      await this.#records.write(record)
      return { record, routes, bridgeOf }
    })
  }

  async #vethOf(routes: readonly Route[], ips: readonly string[], sandboxPid: number | undefined): Promise<Veth> {
    const direct = ips.map((ip) => hostRoute(routes, ip)).find((route) => route && route.gateway === undefined)
    const known = direct?.device ?? this.#vethNames.get(sandboxPid ?? 0)
    if (known !== undefined && (await deviceExists(known))) return await describeVeth(known)
    if (sandboxPid === undefined)
      throw new Error(`Diverting ${ips.join(', ')}: its sandbox is not known: give its process, or the route to its veth`)
    return await hostVethOf(sandboxPid)
  }

  async #restore(record: NetworkRecord): Promise<void> {
    const [routes, standIns] = await Promise.all([readRoutes(), standInAddresses(this.#config.nodeIps)])
    const veth = record.veth && (await deviceExists(record.veth.name)) ? record.veth : undefined
    const heldVeth = record.heldVeth && (await deviceExists(record.heldVeth)) ? record.heldVeth : undefined
    const addresses = await Promise.all(
      record.addresses.map(async ({ ip, previousRoute }) => {
        return { ip, previous: await usableRoute(previousRoute), routed: hostRoute(routes, ip) !== undefined }
      }),
    )
    await batch(restoreBatch({ addresses, standIns, veth, heldVeth }))
    // Apart and forgiving: the proxy neighbour may not have been made yet, and ip ends a batch at that.
    for (const { ip, proxyBridge } of record.addresses)
      if (proxyBridge) await run('ip', ['-batch', '-'], { input: `${proxyNeighbour('del', ip, proxyBridge)}\n`, reject: false })
  }
}

/** With a route of its own the pod was no port of the bridge, so the node answered for it already and goes on after a rollback. */
function addressNow(ip: string, routes: readonly Route[], bridge: string | undefined): RecordedAddress {
  const previous = hostRoute(routes, ip)
  if (previous) return { ip, previousRoute: routeAsIs(previous, tunnelDevices(routes)) }
  return { ip, previousRoute: null, ...(bridge ? { proxyBridge: bridge } : {}) }
}

/** Those of the addresses whose home is this node. */
function homesOf(ips: readonly string[], bridgeOf: Owned['bridgeOf']): { ip: string; bridge: string }[] {
  return ips.flatMap((ip) => {
    const bridge = bridgeOf(ip)
    return bridge === undefined ? [] : [{ ip, bridge }]
  })
}

async function batch(text: string): Promise<void> {
  if (text !== '') await run('ip', ['-batch', '-'], { input: text })
}

function routeAsIs({ device, gateway }: Route, tunnels: readonly string[]): HostRoute {
  return { device, ...(gateway === undefined ? {} : { gateway }), ...(tunnels.includes(device) ? { onlink: true } : {}) }
}

async function usableRoute(route: RecordedAddress['previousRoute']): Promise<HostRoute | undefined> {
  return route && (await deviceExists(route.device)) ? route : undefined
}

/** A route of just the address to a device: the pod is attached to this node. */
function isAttached(routes: readonly Route[], ip: string): boolean {
  const route = hostRoute(routes, ip)
  return route !== undefined && route.gateway === undefined
}
