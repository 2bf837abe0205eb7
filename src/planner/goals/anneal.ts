// Annealing: any move may be made, worse ones less and less often, so that moves which only pay together are found; at the limit of moves pods replace each other.
import { addedPrice, costOf, type Prices } from '../cost.ts'
import { changeOn, gainOf } from '../imbalance.ts'
import type { Limits } from '../limits.ts'
import type { Model, ModelPod } from '../model.ts'
import { orderMoves } from '../order.ts'
import type { Placement } from '../placement.ts'
import { below } from '../random.ts'

export interface Search {
  placement: Placement
  shares: Float64Array
  prices: Prices
  limits: Limits
}

/** Tries of one cooling: so many for each round of patience, or for each movable pod where patience has no end. */
const triesPerRound = 60
const triesPerPod = 100
const leastTries = 20_000
/** Tries between two looks at the clock, and at whether this is the best so far. */
const triesAtOnce = 256

/** What is accepted at first in each cooling, and at its end, as parts of what one move is worth on average. */
const starts = [1, 0.1, 3, 0.3]
const coldest = 0.002
/** Coolings in a row without anything better after which patience is over. */
const mostIdle = 5 * starts.length
/** Up to so many moves every better placement is looked through for an order of its moves, beyond that only those at the end of a cooling. */
const fewMoves = 200

/** Out of so many random choices, at most, the best is tried. */
const mostContenders = 6

/** Leaves the best placement that it saw in `placement`. */
export function anneal(search: Search, unevennessBefore: number): void {
  const { placement, shares, prices, limits } = search
  const walk = new Walk(search)
  if (unevennessBefore <= 0 || !walk.canMove) return
  const unit = unevennessBefore / walk.mostMoves
  let best: Int32Array = placement.at.slice()
  let bestCost = costOf(placement, shares, prices)
  const keep = (cost: number) => {
    if (cost >= bestCost * (1 - 1e-9) || !leadsHere(search)) return
    best = placement.at.slice()
    bestCost = cost
  }
  const isPatient = !Number.isFinite(limits.patienceRounds)
  const tries = isPatient ? Math.max(leastTries, triesPerPod * walk.movableCount) : triesPerRound * limits.patienceRounds
  for (let cooling = 0, idle = 0; idle < mostIdle && !limits.isOver(); cooling++) {
    const before = bestCost
    // Swaps find more, and now and then a placement that no moves one by one lead to.
    walk.begin(costOf(placement, shares, prices), cooling % 2 === 0)
    const start = (starts[cooling % starts.length] as number) * unit
    cool(walk, tries, start, coldest * unit, limits, walk.mostMoves <= fewMoves ? keep : () => undefined)
    keep(walk.cost)
    idle = bestCost < before || isPatient ? 0 : idle + 1
    walk.become(best)
  }
}

/** Do moves lead here, one by one, and no more of them than there may be? */
function leadsHere({ placement, shares, limits }: Search): boolean {
  const target = placement.at.slice()
  placement.become(Int32Array.from(placement.model.pods, ({ home }) => home))
  const { moves, isComplete } = orderMoves(placement, target, shares)
  placement.become(target)
  return isComplete && moves.length <= limits.mostMoves
}

function cool(walk: Walk, tries: number, hottest: number, coolest: number, limits: Limits, keep: (cost: number) => void): void {
  for (let done = 0; done < tries && !limits.isOver(); done += triesAtOnce) {
    const temperature = hottest * (coolest / hottest) ** (done / tries)
    for (let attempt = 0; attempt < triesAtOnce; attempt++) walk.step(temperature)
    keep(walk.cost)
  }
}

/** A placement on its way, with the pods that are away from home. */
class Walk {
  cost = 0
  #swaps = true
  readonly #placement: Placement
  readonly #shares: Float64Array
  readonly #prices: Prices
  readonly #limits: Limits
  readonly #movable: readonly number[]
  readonly #destinations: readonly number[]
  #away: number[] = []
  /** Where each pod is in `#away`; -1: at home. */
  readonly #spots: Int32Array

