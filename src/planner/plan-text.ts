// A plan as people read it: one line a move, and what they come to.
import type { Goal } from './input.ts'
import type { BeforeAndAfter, ClusterPlan } from './plan.ts'

export function describePlan(plan: ClusterPlan): string {
  const { imbalance, nodesInUse, moves, movedGiB, expectedSeconds, stuck, fixed } = plan
  const measured = plan.loadSource === 'usage' ? 'measured usage' : 'requests'
  const resources = Object.entries(imbalance.byResource).map(([name, pair]) => `${name} ${change(pair)}`)
  const lines = [
    `Goal: ${goalText(plan.goal)}, by ${measured}`,
    ...moveLines(plan),
    `Imbalance: ${change(imbalance)} percent points (${resources.join(', ')})`,
    `Nodes in use: ${change(nodesInUse)}`,
    `Moves: ${moves.length}, ${movedGiB} GiB, about ${expectedSeconds} s`,
    ...(plan.exact ? [`Exact: ${plan.exact}`] : []),
    ...stuck.map(({ namespace, podName, nodeName, reason }) => `Stays: ${namespace}/${podName} on ${nodeName}: ${reason}`),
    ...Object.entries(fixed).map(([reason, count]) => `Not moved: ${count} pods: ${reason}`),
  ]
  return `${lines.join('\n')}\n`
}

function goalText(goal: Goal): string {
  return goal.kind === 'evacuate' ? `evacuate ${goal.nodeNames.join(', ')}` : goal.kind
}

function moveLines({ moves }: ClusterPlan): string[] {
  if (moves.length === 0) return ['No move makes it better.']
  const rows = moves.map(({ step, namespace, podName, fromNode, toNode, movedBytes, detour }) => [
    String(step),
    `${namespace}/${podName}`,
    fromNode,
    toNode,
    `${(movedBytes / 2 ** 30).toFixed(2)}`,
    detour ? 'goes on later' : '',
  ])
  const all = [['STEP', 'POD', 'FROM', 'TO', 'GIB', ''], ...rows]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  )
}

function change({ before, after }: BeforeAndAfter): string {
  return `${before} → ${after}`
}
