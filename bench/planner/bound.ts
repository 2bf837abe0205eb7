// The least unevenness that any plan with so many moves could leave: pods may be cut, and their load lands where taints and affinity let it, without rules between pods.
import type { Highs } from 'highs'
import { evenShares } from '../../src/planner/imbalance.ts'
import type { Model } from '../../src/planner/model.ts'
import { Placement } from '../../src/planner/placement.ts'

/** Pods are grouped by how large they are (the largest apart: they are the ones worth moving), and within that by their mix of resources. */
const sizeSteps = [0, 0.75, 0.92, 1]
const mixSteps = [0, 0.5, 1]
/** Solved again with tangents where the last answer paid too little for a square. */
const rounds = 6

interface Pair {
  node: number
  offset: number
  room: number
  column: string
}

/** Pods that the same nodes are open to, of about the same size and mix of resources. */
interface Group {
  pods: number[]
  nodes: number[]
}

/** In percent points, as the planner reports imbalance; a square is counted by its tangents, so the bound is rather too low. */
export function leastImbalance(highs: Highs, model: Model, mostMoves: number): number {
  const placement = new Placement(model)
  const shares = evenShares(placement)
  const pairs = balancedPairs(model)
  const distanceNow = ({ node, offset, room }: Pair) =>
    (placement.load[node * shares.length + offset] as number) / room - (shares[offset] as number)
  // Most nodes are touched by no move: for them the first tangent is exact.
  const tangents = new Map(pairs.map((pair) => [pair.column, [distanceNow(pair), 0, -1, 1]]))
  const rows = moveRows(model, pairs, distanceNow, mostMoves)
  placement.leave()
  let least = 0
  for (let round = 0; round < rounds; round++) {
    const answer = highs.solve(written(pairs, [...rows, ...tangentRows(pairs, tangents)], model), {
      output_flag: false,
      time_limit: 200,
      solver: 'ipm',
    })
    if (answer.Status !== 'Optimal') throw new Error(`Bounding a plan: HiGHS says ${answer.Status}`)
    least = answer.ObjectiveValue
    for (const { column } of pairs) tangents.get(column)?.push((answer.Columns[column] as { Primal: number }).Primal)
  }
  return 100 * Math.sqrt(Math.max(0, least) / pairs.length)
}

function balancedPairs({ nodes, balanced, loadRoom }: Model): Pair[] {
  return nodes.flatMap(({ isBalanced }, node) =>
    balanced.flatMap((_name, offset) => {
      const room = loadRoom[node * balanced.length + offset] as number
      return isBalanced && room > 0 ? [{ node, offset, room, column: `d${node}_${offset}` }] : []
    }),
  )
}

function movable({ pods, nodes }: Model): number[] {
  return [...pods.keys()].filter((pod) => pods[pod]?.stays === undefined && nodes[pods[pod]?.home ?? -1]?.isBalanced)
}

/** Amounts in thousandths of all nodes together: bytes beside millicores are no numbers for a solver. */
function scales({ balanced, loadRoom, nodes }: Model): number[] {
  return balanced.map((_name, offset) => {
    let sum = 0
    nodes.forEach((_node, node) => {
      sum += loadRoom[node * balanced.length + offset] as number
    })
    return Math.max(1, sum / 1000)
  })
}

function groupsOf(model: Model): Group[] {
  const byOpen = new Map<string, Group>()
  for (const pod of movable(model)) {
    const { shape } = model.pods[pod] as Model['pods'][number]
    const nodes = [...model.nodes.keys()].filter((node) => model.nodes[node]?.isDestination && model.rules.opens(shape, node))
    const key = nodes.join()
    const group = byOpen.get(key) ?? { pods: [], nodes }
    group.pods.push(pod)
    byOpen.set(key, group)
  }
  return [...byOpen.values()].flatMap(({ pods, nodes }) =>
    split(pods, sizeSteps, (pod) => model.load[pod * model.balanced.length] as number).flatMap((sized) =>
      split(sized, mixSteps, (pod) => mixOf(model, pod)).map((mixed) => ({ pods: mixed, nodes })),
    ),
  )
}

function split(pods: readonly number[], steps: readonly number[], measure: (pod: number) => number): number[][] {
  const sorted = [...pods].sort((one, other) => measure(one) - measure(other))
  return steps
    .slice(1)
    .map((end, before) => sorted.slice(Math.floor((steps[before] as number) * sorted.length), Math.floor(end * sorted.length)))
    .filter((part) => part.length > 0)
}

/** The second resource for each of the first. */
function mixOf({ load, balanced }: Model, pod: number): number {
  const width = balanced.length
  return (load[pod * width + 1] ?? 0) / Math.max(1e-9, load[pod * width] as number)
}

