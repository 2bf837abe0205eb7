// The least unevenness that any plan with so many moves could leave: pods may be cut, and their load lands wherever it is best, without rules or room.
import type { Highs } from 'highs'
import { evenShares } from '../../src/planner/imbalance.ts'
import type { Model } from '../../src/planner/model.ts'
import { Placement } from '../../src/planner/placement.ts'

const tangentPoints = [-1, -0.7, -0.5, -0.4, -0.3, -0.25, -0.2, -0.16, -0.12, -0.09, -0.06, -0.04, -0.02, 0].flatMap((point) => [
  point,
  -point,
])

/** In percent points, as the planner reports imbalance; a square is counted by its tangents, so the bound is rather too low. */
export function leastImbalance(highs: Highs, model: Model, mostMoves: number): number {
  const placement = new Placement(model)
  const text = relaxation(model, placement, mostMoves)
  const count = balancedPairs(model).length
  placement.leave()
  const answer = highs.solve(text, { output_flag: false, time_limit: 120 })
  if (answer.Status !== 'Optimal') throw new Error(`Bounding a plan: HiGHS says ${answer.Status}`)
  return 100 * Math.sqrt(Math.max(0, answer.ObjectiveValue) / count)
}

function balancedPairs({ nodes, balanced, loadRoom }: Model): { node: number; offset: number; room: number }[] {
  return nodes.flatMap(({ isBalanced }, node) =>
    balanced.flatMap((_name, offset) => {
      const room = loadRoom[node * balanced.length + offset] as number
      return isBalanced && room > 0 ? [{ node, offset, room }] : []
    }),
  )
}

function relaxation(model: Model, placement: Placement, mostMoves: number): string {
  const shares = evenShares(placement)
  const width = model.balanced.length
  const pairs = balancedPairs(model)
  const movable = [...model.pods.keys()].filter((pod) => model.pods[pod]?.stays === undefined)
  const scale = model.balanced.map((_name, offset) =>
    Math.max(1, ...pairs.filter((pair) => pair.offset === offset).map(({ room }) => room)),
  )
  const loadOf = (pod: number, offset: number) => (model.load[pod * width + offset] as number) / (scale[offset] as number)
  const distances = pairs.map(({ node, offset, room }) => {
    const leaving = movable
      .filter((pod) => model.pods[pod]?.home === node)
      .map((pod) => ` + ${written((loadOf(pod, offset) * (scale[offset] as number)) / room)} y${pod}`)
    const here = (placement.load[node * width + offset] as number) / room - (shares[offset] as number)
    return `d${node}_${offset}${leaving.join('\n ')} - ${written((scale[offset] as number) / room)} a${node}_${offset} = ${written(here)}`
  })
  const conserved = model.balanced.map((_name, offset) => {
    const leaving = movable.map((pod) => ` + ${written(loadOf(pod, offset))} y${pod}`)
    const arriving = pairs.filter((pair) => pair.offset === offset).map(({ node }) => ` - a${node}_${offset}`)
    return `${[...leaving, ...arriving].join('\n ')} = 0`
  })
  const squares = pairs.flatMap(({ node, offset }) =>
    tangentPoints.map((point) => `q${node}_${offset} ${signed(-2 * point)} d${node}_${offset} >= ${written(-point * point)}`),
  )
  const rows = [...distances, ...conserved, ...squares, `${movable.map((pod) => `+ y${pod}`).join('\n ')} <= ${mostMoves}`]
  return [
    'Minimize',
    ` obj: ${pairs.map(({ node, offset }) => `+ q${node}_${offset}`).join('\n ')}`,
    'Subject To',
    ...rows.map((row, number) => ` r${number}: ${row}`),
    'Bounds',
    ...movable.map((pod) => ` y${pod} <= 1`),
    ...pairs.map(({ node, offset }) => ` d${node}_${offset} free`),
    'End',
    '',
  ].join('\n')
}

function signed(value: number): string {
  return value < 0 ? `- ${written(-value)}` : `+ ${written(value)}`
}

function written(value: number): string {
  return Object.is(value, -0) ? '0' : String(Number(value.toPrecision(10)))
}
