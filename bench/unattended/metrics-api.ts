// A metrics.k8s.io as metrics-server gives it, with the usage that the load says; the API server reaches it through the lab's control host.
import { once } from 'node:events'
import { createServer } from 'node:https'
import { join } from 'node:path'
import type { V1Pod } from '@kubernetes/client-node'
import { loadTls } from '../../src/runtime/tls.ts'
import { control } from '../../test/lab/hosts.ts'
import type { Lab } from '../../test/lab/lab.ts'
import { memoryBytes } from './load.ts'

/** Its own for each run: the relay of one that was killed may still be there. */
const port = 10_000 + (process.pid % 20_000)
const apiVersion = 'metrics.k8s.io/v1beta1'
const root = `/apis/${apiVersion}`

// Sockets with a path do not belong to any network: they join the lab's and this process's.
const relaySource = `
  const net = require('node:net')
  const [path, host, port] = process.argv.slice(1)
  net.createServer((near) => {
    const far = net.connect(path)
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  }).listen(Number(port), host)
`

export interface UsageView {
  pods(): readonly V1Pod[]
  cpuMillisOf(pod: V1Pod): number
  nodeNames(): readonly string[]
}

/** Until the signal aborts. */
export async function serveMetricsApi(lab: Lab, tlsDir: string, view: UsageView, signal: AbortSignal): Promise<void> {
  const socket = join(lab.layout.state, `metrics-${process.pid}.sock`)
  const server = createServer(loadTls(tlsDir), (request, response) => {
    const answer = answerOf(request.url?.split('?')[0] ?? '', view)
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}))
  }).listen(socket)
  await once(server, 'listening')
  const relay = lab.control.runHere(process.execPath, ['-e', relaySource, socket, control.address, String(port)], {
    reject: false,
    stdio: 'ignore',
  })
  signal.addEventListener('abort', () => {
    server.close()
    server.closeAllConnections()
    relay.kill('SIGKILL')
  })
  await lab.kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: registration() }) })
}

export async function removeMetricsApi(lab: Lab): Promise<void> {
  await lab.kubectl(['delete', 'apiservice/v1beta1.metrics.k8s.io', 'service/fake-metrics', '-n', 'kube-system'], { reject: false })
}

function registration(): object[] {
  const metadata = { name: 'fake-metrics', namespace: 'kube-system' }
  const ports = [{ name: 'https', port: 443, protocol: 'TCP' }]
  return [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports: [{ ...ports[0], targetPort: port }] } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': metadata.name } },
      addressType: 'IPv4',
      ports: [{ ...ports[0], port }],
      endpoints: [{ addresses: [control.address], conditions: { ready: true } }],
    },
    {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name: 'v1beta1.metrics.k8s.io' },
      spec: {
        group: 'metrics.k8s.io',
        version: 'v1beta1',
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: metadata,
      },
    },
  ]
}

function answerOf(path: string, view: UsageView): object | undefined {
  if (path === root) return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersion, resources: [] }
  if (path === `${root}/nodes`) return listOf('NodeMetricsList', nodeMetrics(view))
  if (path === `${root}/pods`)
    return listOf(
      'PodMetricsList',
      view.pods().map((pod) => podMetrics(pod, view)),
    )
  return undefined
}

function listOf(kind: string, items: object[]): object {
  return { kind, apiVersion, metadata: {}, items }
}

function nodeMetrics(view: UsageView): object[] {
  const used = new Map(view.nodeNames().map((name) => [name, { cpu: 0, pods: 0 }]))
  for (const pod of view.pods()) {
    const node = used.get(pod.spec?.nodeName ?? '')
    if (!node) continue
    node.cpu += view.cpuMillisOf(pod)
    node.pods++
  }
  return [...used].map(([name, { cpu, pods }]) => ({ metadata: { name }, ...measured(), usage: usage(cpu, pods * memoryBytes) }))
}

function podMetrics(pod: V1Pod, view: UsageView): object {
  const { name, namespace } = pod.metadata ?? {}
  return { metadata: { name, namespace }, ...measured(), containers: [{ name: 'app', usage: usage(view.cpuMillisOf(pod), memoryBytes) }] }
}

function measured() {
  return { timestamp: new Date().toISOString(), window: '15s' }
}

function usage(cpuMillis: number, bytes: number) {
  return { cpu: `${Math.round(cpuMillis * 1e6)}n`, memory: `${Math.round(bytes / 1024)}Ki` }
}
