// The worker that HiGHS runs in: it does not come back before it has an answer, and nobody else should wait for it.
import { parentPort, workerData } from 'node:worker_threads'
import loadHighs from 'highs'
import type { ExactProblem } from './problem.ts'
import { solveExactly } from './solve.ts'

const { problem, seconds } = workerData as { problem: ExactProblem; seconds: number }
const startMs = performance.now()

// Its types are those of a CommonJS module, what is loaded here is its ES module.
const load = loadHighs as unknown as typeof loadHighs.default

void load().then((highs) =>
  parentPort?.postMessage(solveExactly(highs, problem, () => seconds - (performance.now() - startMs) / 1000) ?? null),
)
