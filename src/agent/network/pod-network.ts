// The network half of a move on one node: each step records what it changes, then changes it with as few programs as possible.
import type { NetworkState } from '../../api/agent-wire.ts'
import type { AgentConfig } from '../config.ts'
import type { Attached, FlowChange, FlowSurvey, Leg, PodNetwork } from '../rooms.ts'
import { runInNetworkOf } from '../run.ts'
import { applyWish } from './apply-wish.ts'
import { Calm } from './calm.ts'
import { Diversions, type DivertMove } from './diversions.ts'
import { FlowTables, ownOf, portsOf, type SurveyedPod, untrackedOf } from './flow-tables.ts'
import { type HeldMove, Holds } from './holds.ts'
import { hostVethOf, isHere } from './kernel-files.ts'
import { leaveFrames } from './last-frames.ts'
import { AddressLeases } from './leases.ts'
import { Leftovers } from './leftovers.ts'
import { resumeLossProbes } from './loss-probes.ts'
import { SentOn } from './new-connections.ts'
import { Ownership } from './ownership.ts'
import { ipsOf, type NetworkRecord, NetworkRecords } from './records.ts'
import { ReservedPorts } from './reserved-ports.ts'
import { restoreRoutes } from './restore-routes.ts'
import { lockRuleSet, unlockRuleSet } from './rule-sets.ts'
import { Turn } from './turn.ts'
import { UndoneMoves } from './undone.ts'
import { ipBatch, nftIn, WaitingCommands } from './waiting-commands.ts'
import { WaysBack } from './way-back.ts'
import type { ProxiedAddress } from './wish.ts'

