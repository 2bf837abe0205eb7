// Times filter + prioritize as a scheduler sees them: over one kept TLS connection, from a client in Go (ask/).

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { testAuthority } from '../../test/extender/certificates.ts'
import { pod } from '../../test/extender/cluster.ts'
import type { ServeWish } from './serve.ts'

export interface Latency {
  title: string
  p50: number
  p99: number
  worst: number
  /** 99th percentile of the rounds before, while the program is still being compiled. */
  coldP99: number
}

const askSource = fileURLToPath(new URL('./ask', import.meta.url))
const nodeCount = 5000
const podsPerNode = 6
const names = Array.from({ length: nodeCount }, (_none, number) => `node-${String(number).padStart(4, '0')}.zone-${number % 3}.example`)
const movable = pod('shop/cart', { cpu: '500m', memory: '1Gi', owner: 'rs-1' })
const ordinary = pod('shop/web', { cpu: '500m', runtimeClassName: undefined })
/** Of each question, before the rounds that count: a scheduler asks a controller that has been running for more than seconds. */
const warmUpRounds = 1000
const rotations = 11

/** Of our extender, and of a server of the same kind that reads the question and answers nothing: what this machine itself takes. */
export async function measureLatency(rounds: number): Promise<{ latencies: Latency[]; floor: Latency[]; builtMs: number }> {
  const authority = await testAuthority()
  try {
    const tlsDir = await authority.issue('podmotion-controller')
    const clientTls = await authority.issue('podmotion-scheduler')
    const ours = await measureServer({ kind: 'extender', names, podsPerNode, reservationCount: 200, tlsDir }, clientTls, rounds, {
      movable,
      ordinary,
    })
    const floor = await measureServer({ kind: 'nothing', tlsDir }, clientTls, rounds, { movable })
    return { latencies: ours.latencies, floor: floor.latencies, builtMs: ours.builtMs }
  } finally {
    authority.remove()
  }
}

async function measureServer(
  wish: ServeWish,
  clientTls: string,
  rounds: number,
  pods: Record<string, object>,
): Promise<{ latencies: Latency[]; builtMs: number }> {
  const server = fork(fileURLToPath(new URL('./serve.ts', import.meta.url)))
  try {
    server.send(wish)
    const { port, builtMs } = await new Promise<{ port: number; builtMs: number }>((resolve, reject) =>
      server.once('message', (message) => resolve(message as { port: number; builtMs: number })).once('exit', reject),
    )
    const latencies: Latency[] = []
    for (const [kind, asked] of Object.entries(pods))
      for (const count of [500, 5000]) {
        const { coldMs, ms } = await ask(`https://127.0.0.1:${port}`, clientTls, rounds, bodiesOf(asked, names.slice(0, count)))
        const title = `${wish.kind}, ${kind} pod, ${count} names`
        latencies.push({ title, p50: part(ms, 0.5), p99: part(ms, 0.99), worst: part(ms, 1), coldP99: part(coldMs, 0.99) })
      }
    return { latencies, builtMs }
  } finally {
    server.kill('SIGKILL')
  }
}

/** A scheduler starts its search at another node for each pod. */
function bodiesOf(asked: object, names: readonly string[]): string[] {
  return Array.from({ length: rotations }, (_none, number) => {
    const start = Math.floor((number * names.length) / rotations)
    return JSON.stringify({ Pod: asked, Nodes: null, NodeNames: [...names.slice(start), ...names.slice(0, start)] })
  })
}

/** Milliseconds of each round. */
async function ask(url: string, tlsDir: string, rounds: number, bodies: readonly string[]): Promise<{ coldMs: number[]; ms: number[] }> {
  const args = [url, tlsDir, String(warmUpRounds), String(rounds)]
  const { stdout } = await execa('go', ['run', '.', ...args], { cwd: askSource, input: JSON.stringify(bodies) })
  return JSON.parse(stdout)
}

function part(times: readonly number[], of: number): number {
  const sorted = [...times].sort((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * of))] ?? 0
}
