// The extender as the controller serves it (HTTPS, client certificates) over a large made-up cluster, past express as there; a process of the bench.
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { indexOf } from '../../src/extender/cluster-index.ts'
import { schedulerAnswers } from '../../src/extender/server.ts'
import { serveHttps } from '../../src/runtime/tls.ts'
import { capacity, node, nowMs, pod, reserving } from '../../test/extender/cluster.ts'

export type ServeWish =
  | { kind: 'extender'; names: string[]; podsPerNode: number; reservationCount: number; tlsDir: string }
  | { kind: 'nothing'; tlsDir: string }

const [wish] = (await once(process, 'message')) as [ServeWish]
const startedMs = performance.now()
const listener = wish.kind === 'extender' ? extenderOver(wish) : answerNothing
const builtMs = performance.now() - startedMs
const server = await serveHttps(
  listener,
  { port: 0, host: '127.0.0.1', tlsDir: wish.tlsDir, clientCertificates: 'request' },
  new AbortController().signal,
)
process.send?.({ port: (server.address() as AddressInfo).port, builtMs })

function extenderOver({ names, podsPerNode, reservationCount }: Extract<ServeWish, { kind: 'extender' }>): RequestListener {
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
  const answers = schedulerAnswers({ index, ready: () => true, nowMs: () => nowMs, findPod: () => undefined })
  return (request, response) => void answers(request, response)
}

function answerNothing(request: IncomingMessage, response: ServerResponse): void {
  request.resume().on('end', () => response.end('[]'))
}