type ArmedMove = Parameters<PodNetwork['arm']>[0]
type FollowedMove = Parameters<PodNetwork['rearm']>[0]
type SentOnMove = Parameters<PodNetwork['sendNewOn']>[0]
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
  readonly #ownership: Ownership
  readonly #diversions: Diversions
  readonly #sentOn: SentOn
  readonly #reserved: ReservedPorts
  readonly #holds: Holds
  readonly #leftovers: Leftovers
  #told: readonly ProxiedAddress[] = []

  constructor(config: AgentConfig) {
    this.#config = config
    this.#helper = config.helper
    this.#records = new NetworkRecords(config)
    this.#leases = new AddressLeases(config.cniStateDir)
    this.#flows = new FlowTables(config, this.#waiting)
    this.#reserved = new ReservedPorts(config)
    this.#ownership = new Ownership(this.#records, this.#turn)
    this.#sentOn = new SentOn(config.helper, this.#waiting)
    const [helper, records, leases, ownership, waiting] = [this.#helper, this.#records, this.#leases, this.#ownership, this.#waiting]
    this.#diversions = new Diversions({ helper, records, leases, ownership, waiting })
    const [waysBack, flows] = [this.#waysBack, this.#flows]
    this.#holds = new Holds({ config, records, ownership, waiting, waysBack })
    this.#leftovers = new Leftovers({ records, waysBack, flows, settle: async (uid) => await this.settle(uid) })
  }

  async survey(pod: SurveyedPod): Promise<FlowSurvey> {
    const [survey, veth] = await Promise.all([this.#flows.survey(pod), hostVethOf(pod.sandboxPid)])
    this.#diversions.know(pod.sandboxPid, veth.name)
    return survey
  }

  async reserve({ uid, ips, legs }: { uid: string; ips: string[]; legs: Leg[] }): Promise<void> {
    const own = await this.#reserved.standsInFor(legs)
    if (own.length === 0) return
    await this.#moves.change(uid, async () => {
      const { record } = await this.#ownership.of(uid, ips, 'home')
      await this.#records.write({ ...record, reserved: [...(record.reserved ?? []), ...own] })
      await this.#reserved.keep(own)
    })
  }

  async prepare({ uid, ips, legs }: { uid: string; ips: string[]; legs: Leg[] }): Promise<void> {
    const { record } = await this.#ownership.of(uid, ips, 'source')
    const reserved = await this.#reserved.standsInFor(legs)
    await this.#records.write({ ...record, untracked: this.#flows.untrackedHere(ips, legs), own: ownOf(legs), reserved })
    await this.#flows.prepare(uid, ips, legs)
  }

  async changedFlows(move: SurveyedPod & { uid: string; again: boolean }): Promise<FlowChange> {
    return await this.#moves.change(move.uid, () => this.#changedFlows(move))
  }

  async #changedFlows({ uid, again, ...pod }: SurveyedPod & { uid: string; again: boolean }): Promise<FlowChange> {
    const change = await this.#flows.changed(uid, pod, again)
    const { record } = await this.#ownership.of(uid, pod.ips, 'source')
    if (change.added.length > 0) {
      const untracked = [...(record.untracked ?? []), ...this.#flows.untrackedHere(pod.ips, change.added)]
      const reserved = [...(record.reserved ?? []), ...(await this.#reserved.standsInFor(change.added))]
      await this.#records.write({ ...record, untracked, own: [...(record.own ?? []), ...ownOf(change.added)], reserved })
    }
    await this.#flows.follow(pod.ips, change)
    return change
  }

  async arm(move: ArmedMove): Promise<void> {
    await this.#moves.change(move.uid, () => this.#arm(move))
  }

  async #arm({ uid, ips, legs, openPorts }: ArmedMove): Promise<void> {
    this.#waiting.start(uid, 'hold', ipBatch)
    const { record } = await this.#ownership.of(uid, ips, 'destination')
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
    const { record } = await this.#ownership.of(uid, ips, 'destination')
    const plan = await this.#flows.planChange(ips, change)
    const untracked = [...(record.untracked ?? []), ...untrackedOf(change.added)]
    const knownPorts = [...(record.knownPorts ?? []), ...portsOf(ips, change.added)]
    await this.#records.write({ ...record, legs: [...(record.legs ?? []), ...plan.inserted], untracked, knownPorts })
    await this.#flows.rearm(uid, ips, change, plan)
  }

  async missingFlows({ uid, ips }: { uid: string; ips: string[] }): Promise<string[]> {
    return await this.#flows.missing(uid, ips)
  }

  async prepareHold(move: HeldMove): Promise<void> {
    await this.#moves.change(move.uid, async () => void (await this.#holds.prepare(move)))
  }

  async awaitNew({ uid, ips }: { uid: string; ips: string[] }): Promise<void> {
    await this.#moves.change(uid, async () => await this.#flows.await(ips))
  }

  async hold(move: HeldMove): Promise<void> {
    await this.#moves.change(move.uid, async () => {
      this.#calm.begin(move.uid)
      await this.#holds.begin(move)
    })
  }

  /** Everything about a diversion that changes no route; the hold has not begun. */
  async prepareDivert(move: DivertMove): Promise<void> {
    await this.#moves.change(move.uid, async () => {
      await this.#diversions.prepare(move)
      if (move.role !== 'source') return
      await this.#sentOn.prepare(move, await this.#records.read(move.uid))
      await this.#waysBack.prepareToTake(move.ips, move.destinationNodeIps)
    })
  }

  async sendNewOn(move: SentOnMove): Promise<string[]> {
    return await this.#moves.change(move.uid, async () => await this.#sentOn.begin(move))
  }

  async divert(move: DivertMove): Promise<void> {
    await this.#moves.change(move.uid, async () => {
      if (move.role === 'source') this.#calm.begin(move.uid)
      await this.#diversions.divert(move)
    })
  }

  async lock(move: { uid: string; sandboxPid: number }): Promise<void> {
    await Promise.all([
      this.#waiting.finish(move.uid, 'lock', nftIn(move.sandboxPid), lockRuleSet()),
      // By now this has had the time of the freeze.
      this.#diversions.finished(move.uid),
    ])
  }

  async release({ uid, ips, attached }: { uid: string; ips: string[]; attached: Attached }): Promise<boolean> {
    return await this.#holds.release(uid, ips, attached).finally(() => this.#calm.end(uid))
  }

  async undo(move: UndoneMove): Promise<void> {
    await this.#moves.undo(move.uid, () => this.#undo(move))
  }

  async #undo(move: UndoneMove): Promise<void> {
    await this.#diversions.finished(move.uid).catch(() => undefined)
    this.#forget(move.uid)
    const record = await this.#records.read(move.uid)
    if (!record) {
      await unlock(move.sandboxPid)
      return await this.#records.remove(move.uid)
    }
    if (record.role === 'home') await this.#reserved.giveBackFrom(record)
    const ips = ipsOf(record)
    // Whoever waits does so until the routes are back and the other side knows it: what can be done beside each other is.
    const [givenBack] = await Promise.all([this.#openWayBack(record, move), leaveFrames(record), unlock(move.sandboxPid)])
    await restoreRoutes(record, this.#config.nodeIps, givenBack)
    move.onBack?.()
    if (move.role === 'destination') await this.#waysBack.giveNoMore(record)
    for (const ip of record.veth?.bridge && move.sandboxPid !== undefined ? ips : []) {
      // Neighbours on the bridge were told the bridge's MAC for the pod: its own announcement corrects them.
      await runInNetworkOf(move.sandboxPid ?? 0, this.#helper, ['garp', 'eth0', ip], { reject: false })
    }
    if (record.lossProbes !== undefined && move.sandboxPid !== undefined)
      await resumeLossProbes(this.#helper, move.sandboxPid, record.lossProbes)
    for (const { lease } of record.addresses) if (lease) await this.#leases.restore(lease)
    await this.#flows.undo(move.uid, ips, record)
    await this.#reserved.giveBack(await this.#reserved.standsInFor(record.legs ?? []))
    await this.#holds.end(record)
    await this.#records.remove(move.uid)
  }

  /** Destination: addresses whose queue has one. */
  async #openWayBack(record: NetworkRecord, { role, otherNodeIps = [] }: UndoneMove): Promise<string[]> {
    if (role === 'destination') return await this.#waysBack.prepareToGive(record, otherNodeIps)
    if (role === 'source') await this.#waysBack.take(record, otherNodeIps)
    return []
  }

  /** What this process knows and has started; what is in the kernel stays. */
  #forget(uid: string): void {
    this.#calm.end(uid)
    this.#waiting.cancel(uid)
    this.#diversions.forget(uid)
    this.#sentOn.forget(uid)
    this.#holds.forget(uid)
  }

  async wayBackEnds(ips: string[]): Promise<void> {
    await this.#waysBack.takeNoMore(ips)
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

  async apply(state: NetworkState): Promise<void> {
    await this.#calm.wait()
    await this.#turn.take(async () => {
      const owned = new Set((await this.#records.list()).flatMap(ipsOf))
      this.#told = await applyWish(state, { config: this.#config, leases: this.#leases, flows: this.#flows, owned, told: this.#told })
    })
  }

  async sweepHome(): Promise<void> {
    await this.#leftovers.sweepHome()
  }

  async sweep(openUids: string[], dryRun: boolean): Promise<string[]> {
    return await this.#leftovers.sweep(openUids, dryRun)
  }

  async sweepRelays(): Promise<Map<string, number>> {
    return await this.#leftovers.sweepRelays()
  }

  /** Source: unless the pod is here again, its flows are the destination's. Only then may packets be tracked as they come. */
  async #letGo(record: NetworkRecord): Promise<void> {
    if (record.role === 'home') return await this.#reserved.giveBackFrom(record)
    await leaveFrames(record)
    const ips = ipsOf(record)
    await this.#waysBack.giveNoMore(record)
    this.#waysBack.forget(ips)
    if (record.role === 'source' && !(await isHere(ips))) {
      await this.#flows.leave(ips)
      await this.#reserved.giveBack(record.reserved ?? [])
    }
    await this.#flows.settle(record.uid, ips, record)
    await this.#holds.end(record)
  }
}

/** Of a pod that never was locked, too. */
async function unlock(sandboxPid: number | undefined): Promise<void> {
  if (sandboxPid !== undefined) await runInNetworkOf(sandboxPid, 'nft', ['-f', '-'], { input: unlockRuleSet() })
}
