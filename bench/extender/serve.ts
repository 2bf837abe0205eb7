// The extender as the controller serves it (HTTPS, client certificates) over a large made-up cluster, past express as there; a process of the bench.
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { indexOf } from '../../src/extender/cluster-index.ts'
import { schedulerAnswers } from '../../src/extender/server.ts'
import { serveHttps } from '../../src/runtime/tls.ts'
import { capacity, node, nowMs, pod, reserving } from '../../test/extender/cluster.ts'

export interface ServeWish {
  names: string[]
  podsPerNode: number
  reservationCount: number
  tlsDir: string
}

const [{ names, podsPerNode, reservationCount, tlsDir }] = (await once(process, 'message')) as [ServeWish]

const startedMs = performance.now()
const index = indexOf({
  nodes: names.map((name) => node(name, { images: ['app:1', 'registry/other:2'] })),
  pods: names.flatMap((name, number) =>
    Array.from({ length: podsPerNode }, (_none, pods) =>
      pod(`shop/p-${number}-${pods}`, {
        on: name,
        cpu: `${(number % 7) * 50}m`,
        memory: '256Mi',
        owner: `rs-${(number * podsPerNode + pods) % 1500}`,
      }),
    ),
  ),
  capacities: names.map((name, number) => capacity(name, { kernel: number % 2 ? '6.12.1' : '6.1.4' })),
  migrations: names.slice(0, reservationCount).map((name, number) => reserving(`shop/m-${number}`, `s-${number}`, name, 1000, 2 ** 30)),
})
const builtMs = performance.now() - startedMs

const answers = schedulerAnswers({ index, ready: () => true, nowMs: () => nowMs, findPod: () => undefined })
const server = await serveHttps(
  (request, response) => void answers(request, response),
  { port: 0, host: '127.0.0.1', tlsDir, clientCertificates: 'request' },
  new AbortController().signal,
)
process.send?.({ port: (server.address() as AddressInfo).port, builtMs })
