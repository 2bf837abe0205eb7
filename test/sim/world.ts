// The whole world of one simulated run: time, wire, API server, nodes, agents, controllers, and what really happened.

import type { Rules } from '../../src/agent/moves.ts'
import { decideDestination } from '../../src/agent/protocol/destination.ts'
import type { Move } from '../../src/agent/protocol/move.ts'
import { decideSource } from '../../src/agent/protocol/source.ts'
import { SimAgent } from './agent.ts'
import { ApiServer, type Thing } from './api-server.ts'
import { Dice } from './dice.ts'
import type { ApiDoor } from './kube-client.ts'
import { epochMs, Life } from './life.ts'
import { Loop } from './loop.ts'
import { type Process, runs, SimNode } from './node.ts'
import { Wire } from './wire.ts'

/** Deliberate mistakes outside the protocol's two functions. */
export interface Wrong {
  noMarker?: boolean
  holdNotUndone?: boolean
  reservationKept?: boolean
  notSynced?: boolean
}

export interface Violation {
  checker: string
  message: string
  atMs: number
}

/** What the checkers know of one migration, from its agents' journals. */
export interface Truth {
  uid: string
  granted: boolean
  committed: boolean
  /** A destination's journal says that it never will. */
  never: boolean
  sourceAborted: boolean
  destinationNode?: string
  sourceNode?: string
}

export const podCollection = '/api/v1/pods'
export const migrationCollection = '/apis/podmotion.io/v1alpha1/podmigrations'

const crashBackoffMs = 10_000

export class World {
  readonly loop = new Loop()
  readonly dice: Dice
  readonly wire: Wire
  readonly server: ApiServer
  readonly door: ApiDoor
  readonly nodes: SimNode[]
  readonly rules: Rules
  readonly wrong: Wrong
  readonly story: { atMs: number; who: string; text: string }[] = []
  readonly violations: Violation[] = []
  readonly truths = new Map<string, Truth>()
  /** Pod UID to family; and why a family may be without a copy. */
  readonly families = new Map<string, string>()
  readonly excuses = new Map<string, string>()
  /** Pods that somebody else has deleted: they go, whatever moves. */
  readonly deleted = new Set<string>()
  readonly names = new Map<string, string>()
  /** Family to how often it was started, rather than moved. */
  readonly #starts = new Map<string, number>()
  readonly #agents = new Map<string, SimAgent>()
  readonly #points: ((node: SimNode, label: string, uid: string) => void)[] = []
  #versions = 0

  constructor(seed: number, rules: Partial<Rules> = {}, wrong: Wrong = {}) {
    this.dice = new Dice(seed)
    this.rules = { source: decideSource, destination: decideDestination, ...rules }
    this.wrong = wrong
    this.wire = new Wire(this.loop, this.dice.fork('wire'))
    this.server = new ApiServer(() => epochMs + this.loop.nowMs)
    this.door = {
      server: this.server,
      wire: this.wire,
      dice: this.dice.fork('door'),
      trouble: { downUntilMs: 0, errors: 0, silentUntilMs: 0 },
      keepsReservations: wrong.reservationKept ?? false,
    }
    const clocks = this.dice.fork('clocks')
    this.nodes = ['na', 'nb', 'nc'].map((name, index) => {
      const clock = { rate: clocks.between(0.97, 1.03), offsetMs: Math.round(clocks.between(-2000, 2000)) }
      return new SimNode(name, index + 1, clock, wrong.notSynced ?? false)
    })
  }

  // ---- what is told

  tell(who: string, text: string): void {
    this.story.push({ atMs: this.loop.nowMs, who, text })
  }

  violate(checker: string, message: string): void {
    if (this.violations.some((known) => known.checker === checker)) return
    this.tell('CHECKER', `${checker}: ${message}`)
    this.violations.push({ checker, message, atMs: this.loop.nowMs })
  }

  podName(uid: string): string {
    return this.names.get(uid) ?? uid
  }

  // ---- points at which a fault may strike

  onPoint(strike: (node: SimNode, label: string, uid: string) => void): void {
    this.#points.push(strike)
  }

