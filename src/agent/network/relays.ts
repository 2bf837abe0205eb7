// The ways through other nodes that relayed flows take: a number, a routing rule and a table for each node, kept while a flow is left.
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { writeIfDifferent } from '../install/host-files.ts'
import type { Leg } from '../rooms.ts'
import { run } from '../run.ts'
import type { ConntrackEntry } from './conntrack-entries.ts'
import { nextHop, routeProtocol } from './ip-batches.ts'
import { readRoutes } from './kernel-files.ts'
import { readWays } from './read-ways.ts'
import { anchorNumber, lastAnchor, markOf, relayPriority, ruleOf, tableOf } from './relay-marks.ts'
import type { Way } from './ways.ts'

const Anchors = z.record(z.ipv4(), z.int().min(1).max(lastAnchor))
const Rules = z.array(z.object({ priority: z.int(), table: z.string() }))

export class Relays {
  readonly #file: string
  readonly #nodeIp: string
  /** Node address to its number here; on disk, because the marks in the kernel outlive the agent. */
  #anchors: Map<string, number> | undefined

  constructor(stateDir: string, nodeIp: string) {
    this.#file = path.join(stateDir, 'relays.json')
    this.#nodeIp = nodeIp
  }

  async load(): Promise<void> {
    if (this.#anchors) return
    const text = await readFile(this.#file, 'utf8').catch(() => '{}')
    this.#anchors = new Map(Object.entries(Anchors.parse(JSON.parse(text))))
  }

  anchorOf(mark: number): string | undefined {
    return [...(this.#anchors ?? [])].find(([, number]) => number === anchorNumber(mark))?.[0]
  }

  /** A flow that comes home to the node that stands in for it needs no way. */
  markOf(leg: Leg): number {
    const number = leg.relayThrough === undefined ? undefined : this.#anchors?.get(leg.relayThrough)
    return number === undefined ? leg.mark : markOf(number)
  }

  /** Numbers first, on disk, then rules and tables, and only then marks that lead there. */
  async lay(legs: readonly Leg[]): Promise<void> {
    await this.load()
    const nodes = [...new Set(legs.flatMap(({ relayThrough }) => relayThrough ?? []))].filter((node) => node !== this.#nodeIp)
    if (nodes.length === 0) return
    for (const node of nodes) this.#number(node)
    await this.#save()
    const [rules, wayTo] = await Promise.all([readRules(), readRoutes().then(readWays)])
    const present = new Set(rules.map(({ table }) => table))
    const batch = nodes.flatMap((node) => wayThrough(wayTo(node), this.#anchors?.get(node) ?? 0, present))
    await run('ip', ['-batch', '-'], { input: `${batch.join('\n')}\n` })
  }

  /** What is left of each relay; those without any are taken away, unless a move is just laying them. */
  async sweep(entries: readonly ConntrackEntry[], keep: ReadonlySet<string>): Promise<Map<string, number>> {
    await this.load()
    const flows = new Map([...(this.#anchors ?? [])].map(([node, number]) => [node, countOf(entries, number)] as const))
    const over = [...flows].filter(([node, count]) => count === 0 && !keep.has(node)).map(([node]) => node)
    await this.#remove(over)
    for (const node of over) flows.delete(node)
    return flows
  }

  async #remove(nodes: readonly string[]): Promise<void> {
    if (nodes.length === 0) return
    const present = new Set((await readRules()).map(({ table }) => table))
    for (const node of nodes) await removeWay(this.#anchors?.get(node) ?? 0, present)
    for (const node of nodes) this.#anchors?.delete(node)
    await this.#save()
  }

  #number(node: string): void {
    const anchors = this.#anchors ?? new Map<string, number>()
    if (anchors.has(node)) return
    const taken = new Set(anchors.values())
    const free = Array.from({ length: lastAnchor }, (_, index) => index + 1).find((number) => !taken.has(number))
    if (free === undefined) throw new Error(`Relaying flows through ${node}: this node relays through ${lastAnchor} others already`)
    anchors.set(node, free)
  }

  async #save(): Promise<void> {
    await writeIfDifferent(this.#file, JSON.stringify(Object.fromEntries(this.#anchors ?? [])), 0o600)
  }
}

/** Uninstalling: flows that are still relayed end. */
export async function removeAllRelays(): Promise<void> {
  const tables = new Set((await readRules()).map(({ table }) => table))
  for (let number = 1; number <= lastAnchor; number++) {
    if (tables.has(String(tableOf(number)))) await removeWay(number, tables)
  }
}

function wayThrough(way: Way, number: number, present: ReadonlySet<string>): string[] {
  const table = String(tableOf(number))
  const route = `route replace default ${nextHop(way)} table ${table} proto ${routeProtocol}`
  return present.has(table) ? [route] : [route, `rule add ${ruleOf(number)}`]
}

async function removeWay(number: number, present: ReadonlySet<string>): Promise<void> {
  const table = String(tableOf(number))
  if (present.has(table)) await run('ip', ['rule', 'del', ...ruleOf(number).split(' ')])
  // Empty after a reboot: nothing to take away then.
  await run('ip', ['route', 'flush', 'table', table], { reject: false })
}

async function readRules(): Promise<z.infer<typeof Rules>> {
  const { stdout } = await run('ip', ['-j', '-4', 'rule', 'show'])
  return Rules.parse(JSON.parse(stdout || '[]')).filter(({ priority }) => priority === relayPriority)
}

function countOf(entries: readonly ConntrackEntry[], number: number): number {
  return entries.filter((entry) => anchorNumber(entry.mark) === number).length
}
