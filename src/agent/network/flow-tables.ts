// The flows of a pod in this node's tables: looked at, made ready for a move, taken over, followed through the freeze, and let go.
import type { AgentConfig } from '../config.ts'
import type { FlowChange, FlowSurvey, Leg } from '../rooms.ts'
import { run } from '../run.ts'
import { isInRange } from './addresses.ts'
import { Conntrack } from './conntrack.ts'
import type { ConntrackEntry } from './conntrack-entries.ts'
import { isTranslated, translatedForms } from './flow-legs.ts'
import { changeOf, surveyFlows } from './flows.ts'
import { readPodSockets } from './kernel-files.ts'
import { deleteLine, fixedLines, type LegPlan, loosenLines, missingLegs, planChange, planLegs } from './leg-plan.ts'
import { standInAddress } from './read-ways.ts'
import { Relays } from './relays.ts'
import {
  type ArmedPod,
  armRuleSet,
  disarmRuleSet,
  fixedIn,
  fixedRuleSet,
  listFixed,
  type UntrackedFlow,
  untrackRuleSet,
} from './rule-sets.ts'
import type { WaitingCommands } from './waiting-commands.ts'

/** After a rollback the other node may still translate packets for as long as it takes it to hear of that. */
const rollbackUntrackedSeconds = 15

export interface SurveyedPod {
  ip: string
  sandboxPid: number
  podCidrs: string[]
  serviceIps: string[]
}

export class FlowTables {
  readonly #nodeIp: string
  readonly #conntrack: Conntrack
  readonly #relays: Relays
  readonly #waiting: WaitingCommands
  /** By migration: what the source told, and the destination's table must have. */
  readonly #told = new Map<string, Leg[]>()

  constructor(config: AgentConfig, waiting: WaitingCommands) {
    this.#nodeIp = config.nodeIp
    this.#conntrack = new Conntrack(config.helper)
    this.#relays = new Relays(config.stateDir, config.nodeIp)
    this.#waiting = waiting
  }

  async survey(pod: SurveyedPod): Promise<FlowSurvey> {
    return await this.#surveyed(pod, await this.#conntrack.entriesOf(pod.ip), [])
  }

  /** Source. */
  async prepare(uid: string, ip: string, legs: readonly Leg[]): Promise<void> {
    this.#told.set(uid, [...legs])
    this.#conntrack.startDump(this.#waiting, uid, ip)
    await this.follow({ added: [...legs], ended: [] })
  }

  async changed(uid: string, pod: SurveyedPod, again: boolean): Promise<FlowChange> {
    const told = this.#told.get(uid) ?? []
    const { legs } = await this.#surveyed(pod, await this.#conntrack.finishDump(this.#waiting, uid, pod.ip), told)
    if (again) this.#conntrack.startDump(this.#waiting, uid, pod.ip)
    const change = changeOf(told, legs)
    this.#told.set(uid, legs)
    return change
  }