function moveRows(model: Model, pairs: readonly Pair[], distanceNow: (pair: Pair) => number, mostMoves: number): string[] {
  const width = model.balanced.length
  const scale = scales(model)
  const groups = groupsOf(model)
  const loadOf = (pod: number, offset: number) => (model.load[pod * width + offset] as number) / (scale[offset] as number)
  const arriving = groups.map(({ nodes }) => new Set(nodes))
  const distances = pairs.map((pair) => {
    const { node, offset, room, column } = pair
    const part = (scale[offset] as number) / room
    const leaving = movable(model).flatMap((pod) =>
      model.pods[pod]?.home === node ? [` ${signed(loadOf(pod, offset) * part)} y${pod}`] : [],
    )
    const coming = groups.flatMap((_group, number) =>
      arriving[number]?.has(node) ? [` ${signed(-part)} a${number}_${node}_${offset}`] : [],
    )
    return `${column}${[...leaving, ...coming].join('\n')} = ${digits(distanceNow(pair))}`
  })
  const conserved = groups.flatMap(({ pods, nodes }, number) => [
    ...model.balanced.map((_name, offset) => {
      const leaving = pods.map((pod) => ` ${signed(loadOf(pod, offset))} y${pod}`)
      return `${[...leaving, ...nodes.map((node) => ` - a${number}_${node}_${offset}`)].join('\n')} = 0`
    }),
    `${[...pods.map((pod) => ` + y${pod}`), ...nodes.map((node) => ` - c${number}_${node}`)].join('\n')} = 0`,
  ])
  const count = `${movable(model)
    .map((pod) => `+ y${pod}`)
    .join('\n ')} <= ${mostMoves}`
  return [...distances, ...conserved, ...sizeRows(model, groups, loadOf), ...touchRows(model, pairs, groups, distanceNow), count]
}

/** So many pods of a group bring at least and at most so much of each resource. */
function sizeRows({ balanced }: Model, groups: readonly Group[], loadOf: (pod: number, offset: number) => number): string[] {
  return groups.flatMap(({ pods, nodes }, number) =>
    balanced.flatMap((_name, offset) => {
      const loads = pods.map((pod) => loadOf(pod, offset))
      return nodes.flatMap((node) => [
        `a${number}_${node}_${offset} ${signed(-Math.min(...loads))} c${number}_${node} >= 0`,
        `a${number}_${node}_${offset} ${signed(-Math.max(...loads))} c${number}_${node} <= 0`,
      ])
    }),
  )
}

/** A node that no whole pod leaves or reaches stays as it is: to make half of its distance go away takes half of a move at least. */
function touchRows(model: Model, pairs: readonly Pair[], groups: readonly Group[], distanceNow: (pair: Pair) => number): string[] {
  return model.nodes.flatMap((_node, node) => {
    const own = pairs.filter((pair) => pair.node === node)
    const square = own.reduce((sum, pair) => sum + distanceNow(pair) ** 2, 0)
    if (square < 1e-9) return []
    const leaving = movable(model).flatMap((pod) => (model.pods[pod]?.home === node ? [` ${signed(square)} y${pod}`] : []))
    const coming = groups.flatMap(({ nodes }, number) => (nodes.includes(node) ? [` ${signed(square)} c${number}_${node}`] : []))
    const terms = [...own.map(({ column }) => ` + q${column}`), ...leaving, ...coming]
    return [`${terms.join('\n')} >= ${digits(square)}`]
  })
}

function tangentRows(pairs: readonly Pair[], tangents: ReadonlyMap<string, readonly number[]>): string[] {
  return pairs.flatMap(({ column }) =>
    (tangents.get(column) ?? []).map((point) => `q${column} ${signed(-2 * point)} ${column} >= ${digits(-point * point)}`),
  )
}

function written(pairs: readonly Pair[], rows: readonly string[], model: Model): string {
  return [
    'Minimize',
    ` obj: ${pairs.map(({ column }) => `+ q${column}`).join('\n ')}`,
    'Subject To',
    ...rows.map((row, number) => ` r${number}: ${row}`),
    'Bounds',
    ...movable(model).map((pod) => ` y${pod} <= 1`),
    ...pairs.map(({ column }) => ` ${column} free`),
    'End',
    '',
  ].join('\n')
}

function signed(value: number): string {
  return value < 0 ? `- ${digits(-value)}` : `+ ${digits(value)}`
}

function digits(value: number): string {
  return Object.is(value, -0) ? '0' : String(Number(value.toPrecision(10)))
}
