// Plans one generated cluster in a process of its own, so that its memory is its own, and prints what came of it as JSON.
import { planCluster } from '../../src/planner/plan.ts'
import { generatedCluster } from '../../test/planner/generated-cluster.ts'

const [seed = 1, nodeCount = 300, podCount = 3000, seconds = 5] = process.argv.slice(2).map(Number)
const input = generatedCluster({ seed, nodeCount, podCount })
const startMs = performance.now()
const plan = planCluster(input, {
  goal: { kind: 'balance' },
  isOver: () => performance.now() - startMs > seconds * 1000,
  patienceRounds: Number.POSITIVE_INFINITY,
})
const tookSeconds = (performance.now() - startMs) / 1000
console.log(JSON.stringify({ ...plan, tookSeconds, residentMiB: process.resourceUsage().maxRSS / 1024 }))
