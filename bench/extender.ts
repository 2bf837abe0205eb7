// How long one filter + prioritize takes over HTTP with 5000 nodes in the cache, for 500 and 5000 names; prints one line that starts with `extender:`.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { filterNames, prioritizeNames } from '../src/extender/answer.ts'
import { indexOf } from '../src/extender/cluster-index.ts'
import { capacity, node, nowMs, pod, reserving } from '../test/extender/cluster.ts'

const nodeCount = 5000
const podsPerNode = 6
const reservationCount = 200
const warmUpRounds = 50
const names = Array.from({ length: nodeCount }, (_none, number) => `node-${String(number).padStart(4, '0')}.zone-${number % 3}.example`)

const startedMs = performance.now()
const index = indexOf({
  nodes: names.map((name) => node(name)),
  pods: names.flatMap((name, number) =>
    Array.from({ length: podsPerNode }, (_none, pods) =>
      pod(`shop/p-${number}-${pods}`, { on: name, cpu: `${(number % 7) * 50}m`, memory: '256Mi' }),
    ),
  ),
  capacities: names.map((name) => capacity(name)),
  migrations: names.slice(0, reservationCount).map((name, number) => reserving(`shop/m-${number}`, `s-${number}`, name, 1000, 2 ** 30)),
})
const builtMs = performance.now() - startedMs

// The work of the routes without TLS and the framework, which belong to the process, not to the answer.
const server = http.createServer(async (request, response) => {
  const { Pod, NodeNames } = JSON.parse(await text(request))
  const body =
    request.url === '/filter' ? { NodeNames: filterNames(index, Pod, NodeNames).passed } : prioritizeNames(index, Pod, NodeNames, nowMs)
  response.end(JSON.stringify(body))
})
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo
const agent = new http.Agent({ keepAlive: true })

async function post(path: string, body: string): Promise<void> {
  const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
    http.request({ port, path, method: 'POST', agent }, resolve).on('error', reject).end(body),
  )
  await text(response)
}

interface Times {
  p50: string
  p99: string
}

async function measure(asked: object, count: number, rounds: number): Promise<Times> {
  const body = JSON.stringify({ Pod: asked, Nodes: null, NodeNames: names.slice(0, count) })
  const times: number[] = []
  for (let round = 0; round < rounds + warmUpRounds; round++) {
    const fromMs = performance.now()
    await post('/filter', body)
    await post('/prioritize', body)
    if (round >= warmUpRounds) times.push(performance.now() - fromMs)
  }
  times.sort((one, other) => one - other)
  const percentile = (part: number) => (times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0).toFixed(2)
  return { p50: percentile(0.5), p99: percentile(0.99) }
}

const movable = pod('shop/cart', { cpu: '500m', memory: '1Gi' })
const ordinary = pod('shop/web', { cpu: '500m', runtimeClassName: undefined })
const few = await measure(movable, 500, 400)
const many = await measure(movable, 5000, 150)
const fewOrdinary = await measure(ordinary, 500, 400)
const manyOrdinary = await measure(ordinary, 5000, 150)
server.close()
agent.destroy()
console.log(
  `extender: p99 ${few.p99} ms p50 ${few.p50} ms for 500 names · p99 ${many.p99} ms p50 ${many.p50} ms for 5000 names` +
    ` · ordinary pods p99 ${fewOrdinary.p99} ms and ${manyOrdinary.p99} ms · filter + prioritize over HTTP, ${nodeCount} nodes,` +
    ` ${nodeCount * podsPerNode} pods indexed in ${builtMs.toFixed(0)} ms`,
)
