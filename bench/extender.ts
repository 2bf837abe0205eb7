// How long kube-scheduler waits for the extender with 5000 nodes in its cache; prints one line that starts with `extender:`.
import { measureLatency } from './extender/latency.ts'

const rounds = 500

const { latencies, builtMs } = await measureLatency(rounds)
for (const { title, p50, p99, worst } of latencies)
  console.log(`${title}: p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms, worst ${worst.toFixed(2)} ms`)
const [few, many] = latencies
console.log(
  `extender: p99 ${few?.p99.toFixed(2)} ms for 500 names, ${many?.p99.toFixed(2)} ms for 5000 · filter + prioritize over HTTPS, 5000 nodes indexed in ${builtMs.toFixed(0)} ms`,
)