  point(node: SimNode, label: string, uid: string): void {
    this.tell(node.name, `${this.migrationName(uid)} ${label}`)
    for (const strike of this.#points) strike(node, label, uid)
  }

  migrationName(uid: string): string {
    return this.names.get(uid) ?? uid
  }

  // ---- agents

  startAgent(node: SimNode): void {
    if (!node.up || node.gone) return
    this.#agents.get(node.name)?.life.kill()
    const life = new Life(this.loop, `agent-${node.name}`, node.name, node.clock)
    try {
      const agent = new SimAgent(this, node, life)
      this.#agents.set(node.name, agent)
      agent.background(agent.start())
    } catch (error) {
      this.violate('agentStarts', `agent on ${node.name} cannot start: ${String(error)}`)
    }
  }

  crashAgent(agent: SimAgent, error: unknown): void {
    if (!agent.life.alive) return
    this.tell(agent.node.name, `the agent ends: ${String(error)}`)
    agent.life.kill()
    this.loop.after(crashBackoffMs, () => {
      if (agent.node.up && this.#agents.get(agent.node.name) === agent) this.startAgent(agent.node)
    })
  }

  killAgent(node: SimNode): void {
    this.#agents.get(node.name)?.life.kill()
  }

  agentLife(node: SimNode): Life | undefined {
    const agent = this.#agents.get(node.name)
    return agent?.ready ? agent.life : undefined
  }

  agentOn(node: SimNode): SimAgent {
    const agent = this.#agents.get(node.name)
    if (!agent) throw new Error(`no agent on ${node.name}`)
    return agent
  }

  agents(): SimAgent[] {
    return [...this.#agents.values()].filter(({ life }) => life.alive)
  }

  nodeAt(address: string): SimNode {
    const node = this.nodes.find((one) => one.address === address || one.name === address)
    if (!node) throw new Error(`nobody lives at ${address}`)
    return node
  }

  // ---- what happened to moves

  /** Committed, and not only in the memory of a node that is destroyed: proof of that lets the source thaw. */
  hasLeft(uid: string): boolean {
    const truth = this.truths.get(uid)
    if (!truth?.committed) return false
    const destination = this.nodes.find((node) => node.name === truth.destinationNode)
    return !(destination?.wasGone && truth.sourceAborted)
  }

  seeMove(node: SimNode, move: Move, message: string): void {
    this.point(node, `${message} -> ${move.role} ${move.state}`, move.uid)
    const truth = this.truthOf(move.uid)
    if (move.role === 'source') {
      truth.sourceNode = node.name
      truth.granted ||= move.granted
      truth.sourceAborted ||= move.state === 'aborted'
      return
    }
    truth.destinationNode = node.name
    const commitsNow = move.committed && !truth.committed
    const saysNever = move.state === 'aborted' || (move.state === 'finished' && !move.committed)
    if (commitsNow && !truth.granted) this.violate('commitNeedsGrant', `${this.migrationName(move.uid)} committed without a grant`)
    if (commitsNow && truth.never) this.violate('neverIsForEver', `${this.migrationName(move.uid)} committed after it had said never`)
    if (saysNever && truth.committed) this.violate('commitIsForEver', `${this.migrationName(move.uid)} says never after its commit`)
    truth.committed ||= move.committed
    truth.never ||= saysNever
  }

  truthOf(uid: string): Truth {
    const known = this.truths.get(uid) ?? { uid, granted: false, committed: false, never: false, sourceAborted: false }
    this.truths.set(uid, known)
    return known
  }

  // ---- what happens to processes

  nextVersion(): number {
    return ++this.#versions
  }

  born(podUid: string, node: SimNode): Process {
    const family = this.families.get(podUid) ?? podUid
    const process: Process = { podUid, family, version: this.nextVersion(), frozen: false, ended: false, gate: 'none' }
    node.processes.push(process)
    this.#starts.set(family, this.freshStarts(family) + 1)
    if (!this.deleted.has(podUid)) this.excuses.delete(family)
    this.tell(node.name, `pod ${this.podName(podUid)} runs`)
    return process
  }

  freshStarts(family: string): number {
    return this.#starts.get(family) ?? 0
  }

  wasBorn(family: string): boolean {
    return this.#starts.has(family)
  }

  /** The copy takes over: it must have the last state that ran. */
  resume(process: Process, node: SimNode): void {
    if (process.gate === 'open') return
    const others = this.processesOf(process.family).filter((other) => other !== process)
    for (const other of others) {
      if (runs(other)) this.violate('oneCopy', `pod ${this.podName(process.podUid)} resumes on ${node.name} while a copy of it runs`)
      else if (other.version !== process.version)
        this.violate('noOldState', `pod ${this.podName(process.podUid)} resumes an older state than its source has lived`)
    }
    process.gate = 'open'
    process.version = this.nextVersion()
    if (!this.deleted.has(process.podUid)) this.excuses.delete(process.family)
    this.tell(node.name, `pod ${this.podName(process.podUid)} resumed`)
  }

  end(process: Process, why: string, uid?: string): void {
    if (process.ended) return
    process.ended = true
    this.tell('pod', `${this.podName(process.podUid)} ends: ${why}`)
    if (uid !== undefined && !this.truthOf(uid).committed)
      this.violate('sourceEndsAfterCommit', `pod ${this.podName(process.podUid)} was ${why}, whose destination has not committed`)
    for (const node of this.nodes) {
      const at = node.processes.indexOf(process)
      if (at >= 0) node.processes.splice(at, 1)
    }
  }

  processesOf(family: string): Process[] {
    return this.nodes.flatMap((node) => node.processes.filter((process) => process.family === family && !process.ended))
  }

  excuse(podUid: string, why: string): void {
    this.excuses.set(this.families.get(podUid) ?? podUid, why)
  }

  pods(): Thing[] {
    return this.server.all(podCollection)
  }

  migrations(): Thing[] {
    return this.server.all(migrationCollection)
  }
}
