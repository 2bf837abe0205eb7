// The flows of a pod in this node's tables: looked at, made ready for a move, taken over, followed through the freeze, and let go.
import { contains } from '../../runtime/addresses.ts'
import type { AgentConfig } from '../config.ts'
import { PodTcp } from '../pod-tcp.ts'
import type { FlowChange, FlowSurvey, Leg } from '../rooms.ts'
import { run } from '../run.ts'
import { Conntrack } from './conntrack.ts'
import { type ConntrackEntry, inverse, type Tuple } from './conntrack-entries.ts'
import { familyOf } from './family.ts'
import { goesAlong, isToItself, isTranslated, translatedForms } from './flow-legs.ts'
import { changeOf, surveyFlows } from './flows.ts'
import { deleteLine, fixedLines, type LegPlan, loosenLines, missingLegs, planChange, planLegs } from './leg-plan.ts'
import { standInAddresses } from './read-ways.ts'
import { Relays } from './relays.ts'
import {
  type ArmedPod,
  armRuleSet,
  awaitRuleSet,
  disarmRuleSet,
  fixedIn,
  fixedRuleSet,
  listFixed,
  type UntrackedFlow,
  untrackRuleSet,
} from './rule-sets.ts'
import type { WaitingCommands } from './waiting-commands.ts'

/** After a rollback the other node may still translate packets for as long as it takes it to hear of that. */
export const rollbackUntrackedSeconds = 15

export interface SurveyedPod {
  ips: string[]
  sandboxPid: number
  podCidrs: string[]
  serviceIps: string[]
}

export class FlowTables {
  readonly #nodeIps: readonly string[]
  readonly #helper: string
  readonly #conntrack: Conntrack
  readonly #relays: Relays
  readonly #waiting: WaitingCommands
  /** By migration: what the source told, and the destination's table must have. */
  readonly #told = new Map<string, Leg[]>()

  constructor(config: AgentConfig, waiting: WaitingCommands) {
    this.#nodeIps = config.nodeIps
    this.#helper = config.helper
    this.#conntrack = new Conntrack(config.helper)
    this.#relays = new Relays(config.stateDir, config.nodeIps)
    this.#waiting = waiting
  }

  async survey(pod: SurveyedPod): Promise<FlowSurvey> {
    return await this.#surveyed(pod, await this.#conntrack.openEntriesOf(pod.ips), [])
  }

  /** Source. */
  async prepare(uid: string, ips: readonly string[], legs: readonly Leg[]): Promise<void> {
    this.#told.set(uid, [...legs])
    this.#conntrack.startDump(this.#waiting, uid, ips)
    await this.follow(ips, { added: [...legs], ended: [] })
  }

  async changed(uid: string, pod: SurveyedPod, again: boolean): Promise<FlowChange> {
    const told = this.#told.get(uid) ?? []
    const { legs } = await this.#surveyed(pod, await this.#conntrack.finishDump(this.#waiting, uid, pod.ips), told)
    if (again) this.#conntrack.startDump(this.#waiting, uid, pod.ips)
    const change = changeOf(told, legs)
    this.#told.set(uid, legs)
    return change
  }

