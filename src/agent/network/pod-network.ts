// The network half of a move on one node: each step records what it changes, then changes it with as few programs as possible.
import type { NetworkState } from '../../api/agent-wire.ts'
import type { AgentConfig } from '../config.ts'
import type { Attached, FlowChange, FlowSurvey, Leg, PodNetwork } from '../rooms.ts'
import { run, runInNetworkOf } from '../run.ts'
import { applyWish } from './apply-wish.ts'
import { Calm } from './calm.ts'
import { FlowTables, portsOf, type SurveyedPod, untrackedOf } from './flow-tables.ts'
import { divertBatch, holdBatch, proxyNeighbour, releaseBatch, restoreBatch, type Veth } from './ip-batches.ts'
import { connectedBridges, describeVeth, deviceExists, hostVethOf, macOf, readRoutes, writeSysctls } from './kernel-files.ts'
import { AddressLeases } from './leases.ts'
import { readWays, standInAddress } from './read-ways.ts'
import { type NetworkRecord, NetworkRecords } from './records.ts'
import { type HostRoute, hostRoute, type Route } from './route-table.ts'
import { lockRuleSet, unlockRuleSet } from './rule-sets.ts'
import { holdSysctls, vethSysctls } from './sysctls.ts'
import { Turn } from './turn.ts'
import { UndoneMoves } from './undone.ts'
import { ipBatch, nftIn, WaitingCommands } from './waiting-commands.ts'
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
  readonly #diversions = new Map<string, { text: string; record: NetworkRecord; bridge: string | undefined }>()

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

  async prepare({ uid, ip, legs }: { uid: string; ip: string; legs: Leg[] }): Promise<void> {
    const { record } = await this.#own(uid, ip, 'source')
    await this.#records.write({ ...record, untracked: untrackedOf(legs) })
    await this.#flows.prepare(uid, ip, legs)
  }

  async changedFlows(move: SurveyedPod & { uid: string; again: boolean }): Promise<FlowChange> {
    return await this.#moves.change(move.uid, () => this.#changedFlows(move))
  }

  async #changedFlows({ uid, again, ...pod }: SurveyedPod & { uid: string; again: boolean }): Promise<FlowChange> {
    const change = await this.#flows.changed(uid, pod, again)
    const { record } = await this.#own(uid, pod.ip, 'source')
    if (change.added.length > 0)
      await this.#records.write({ ...record, untracked: [...(record.untracked ?? []), ...untrackedOf(change.added)] })
    await this.#flows.follow(change)
    return change
  }

  async arm(move: ArmedMove): Promise<void> {
    await this.#moves.change(move.uid, () => this.#arm(move))
  }

  async #arm({ uid, ip, legs, openPorts }: ArmedMove): Promise<void> {
    this.#waiting.start(uid, 'hold', ipBatch)
    const { record } = await this.#own(uid, ip, 'destination')
    const plan = await this.#flows.plan(ip, legs)
    // Repeated, the legs are there already: those of the first time stay ours.
    const inserted = [...(record.legs ?? []), ...plan.inserted]
    const knownPorts = [...new Set([...openPorts, ...portsOf(ip, legs)])]
    await this.#records.write({ ...record, legs: inserted, untracked: untrackedOf(legs), knownPorts })
    await this.#flows.arm(uid, ip, { legs, knownPorts, plan })
  }

  async rearm(move: FollowedMove): Promise<void> {
    await this.#moves.change(move.uid, () => this.#rearm(move))
  }

  async #rearm({ uid, ip, change }: FollowedMove): Promise<void> {
    const { record } = await this.#own(uid, ip, 'destination')
    const plan = await this.#flows.planChange(ip, change)
    const untracked = [...(record.untracked ?? []), ...untrackedOf(change.added)]
    const knownPorts = [...(record.knownPorts ?? []), ...portsOf(ip, change.added)]
    await this.#records.write({ ...record, legs: [...(record.legs ?? []), ...plan.inserted], untracked, knownPorts })
    await this.#flows.rearm(uid, ip, change, plan)
  }

  async missingFlows({ uid, ip }: { uid: string; ip: string }): Promise<string[]> {
    return await this.#flows.missing(uid, ip)
  }

  async hold(move: HeldMove): Promise<void> {
    await this.#moves.change(move.uid, () => this.#hold(move))
  }

  async #hold(move: HeldMove): Promise<void> {
    this.#calm.begin(move.uid)
    const { hostVeth, podMac } = move.attached
    const standIn = await standInAddress(this.#config.nodeIp)
    this.#waiting.start(move.uid, 'release', ipBatch)
    const { record, bridge } = await this.#own(move.uid, move.ip, 'destination')
    await this.#records.write({ ...record, heldVeth: hostVeth })
    await writeSysctls(holdSysctls(hostVeth))
    // The pod comes home: its neighbours on the bridge go on asking the node for it, because it is no port of the bridge any more.
    const proxy = bridge ? `${proxyNeighbour('replace', move.ip, bridge)}\n` : ''
    await this.#waiting.finish(move.uid, 'hold', ipBatch, `${proxy}${holdBatch({ ip: move.ip, hostVeth, podMac, standIn })}`)
  }

  /** Everything about a diversion that changes no route; the hold has not begun. */
  async prepareDivert(move: DivertMove): Promise<void> {
    this.#waiting.start(move.uid, 'divert', ipBatch)
    this.#diversions.set(move.uid, await this.#planDivert(move))
  }

  async divert(move: DivertMove): Promise<void> {
    if (move.role === 'source') this.#calm.begin(move.uid)
    const { text, record, bridge } = this.#diversions.get(move.uid) ?? (await this.#planDivert(move))
    this.#diversions.delete(move.uid)
    await this.#waiting.finish(move.uid, 'divert', ipBatch, text)
    // Neighbours of a pod that was no port of the bridge know the node's MAC for it already.
    if (record.proxyBridge) await run(this.#helper, ['garp', record.proxyBridge, move.ip])
    if (bridge) await this.#leases.keep(move.ip)
  }

  async #planDivert(move: DivertMove): Promise<{ text: string; record: NetworkRecord; bridge: string | undefined }> {
    if (move.sandboxPid !== undefined) this.#waiting.start(move.uid, 'lock', nftIn(move.sandboxPid))
    const { record, routes, bridge } = await this.#own(move.uid, move.ip, move.role)
    const veth = record.veth ?? (move.role === 'source' ? await this.#vethOf(routes, move.ip, move.sandboxPid) : undefined)
    const lease = record.lease ?? (bridge ? await this.#leases.find(move.ip) : undefined)
    await this.#records.write({ ...record, ...(veth ? { veth } : {}), ...(lease ? { lease } : {}) })
    if (veth) await writeSysctls(vethSysctls(veth.name))
    const bridgeMac = veth?.bridge ? await macOf(veth.bridge) : undefined
    const way = (await readWays(routes))(move.destinationNodeIp)
    return { text: divertBatch({ ip: move.ip, way, veth, bridgeMac, homeBridge: bridge }), record, bridge }
  }

  async lock(move: { uid: string; sandboxPid: number }): Promise<void> {
    await this.#waiting.finish(move.uid, 'lock', nftIn(move.sandboxPid), lockRuleSet())
  }

  async unlock(move: { uid: string; sandboxPid: number }): Promise<void> {
    await runInNetworkOf(move.sandboxPid, 'nft', ['-f', '-'], { input: unlockRuleSet() })
  }

  async release(move: { uid: string; ip: string; attached: Attached }): Promise<void> {
    await this.#waiting.finish(move.uid, 'release', ipBatch, releaseBatch(move.ip, move.attached.hostVeth, move.attached.podMac))
    this.#calm.end(move.uid)
  }

  async undo(move: UndoneMove): Promise<void> {
    await this.#moves.undo(move.uid, () => this.#undo(move))
  }

  async #undo(move: UndoneMove): Promise<void> {
    this.#calm.end(move.uid)
    this.#waiting.cancel(move.uid)
    this.#diversions.delete(move.uid)
    const record = await this.#records.read(move.uid)
    if (!record) return await this.#records.remove(move.uid)
    if (move.otherNodeIp !== undefined) await this.#waysBack.open(record, move.otherNodeIp)
    await this.#restore(record)
    if (move.role === 'destination') await this.#waysBack.close(move.ip)
    if (record.veth?.bridge && move.sandboxPid !== undefined) {
      // Neighbours on the bridge were told the bridge's MAC for the pod: its own announcement corrects them.
      await runInNetworkOf(move.sandboxPid, this.#helper, ['garp', 'eth0', record.ip], { reject: false })
    }
    if (record.lease) await this.#leases.restore(record.lease)
    await this.#flows.undo(move.uid, record.ip, record)
    await this.#records.remove(move.uid)
  }

  async wayBackEnds(ip: string): Promise<void> {
    await this.#waysBack.close(ip)
  }

  async settle(uid: string): Promise<void> {
    await this.#moves.end(uid, () => this.#settle(uid))
  }

  async #settle(uid: string): Promise<void> {
    this.#calm.end(uid)
    this.#waiting.cancel(uid)
    this.#diversions.delete(uid)
    const record = await this.#records.read(uid)
    if (record) await this.#letGo(record)
    await this.#records.remove(uid)
  }

  async sweepHome(olderThanMs: number): Promise<void> {
    const old = await this.#records.list(olderThanMs)
    await Promise.all(old.filter(({ role }) => role === 'home').map(({ uid }) => this.#records.remove(uid)))
  }

  async apply(state: NetworkState): Promise<void> {
    await this.#calm.wait()
    await this.#turn.take(async () => {
      const owned = new Set((await this.#records.list()).map((record) => record.ip))
      await applyWish(state, { config: this.#config, leases: this.#leases, flows: this.#flows, owned })
    })
  }

  async sweep(openUids: string[], dryRun: boolean): Promise<string[]> {
    const open = new Set(openUids)
    const ways = await this.#waysBack.sweep(dryRun)
    const closed = (await this.#records.list()).filter((record) => !open.has(record.uid))
    // Only the ownership goes: what the routes should be is then the controller's wish again.
    if (!dryRun) await Promise.all(closed.map((record) => this.settle(record.uid)))
    const records = closed.map((record) => `network record of migration ${record.uid} (${record.role} of ${record.ip})`)
    return [...records, ...ways.map((table) => `way back ${table}`)]
  }

  async sweepRelays(): Promise<Map<string, number>> {
    const records = await this.#records.list()
    const routes = await readRoutes()
    const held = new Set(records.map((record) => record.ip))
    const isHere = (ip: string): boolean => held.has(ip) || isAttached(routes, ip)
    const keep = new Set(records.flatMap(({ legs = [] }) => legs.flatMap(({ relayThrough }) => relayThrough ?? [])))
    return await this.#flows.sweepRelays(isHere, keep)
  }

  /** Source: unless the pod is here again, its flows are the destination's. Only then may packets be tracked as they come. */
  async #letGo(record: NetworkRecord): Promise<void> {
    if (record.role === 'home') return
    if (record.role === 'source' && !isAttached(await readRoutes(), record.ip)) await this.#flows.leave(record.ip)
    await this.#flows.settle(record.uid, record.ip, record)
  }

  /** The record of this migration; made, with the route as it was, before the first change. */
  #own(uid: string, ip: string, role: Role): Promise<{ record: NetworkRecord; routes: Route[]; bridge: string | undefined }> {
    return this.#turn.take(async () => {
      const routes = await readRoutes()
      const bridge = (await connectedBridges(routes))(ip)
      const known = await this.#records.read(uid)
      if (known) return { record: known, routes, bridge }
      const previous = hostRoute(routes, ip)
      const previousRoute = previous ? routeAsIs(previous, tunnelDevices(routes)) : null
      // With a route of its own the pod was no port of the bridge, so the node answered for it already and goes on after a rollback.
      const record: NetworkRecord = { uid, ip, role, previousRoute, ...(bridge && !previous ? { proxyBridge: bridge } : {}) }
      await this.#records.write(record)
      return { record, routes, bridge }
    })
  }

  async #vethOf(routes: readonly Route[], ip: string, sandboxPid: number | undefined): Promise<Veth> {
    const direct = hostRoute(routes, ip)
    const known = direct && direct.gateway === undefined ? direct.device : this.#vethNames.get(sandboxPid ?? 0)
    if (known !== undefined && (await deviceExists(known))) return await describeVeth(known)
    if (sandboxPid === undefined) throw new Error(`Diverting ${ip}: its sandbox is not known: give its process, or the route to its veth`)
    return await hostVethOf(sandboxPid)
  }

  async #restore(record: NetworkRecord): Promise<void> {
    const [routes, previous, standIn] = await Promise.all([
      readRoutes(),
      usableRoute(record.previousRoute),
      standInAddress(this.#config.nodeIp),
    ])
    const veth = record.veth && (await deviceExists(record.veth.name)) ? record.veth : undefined
    const heldVeth = record.heldVeth && (await deviceExists(record.heldVeth)) ? record.heldVeth : undefined
    const { ip, proxyBridge } = record
    const text = restoreBatch({ ip, standIn, previous, routed: hostRoute(routes, ip) !== undefined, veth, heldVeth })
    await batch(text)
    // Apart and forgiving: the proxy neighbour may not have been made yet, and ip ends a batch at that.
    if (proxyBridge) await run('ip', ['-batch', '-'], { input: `${proxyNeighbour('del', ip, proxyBridge)}\n`, reject: false })
  }
}

async function batch(text: string): Promise<void> {
  if (text !== '') await run('ip', ['-batch', '-'], { input: text })
}

function routeAsIs({ device, gateway }: Route, tunnels: readonly string[]): HostRoute {
  return { device, ...(gateway === undefined ? {} : { gateway }), ...(tunnels.includes(device) ? { onlink: true } : {}) }
}

async function usableRoute(route: NetworkRecord['previousRoute']): Promise<HostRoute | undefined> {
  return route && (await deviceExists(route.device)) ? route : undefined
}

/** A /32 route to a device: the pod is attached to this node. */
function isAttached(routes: readonly Route[], ip: string): boolean {
  const route = hostRoute(routes, ip)
  return route !== undefined && route.gateway === undefined
}
