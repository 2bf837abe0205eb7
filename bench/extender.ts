// How long kube-scheduler waits for the extender, and what that costs it; prints one last line that starts with `extender:`. --latency: without the lab.
import { writeFile } from 'node:fs/promises'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Latency, measureLatency } from './extender/latency.ts'
import { measureThroughput, type Throughput } from './extender/throughput.ts'

const { values: wish } = parseArgs({
  options: {
    latency: { type: 'boolean', default: false },
    nodes: { type: 'string', default: '1000,5000' },
    pods: { type: 'string', default: '1500' },
    turns: { type: 'string', default: '9' },
  },
})
const rounds = 2000
const nodeCounts = wish.nodes.split(',').map(Number)
const podCount = Number(wish.pods)
const results = fileURLToPath(new URL('./results/extender', import.meta.url))
const lines: string[] = []

function say(line: string): void {
  lines.push(line)
  console.log(line)
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((one, other) => one - other)
  const middle = Math.floor(sorted.length / 2)
  return ((sorted[middle] ?? 0) + (sorted[sorted.length % 2 ? middle : middle - 1] ?? 0)) / 2
}

/** Turn by turn: what slows the whole machine for a while slows both. */
function medianRatio(ours: readonly number[], without: readonly number[]): number {
  return median(ours.map((rate, turn) => rate / (without[turn] ?? Number.NaN)))
}

function throughputText({ nodeCount, with: ours, without, nothing }: Throughput): string {
  return `scheduler with/without ${median(ours).toFixed(0)}/${median(without).toFixed(0)} pods/s · ratio ${medianRatio(ours, without).toFixed(2)} (${nodeCount} kwok nodes; an extender that does nothing: ${medianRatio(nothing, without).toFixed(2)})`
}

function latencyText([few, many]: readonly Latency[], [fewNothing, manyNothing]: readonly Latency[]): string {
  return `extender: p99 ${few?.p99.toFixed(2)} ms for 500 names (a server that answers nothing: ${fewNothing?.p99.toFixed(2)}), ${many?.p99.toFixed(2)} ms for 5000 (${manyNothing?.p99.toFixed(2)})`
}

say(
  `load of the machine while it was measured (processes that want a processor): ${loadavg()[0]?.toFixed(1)} on ${cpus().length} processors`,
)
const { latencies, floor, builtMs } = await measureLatency(rounds)
for (const { title, p50, p99, worst, coldP99 } of [...latencies, ...floor])
  say(
    `${title}: filter + prioritize over HTTPS p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, worst ${worst.toFixed(2)} ms; before, while it was still being compiled, p99 ${coldP99.toFixed(2)} ms`,
  )
say(`5000 nodes and 30000 pods indexed in ${builtMs.toFixed(0)} ms`)
const throughputs = wish.latency ? [] : await measureThroughput(nodeCounts, podCount, Number(wish.turns))
for (const { nodeCount, with: ours, without, nothing } of throughputs)
  say(
    `${nodeCount} kwok nodes, ${podCount} ordinary pods: with ${ours.map(Math.round).join(', ')} pods/s, without ${without.map(Math.round).join(', ')} pods/s, with one that does nothing ${nothing.map(Math.round).join(', ')} pods/s`,
  )
say([latencyText(latencies, floor), ...throughputs.map(throughputText)].join(' · '))
if (throughputs.length > 0) {
  await writeFile(`${results}.txt`, `${lines.join('\n')}\n`)
  await writeFile(`${results}.json`, `${JSON.stringify({ latencies, floor, builtMs, throughputs }, null, 2)}\n`)
}
