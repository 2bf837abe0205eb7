// A policy left to itself on a large cluster of kwok nodes whose load shifts; prints one last line that starts with `unattended:`, and draws the nodes' utilisation. --minutes, --nodes, --pods.
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Line, picture } from './unattended/picture.ts'
import { boundPercentPoints, runUnattended } from './unattended/run.ts'
import type { Sample } from './unattended/sample.ts'

const { values: wish } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    nodes: { type: 'string', default: '1000' },
    pods: { type: 'string', default: '10000' },
  },
})
const limits = { residentMiB: 500, cycleSeconds: 5, movesOfPod: 2 }
const results = fileURLToPath(new URL('./results/unattended', import.meta.url))
const fleet = { nodeCount: Number(wish.nodes), podCount: Number(wish.pods) }
const { samples, mostMovesOfPod, failed } = await runUnattended(fleet, 60 * Number(wish.minutes))

const most = (pick: (sample: Sample) => number) => samples.reduce((value, sample) => Math.max(value, pick(sample)), 0)
const found = {
  imbalance: most(({ now }) => now.imbalance),
  imbalanceUnmoved: most(({ unmoved }) => unmoved.imbalance),
  nodesOver: samples.reduce((sum, { nodesOver }) => sum + nodesOver, 0) / (samples.length * fleet.nodeCount),
  moves: samples.at(-1)?.done ?? 0,
  movesOfPod: mostMovesOfPod,
  residentMiB: most(({ residentMiB }) => residentMiB),
  cycleSeconds: most(({ cycleSeconds }) => cycleSeconds),
}
const broken = [
  found.imbalance > boundPercentPoints ? 'imbalance' : undefined,
  found.movesOfPod > limits.movesOfPod ? 'moves of a pod' : undefined,
  found.residentMiB > limits.residentMiB ? 'memory' : undefined,
  found.cycleSeconds > limits.cycleSeconds ? 'cycle' : undefined,
  found.moves === 0 ? 'nothing moved' : undefined,
].filter((one) => one !== undefined)
const last =
  `unattended: ${fleet.nodeCount} kwok nodes, ${fleet.podCount} pods, ${wish.minutes} min (moves carried out by a stand-in): imbalance at most ${found.imbalance.toFixed(1)} percent points (the policy's bound: ${boundPercentPoints}; had nobody moved: ${found.imbalanceUnmoved.toFixed(1)})` +
  ` · ${(100 * found.nodesOver).toFixed(2)} % of the nodes over the target at a time · ${found.moves} moves, ${failed} failed, no pod more than ${found.movesOfPod} times` +
  ` · controller at most ${found.residentMiB.toFixed(0)} MiB · cycle at most ${found.cycleSeconds.toFixed(2)} s · ${broken.length === 0 ? 'within all bounds' : `BROKEN: ${broken.join(', ')}`}`

const load = `processes that wanted a processor in the last 15 minutes: ${loadavg()[2]?.toFixed(1)} on ${cpus().length} processors`

await mkdir(fileURLToPath(new URL('./results', import.meta.url)), { recursive: true })
await writeFile(`${results}.txt`, `${[load, ...samples.map(lineOf), last].join('\n')}\n`)
await writeFile(
  `${results}.svg`,
  picture(`CPU of ${fleet.nodeCount} nodes while load shifts, with a policy left to itself`, lines(samples)),
)
console.log(last)
process.exit(broken.length === 0 ? 0 : 1)

function lineOf({ second, now, unmoved, nodesOver, inFlight, done, residentMiB, cycleSeconds }: Sample): string {
  return (
    `${second.toFixed(0)} s: mean ${now.mean.toFixed(1)} %, imbalance ${now.imbalance.toFixed(2)} (unmoved ${unmoved.imbalance.toFixed(2)}),` +
    ` fullest ${now.fullest.toFixed(1)} % (unmoved ${unmoved.fullest.toFixed(1)} %), ${nodesOver} nodes over the target, ${inFlight} moves in flight, ${done} done,` +
    ` controller ${residentMiB.toFixed(0)} MiB, cycle ${cycleSeconds.toFixed(2)} s`
  )
}

function lines(all: readonly Sample[]): Line[] {
  const line = (label: string, colour: string, pick: (sample: Sample) => number, dashed = false): Line => ({
    label,
    colour,
    dashed,
    points: all.map((sample) => [sample.second, pick(sample)]),
  })
  return [
    line('fullest node', '#e15759', ({ now }) => now.fullest),
    line('95th percentile', '#f28e2b', ({ now }) => now.high),
    line('mean', '#4e79a7', ({ now }) => now.mean),
    line('5th percentile', '#59a14f', ({ now }) => now.low),
    line('fullest, had nobody moved', '#e15759', ({ unmoved }) => unmoved.fullest, true),
    line('95th, had nobody moved', '#f28e2b', ({ unmoved }) => unmoved.high, true),
    line('imbalance (percent points)', '#b07aa1', ({ now }) => now.imbalance),
    line('imbalance, had nobody moved', '#b07aa1', ({ unmoved }) => unmoved.imbalance, true),
  ]
}
