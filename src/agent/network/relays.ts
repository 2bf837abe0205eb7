// The ways through other nodes that relayed flows take: a number, a routing rule and a table for each node, kept while a flow is left.
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { writeIfDifferent } from '../install/host-files.ts'
import type { Leg } from '../rooms.ts'
import { run } from '../run.ts'
import type { ConntrackEntry } from './conntrack-entries.ts'
import { type Family, families, familyOf, ipv4 } from './family.ts'
import { nextHop, routeProtocol } from './ip-batches.ts'
import { readRoutes } from './kernel-files.ts'
import { readWays } from './read-ways.ts'
import { anchorNumber, lastAnchor, markOf, relayPriority, ruleOf, tableOf, waitingNumber } from './relay-marks.ts'
import type { Way, WayTo } from './ways.ts'

const Anchors = z.record(z.union([z.ipv4(), z.ipv6()]), z.int().min(1).max(lastAnchor))
const Rules = z.array(z.object({ priority: z.int(), table: z.string() }))

export class Relays {
  readonly #file: string
  readonly #nodeIps: readonly string[]
  /** Node address to its number here; on disk, because the marks in the kernel outlive the agent. */
  #anchors: Map<string, number> | undefined

  constructor(stateDir: string, nodeIps: readonly string[]) {
    this.#file = path.join(stateDir, 'relays.json')
    this.#nodeIps = nodeIps
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
    const nodes = [...new Set(legs.flatMap(({ relayThrough }) => relayThrough ?? []))].filter((node) => !this.#nodeIps.includes(node))
    if (nodes.length === 0) return
    for (const node of nodes) this.#number(node)
    await this.#save()
    const wayTo = await readWays(await readRoutes())
    for (const family of families) {
      const own = nodes.filter((node) => familyOf(node) === family)
      if (own.length > 0) await this.#layOf(family, own, wayTo)
    }
  }

  async #layOf(family: Family, nodes: readonly string[], wayTo: WayTo): Promise<void> {
    const present = await tablesOf(family)
    const batch = nodes.flatMap((node) => wayThrough(wayTo(node), this.#anchors?.get(node) ?? 0, present))
    await run('ip', [family.option, '-batch', '-'], { input: `${batch.join('\n')}\n` })
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
    for (const node of nodes) await removeWay(familyOf(node), this.#anchors?.get(node) ?? 0, await tablesOf(familyOf(node)))
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
  for (const family of families) {
    const tables = await tablesOf(family)
    for (let number = waitingNumber; number <= lastAnchor; number++) {
      if (tables.has(String(tableOf(number)))) await removeWay(family, number, tables)
    }
  }
}

function wayThrough(way: Way, number: number, present: ReadonlySet<string>): string[] {
  const table = String(tableOf(number))
  const route = `route replace default ${nextHop(way)} table ${table} proto ${routeProtocol}`
  return present.has(table) ? [route] : [route, `rule add ${ruleOf(number)}`]
}

async function removeWay(family: Family, number: number, present: ReadonlySet<string>): Promise<void> {
  const table = String(tableOf(number))
  if (present.has(table)) await run('ip', [family.option, 'rule', 'del', ...ruleOf(number).split(' ')])
  // Empty after a reboot: nothing to take away then.
  await run('ip', [family.option, 'route', 'flush', 'table', table], { reject: false })
}

/** Tables that a rule of ours leads to. */
async function tablesOf(family: Family): Promise<Set<string>> {
  // A kernel without IPv6 has no rules of it.
  const { stdout } = await run('ip', ['-j', family.option, 'rule', 'show'], { reject: family === ipv4 })
  const rules = Rules.parse(JSON.parse(stdout || '[]'))
  return new Set(rules.filter(({ priority }) => priority === relayPriority).map(({ table }) => table))
}

function countOf(entries: readonly ConntrackEntry[], number: number): number {
  return entries.filter((entry) => anchorNumber(entry.mark) === number).length
}