  /** Source: what `prepare` did, for flows that began since. */
  async follow(ips: readonly string[], { added }: FlowChange): Promise<void> {
    const translated = added.filter((leg) => leg.destinationNat ?? this.#nodeIps.includes(leg.relayThrough ?? ''))
    if (translated.length > 0)
      await Promise.all([this.#untrack(this.untrackedHere(ips, added)), this.#conntrack.apply(loosenLines(translated))])
  }

  /**
   * Source. Also flows in which this node stands in for an end, as the pod sees them: packets that waited on the destination come back in that
   * form, and tracked they would be new flows whose answers the kernel takes for those of the translated ones.
   */
  untrackedHere(ips: readonly string[], legs: readonly Leg[]): UntrackedFlow[] {
    const standsIn = legs.filter(({ relayThrough = '' }) => this.#nodeIps.includes(relayThrough))
    const towardsPod = standsIn.map((leg) => ({ protocol: leg.protocol, tuple: ips.includes(leg.source) ? inverse(leg) : tupleOf(leg) }))
    return [...untrackedOf(legs), ...towardsPod]
  }

  /**
   * On any node, once for each address: flows that began before our rules were there. The kernel keeps which, for later lives of the agent; those
   * that are not movable any more may go to another pod.
   */
  async fix(addresses: readonly string[], isMovable: (address: string) => boolean = () => true): Promise<void> {
    const known = await fixedNow(this.#nodeIps)
    const gone = known.filter((address) => !isMovable(address))
    const fresh = addresses.filter((address) => !known.includes(address))
    for (const ip of fresh) await this.#conntrack.apply(fixedLines(ip, await this.#conntrack.entriesOf([ip])))
    if (gone.length > 0 || fresh.length > 0) await nft(fixedRuleSet(fresh, gone))
  }

  /** Destination: what `arm` will change. */
  async plan(ips: readonly string[], legs: readonly Leg[]): Promise<LegPlan> {
    await this.#relays.lay(legs)
    return planLegs(ips, legs, await this.#conntrack.openEntriesOf(ips), (leg) => this.#relays.markOf(leg))
  }

  /** Untracked first: between the two a translated packet would make an entry. */
  async arm(
    uid: string,
    ips: readonly string[],
    armed: { legs: readonly Leg[]; knownPorts: readonly number[]; plan: LegPlan },
  ): Promise<void> {
    this.#told.set(uid, [...armed.legs])
    await nft(armRuleSet(await this.#armed(ips, { knownPorts: armed.knownPorts, untracked: untrackedOf(armed.legs) })))
    await this.fix(ips)
    await this.#conntrack.apply(armed.plan.lines)
  }

  /** Destination, ahead of the hold. */
  async await(ips: readonly string[]): Promise<void> {
    await nft(awaitRuleSet(await standInAddresses(this.#nodeIps), ips))
  }

  async planChange(ips: readonly string[], change: FlowChange): Promise<LegPlan> {
    await this.#relays.lay(change.added)
    return planChange(change, await this.#conntrack.openEntriesOf(ips), (leg) => this.#relays.markOf(leg))
  }

  /** The ports last: until then the guard keeps what would arrive untranslated. */
  async rearm(uid: string, ips: readonly string[], change: FlowChange, plan: LegPlan): Promise<void> {
    const ended = new Set(change.ended.map(textOf))
    this.#told.set(uid, [...(this.#told.get(uid) ?? []).filter((leg) => !ended.has(textOf(leg))), ...change.added])
    await this.#untrack(untrackedOf(change.added))
    await this.#conntrack.apply(plan.lines)
    await nft(armRuleSet(await this.#armed(ips, { knownPorts: portsOf(ips, change.added) })))
  }

  async missing(uid: string, ips: readonly string[]): Promise<string[]> {
    const told = this.#told.get(uid) ?? []
    const markOf = (leg: Leg): number => this.#relays.markOf(leg)
    const missing = missingLegs(told, await this.#conntrack.openEntriesOf(ips), markOf)
    // Ended by its peer while it is held: over, not missing.
    return missing.length === 0 ? [] : missingLegs(told, await this.#conntrack.entriesOf(ips), markOf)
  }

  /** Rolled back. The entries first: after them nothing here translates any more. */
  async undo(uid: string, ips: readonly string[], left: LeftFlows): Promise<void> {
    this.#told.delete(uid)
    await this.#conntrack.apply((left.legs ?? []).map((leg) => deleteLine(leg.protocol, leg)))
    await nft(disarmRuleSet(await this.#armed(ips, left), rollbackUntrackedSeconds))
  }

  /** Committed. */
  async settle(uid: string, ips: readonly string[], left: LeftFlows): Promise<void> {
    this.#told.delete(uid)
    await nft(disarmRuleSet(await this.#armed(ips, left)))
  }

  /**
   * The pod has left this node: what the destination has now goes here, so that packets which pass this node are not translated once more.
   * Entries in which this node stands in for an end stay; flows are relayed through them.
   */
  async leave(ips: readonly string[]): Promise<void> {
    const entries = await this.#conntrack.entriesOf(ips)
    const over = entries.filter((entry) => !isTranslated(entry) || goesAlong(entry, ips))
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

  async #untrack(flows: readonly UntrackedFlow[]): Promise<void> {
    await nft(untrackRuleSet(await standInAddresses(this.#nodeIps), flows))
  }

  async #armed(ips: readonly string[], { knownPorts = [], untracked = [] }: LeftFlows): Promise<ArmedPod> {
    return { standIns: await standInAddresses(this.#nodeIps), ips, knownPorts, untracked }
  }

  async #surveyed(pod: SurveyedPod, entries: ConntrackEntry[], known: readonly Leg[]): Promise<FlowSurvey> {
    const [sockets] = await Promise.all([PodTcp.of(this.#helper, pod.sandboxPid).sockets(), this.#relays.load()])
    return surveyFlows({
      ips: pod.ips,
      nodeIps: this.#nodeIps,
      serviceIps: pod.serviceIps,
      isPodAddress: (address) => pod.podCidrs.some((range) => contains(range, address)),
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
export function portsOf(ips: readonly string[], legs: readonly Leg[]): number[] {
  const ports = legs.flatMap(({ source, sourcePort, destination, destinationPort, destinationNat }) => [
    ...(ips.includes(source) ? [sourcePort] : []),
    ...(ips.includes(destination) ? [destinationPort] : []),
    ...(destinationNat && ips.includes(destinationNat.address) ? [destinationNat.port] : []),
  ])
  return [...new Set(ports)]
}

export function untrackedOf(legs: readonly Leg[]): UntrackedFlow[] {
  return legs.flatMap((leg) => translatedForms(leg).map((tuple) => ({ protocol: leg.protocol, tuple })))
}

/** Of the pod to itself through a Service. */
export function ownOf(legs: readonly Leg[]): UntrackedFlow[] {
  return untrackedOf(legs.filter(isToItself))
}

function tupleOf({ source, sourcePort, destination, destinationPort }: Leg): Tuple {
  return { source, sourcePort, destination, destinationPort }
}

function textOf({ protocol, source, sourcePort, destination, destinationPort }: Leg): string {
  return [protocol, source, sourcePort, destination, destinationPort].join(' ')
}

/** None: our table is not there (yet). */
async function fixedNow(nodeIps: readonly string[]): Promise<string[]> {
  const listed = await Promise.all(nodeIps.map((nodeIp) => run('nft', listFixed(familyOf(nodeIp)), { reject: false })))
  return listed.flatMap(({ stdout, exitCode }) => (exitCode === 0 ? fixedIn(stdout) : []))
}

async function nft(input: string): Promise<void> {
  await run('nft', ['-f', '-'], { input })
}