  constructor({ placement, shares, prices, limits }: Search) {
    const { pods, nodes } = placement.model
    this.#placement = placement
    this.#shares = shares
    this.#prices = prices
    this.#limits = limits
    this.#movable = pods.flatMap(({ stays, home }, pod) => (stays === undefined && nodes[home]?.isBalanced ? [pod] : []))
    this.#destinations = nodes.flatMap(({ isDestination }, node) => (isDestination ? [node] : []))
    this.#spots = new Int32Array(pods.length).fill(-1)
    this.#findAway()
  }

  get movableCount(): number {
    return this.#movable.length
  }

  get mostMoves(): number {
    return Math.min(this.#limits.mostMoves, this.#movable.length)
  }

  get canMove(): boolean {
    return this.mostMoves > 0 && this.#destinations.length > 1
  }

  begin(cost: number, swaps: boolean): void {
    this.cost = cost
    this.#swaps = swaps
  }

  become(at: Int32Array): void {
    this.#placement.become(at)
    this.#findAway()
  }

  /** One change is tried; `temperature` is what a worse one may cost, about. */
  step(temperature: number): void {
    const { chance } = this.#limits
    const least = temperature * Math.log(1 - chance())
    const dice = chance()
    if (this.#away.length > 0 && dice < 0.3) this.#relocate(least)
    else if (this.#away.length > 1 && dice < 0.4) this.#exchangePlaces(least)
    else if (dice < 0.5 && this.#swaps) this.#swap(least)
    else this.#send(least)
  }

  #relocate(least: number): void {
    const pod = this.#anyAway()
    const to = this.#limits.chance() < 0.2 ? this.#pod(pod).home : this.#place(pod)
    const saved = this.#saved(pod, to)
    if (saved >= least && this.#placement.can(pod, to)) this.#go(pod, to, saved)
  }

  /** Two pods that are away change their destinations. */
  #exchangePlaces(least: number): void {
    const [one, other] = [this.#anyAway(), this.#anyAway()]
    const [from, to] = [this.#placement.at[one] as number, this.#placement.at[other] as number]
    if (from !== to) this.#both(least, one, to, other, from)
  }

  /** One or two pods go to another node, and one or two of that node come for them: between full nodes there is nothing else. */
  #swap(least: number): void {
    const pod = this.#victim()
    const to = this.#place(pod)
    const from = this.#placement.at[pod] as number
    if (from === to) return
    const { chance } = this.#limits
    const leaving = new Set([pod, ...(chance() < 0.3 ? this.#anyOn(from) : [])])
    const coming = new Set([...this.#anyOn(to), ...(chance() < 0.3 ? this.#anyOn(to) : [])])
    const changes = [...[...coming].map((other) => [other, from] as const), ...[...leaving].map((one) => [one, to] as const)]
    const more = changes.reduce((sum, [one, node]) => sum + this.#addsMove(one, node), 0)
    if (this.#away.length + more <= this.mostMoves) this.#all(least, changes)
  }

  #send(least: number): void {
    const pod = this.#victim()
    const other = this.#away.length < this.mostMoves || this.#spots[pod] !== -1 ? undefined : this.#anyAway()
    const isReplacement = other !== undefined && this.#limits.chance() < 0.5
    const to = isReplacement ? (this.#placement.at[other] as number) : this.#place(pod)
    if (other !== undefined) return this.#both(least, other, this.#pod(other).home, pod, to)
    const saved = this.#saved(pod, to)
    if (saved >= least && this.#placement.can(pod, to)) this.#go(pod, to, saved)
  }

  #both(least: number, first: number, firstTo: number, second: number, secondTo: number): void {
    const { at } = this.#placement
    const [firstFrom, secondFrom] = [at[first], at[second]]
    const isApart = firstFrom !== secondTo && firstTo !== secondFrom && firstFrom !== secondFrom && firstTo !== secondTo
    if (isApart && this.#saved(first, firstTo) + this.#saved(second, secondTo) < least) return
    this.#all(least, [
      [first, firstTo],
      [second, secondTo],
    ])
  }

  /** All or none. With swaps there has to be room in the end only; over which third node pods get past each other is for the order to find. */
  #all(least: number, changes: readonly (readonly [pod: number, to: number])[]): void {
    const placement = this.#placement
    const undo: [number, number][] = []
    let saved = 0
    const isAllowed = changes.every(([pod, to]) => {
      if (!(this.#swaps ? placement.allows(pod, to) : placement.can(pod, to))) return false
      saved += this.#saved(pod, to)
      undo.push([pod, placement.at[pod] as number])
      placement.move(pod, to)
      return true
    })
    if (isAllowed && saved >= least && changes.every(([, to]) => placement.holds(to))) {
      this.cost -= saved
      for (const [pod, to] of changes) this.#note(pod, to)
    } else for (const [pod, from] of undo.reverse()) placement.move(pod, from)
  }

  #saved(pod: number, to: number): number {
    return gainOf(this.#placement, this.#shares, pod, to) - addedPrice(this.#placement, this.#prices, pod, to)
  }

  #go(pod: number, to: number, saved: number): void {
    this.#placement.move(pod, to)
    this.cost -= saved
    this.#note(pod, to)
  }

  #note(pod: number, to: number): void {
    const isHome = to === this.#pod(pod).home
    const spot = this.#spots[pod] as number
    if (isHome && spot >= 0) this.#remove(pod, spot)
    else if (!isHome && spot < 0) this.#spots[pod] = this.#away.push(pod) - 1
  }

  #remove(pod: number, spot: number): void {
    const last = this.#away.pop() as number
    if (last !== pod) {
      this.#away[spot] = last
      this.#spots[last] = spot
    }
    this.#spots[pod] = -1
  }

  #findAway(): void {
    const { at, model } = this.#placement
    this.#away = []
    this.#spots.fill(-1)
    for (const pod of this.#movable) if (at[pod] !== (model.pods[pod] as ModelPod).home) this.#spots[pod] = this.#away.push(pod) - 1
  }

  #addsMove(pod: number, to: number): number {
    const { home } = this.#pod(pod)
    return (to === home ? 0 : 1) - (this.#placement.at[pod] === home ? 0 : 1)
  }

  /** One pod of the node, if it may move. */
  #anyOn(node: number): number[] {
    const pods = this.#placement.podsOn[node] as ReadonlySet<number>
    let skip = below(this.#limits.chance, pods.size)
    for (const pod of pods) if (skip-- === 0) return this.#pod(pod).stays === undefined ? [pod] : []
    return []
  }

  #anyAway(): number {
    return this.#away[below(this.#limits.chance, this.#away.length)] as number
  }

  #pod(pod: number): Model['pods'][number] {
    return this.#placement.model.pods[pod] as ModelPod
  }

  /** A pod whose node is better off without it than without a few others. */
  #victim(): number {
    return this.#best(this.#movable, (pod) => changeOn(this.#placement, this.#shares, this.#placement.at[pod] as number, pod, -1))
  }

  /** A node that takes the pod better than a few others. */
  #place(pod: number): number {
    const from = this.#placement.at[pod]
    return this.#best(this.#destinations, (node) =>
      node === from ? Number.POSITIVE_INFINITY : changeOn(this.#placement, this.#shares, node, pod, 1),
    )
  }

  #best(choices: readonly number[], costOfChoice: (choice: number) => number): number {
    const { chance } = this.#limits
    let best = choices[below(chance, choices.length)] as number
    const contenders = below(chance, mostContenders)
    if (contenders === 0) return best
    let least = costOfChoice(best)
    for (let contender = 0; contender < contenders; contender++) {
      const choice = choices[below(chance, choices.length)] as number
      const cost = costOfChoice(choice)
      if (cost < least) {
        best = choice
        least = cost
      }
    }
    return best
  }
}