  /** Source: what `prepare` did, for flows that began since. */
  async follow({ added }: FlowChange): Promise<void> {
    const translated = added.filter((leg) => leg.destinationNat ?? leg.relayThrough === this.#nodeIp)
    if (translated.length > 0) await Promise.all([this.#untrack(added), this.#conntrack.apply(loosenLines(translated))])
  }

  /**
   * On any node, once for each address: flows that began before our rules were there. The kernel keeps which, for later lives of the agent; those
   * that are not movable any more may go to another pod.
   */
  async fix(addresses: readonly string[], isMovable: (address: string) => boolean = () => true): Promise<void> {
    const known = await fixedNow()
    const gone = known.filter((address) => !isMovable(address))
    const fresh = addresses.filter((address) => !known.includes(address))
    for (const ip of fresh) await this.#conntrack.apply(fixedLines(ip, await this.#conntrack.entriesOf(ip)))
    if (gone.length > 0 || fresh.length > 0) await nft(fixedRuleSet(fresh, gone))
  }

  /** Destination: what `arm` will change. */
  async plan(ip: string, legs: readonly Leg[]): Promise<LegPlan> {
    await this.#relays.lay(legs)
    return planLegs(ip, legs, await this.#conntrack.entriesOf(ip), (leg) => this.#relays.markOf(leg))
  }

  /** Untracked first: between the two a translated packet would make an entry. */
  async arm(uid: string, ip: string, armed: { legs: readonly Leg[]; knownPorts: readonly number[]; plan: LegPlan }): Promise<void> {
    this.#told.set(uid, [...armed.legs])
    await nft(armRuleSet(await this.#armed(ip, { knownPorts: armed.knownPorts, untracked: untrackedOf(armed.legs) })))
    await this.fix([ip])
    await this.#conntrack.apply(armed.plan.lines)
  }

  async planChange(ip: string, change: FlowChange): Promise<LegPlan> {
    await this.#relays.lay(change.added)
    return planChange(change, await this.#conntrack.entriesOf(ip), (leg) => this.#relays.markOf(leg))
  }

  /** The ports last: until then the guard keeps what would arrive untranslated. */
  async rearm(uid: string, ip: string, change: FlowChange, plan: LegPlan): Promise<void> {
    const ended = new Set(change.ended.map(textOf))
    this.#told.set(uid, [...(this.#told.get(uid) ?? []).filter((leg) => !ended.has(textOf(leg))), ...change.added])
    await this.#untrack(change.added)
    await this.#conntrack.apply(plan.lines)
    await nft(armRuleSet(await this.#armed(ip, { knownPorts: portsOf(ip, change.added) })))
  }

  async missing(uid: string, ip: string): Promise<string[]> {
    return missingLegs(this.#told.get(uid) ?? [], await this.#conntrack.entriesOf(ip), (leg) => this.#relays.markOf(leg))
  }

  /** Rolled back. The entries first: after them nothing here translates any more. */
  async undo(uid: string, ip: string, left: LeftFlows): Promise<void> {
    this.#told.delete(uid)
    await this.#conntrack.apply((left.legs ?? []).map((leg) => deleteLine(leg.protocol, leg)))
    await nft(disarmRuleSet(await this.#armed(ip, left), rollbackUntrackedSeconds))
  }

  /** Committed. */
  async settle(uid: string, ip: string, left: LeftFlows): Promise<void> {
    this.#told.delete(uid)
    await nft(disarmRuleSet(await this.#armed(ip, left)))
  }

  /**
   * The pod has left this node: what the destination has now goes here, so that packets which pass this node are not translated once more.
   * Entries in which this node stands in for an end stay; flows are relayed through them.
   */
  async leave(ip: string): Promise<void> {
    const entries = await this.#conntrack.entriesOf(ip)
    const over = entries.filter((entry) => !isTranslated(entry) || this.#isTakenOver(entry, ip))
    await this.#conntrack.apply(over.map((entry) => deleteLine(entry.protocol, entry.original)))
  }

  /** Flows of pods that are not attached here any more have ended, whatever the table says. */
  async sweepRelays(isHere: (ip: string) => boolean, keep: ReadonlySet<string>): Promise<Map<string, number>> {
    const entries = await this.#conntrack.relayed()
    const ghosts = entries.filter((entry) => !isHere(entry.original.source) && !isHere(entry.original.destination))
    await this.#conntrack.apply(ghosts.map((entry) => deleteLine(entry.protocol, entry.original)))
    const left = entries.filter((entry) => !ghosts.includes(entry))
    return await this.#relays.sweep(left, keep)
  }

  async #untrack(legs: readonly Leg[]): Promise<void> {
    await nft(untrackRuleSet(await standInAddress(this.#nodeIp), untrackedOf(legs)))
  }

  async #armed(ip: string, { knownPorts = [], untracked = [] }: LeftFlows): Promise<ArmedPod> {
    return { standIn: await standInAddress(this.#nodeIp), ip, knownPorts, untracked }
  }

  #isTakenOver(entry: ConntrackEntry, ip: string): boolean {
    return entry.original.source === ip && entry.destinationNat && (!entry.sourceNat || entry.reply.source === ip)
  }

  async #surveyed(pod: SurveyedPod, entries: ConntrackEntry[], known: readonly Leg[]): Promise<FlowSurvey> {
    const [sockets] = await Promise.all([readPodSockets(pod.sandboxPid), this.#relays.load()])
    return surveyFlows({
      ip: pod.ip,
      nodeIp: this.#nodeIp,
      serviceIps: pod.serviceIps,
      isPodAddress: (address) => pod.podCidrs.some((range) => isInRange(range, address)),
      anchorOf: (mark) => this.#relays.anchorOf(mark),
      entries,
      sockets,
      known,
    })
  }
}

export interface LeftFlows {
  legs?: readonly Leg[]
  untracked?: readonly UntrackedFlow[]
  knownPorts?: readonly number[]
}

/** The pod's end of each flow. */
export function portsOf(ip: string, legs: readonly Leg[]): number[] {
  const ports = legs.flatMap((leg) => [
    ...(leg.source === ip ? [leg.sourcePort] : []),
    ...(leg.destination === ip ? [leg.destinationPort] : []),
    ...(leg.destinationNat?.address === ip ? [leg.destinationNat.port] : []),
  ])
  return [...new Set(ports)]
}

export function untrackedOf(legs: readonly Leg[]): UntrackedFlow[] {
  return legs.flatMap((leg) => translatedForms(leg).map((tuple) => ({ protocol: leg.protocol, tuple })))
}

function textOf({ protocol, source, sourcePort, destination, destinationPort }: Leg): string {
  return [protocol, source, sourcePort, destination, destinationPort].join(' ')
}

/** None: our table is not there (yet). */
async function fixedNow(): Promise<string[]> {
  const { stdout, exitCode } = await run('nft', [...listFixed], { reject: false })
  return exitCode === 0 ? fixedIn(stdout) : []
}

async function nft(input: string): Promise<void> {
  await run('nft', ['-f', '-'], { input })
}
