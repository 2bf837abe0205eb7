// Serves a picture of a cluster as an API server would, read-only: lists, watches that stay silent, discovery, metrics.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Snapshot } from '../../src/cli/snapshot.ts'

interface Kind {
  apiVersion: string
  kind: string
  items(picture: Snapshot): readonly object[]
}

const kinds: Record<string, Kind> = {
  '/api/v1/nodes': { apiVersion: 'v1', kind: 'Node', items: ({ nodes }) => nodes },
  '/api/v1/pods': { apiVersion: 'v1', kind: 'Pod', items: ({ pods }) => pods },
  '/api/v1/namespaces': { apiVersion: 'v1', kind: 'Namespace', items: ({ namespaces }) => namespaces },
  '/api/v1/persistentvolumeclaims': {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    items: ({ persistentVolumeClaims }) => persistentVolumeClaims,
  },
  '/apis/policy/v1/poddisruptionbudgets': { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', items: ({ pdbs }) => pdbs },
  '/apis/scheduling.k8s.io/v1/priorityclasses': {
    apiVersion: 'scheduling.k8s.io/v1',
    kind: 'PriorityClass',
    items: ({ priorityClasses }) => priorityClasses,
  },
}

const discovery: Record<string, object> = {
  '/version': { major: '1', minor: '36', gitVersion: 'v1.36.0' },
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': {
    kind: 'APIGroupList',
    apiVersion: 'v1',
    groups: [
      {
        name: 'policy',
        versions: [{ groupVersion: 'policy/v1', version: 'v1' }],
        preferredVersion: { groupVersion: 'policy/v1', version: 'v1' },
      },
    ],
  },
  '/api/v1': {
    kind: 'APIResourceList',
    groupVersion: 'v1',
    resources: [{ name: 'pods/eviction', namespaced: true, kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] }],
  },
}

export interface PictureApi {
  url: string
  show(picture: Snapshot): void
  close(): Promise<void>
}

export async function servePicture(): Promise<PictureApi> {
  let picture: Snapshot | undefined
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://picture')
    const send = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (url.searchParams.has('watch')) {
      // Streaming lists are refused, so the client lists and then watches; nothing ever changes.
      if (url.searchParams.get('sendInitialEvents') === 'true') return send(422, refusal('sendInitialEvents is not served', 422))
      return void response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
    }
    const body = picture && answer(url.pathname, picture)
    return body ? send(200, body) : send(404, refusal(`${url.pathname} is not served`, 404))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    show: (next) => {
      picture = next
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function answer(path: string, picture: Snapshot): object | undefined {
  const known = discovery[path] ?? metricsOf(path, picture)
  if (known) return known
  const priorityClass = /^\/apis\/scheduling.k8s.io\/v1\/priorityclasses\/(.+)$/.exec(path)?.[1]
  if (priorityClass) return picture.priorityClasses.find(({ metadata }) => metadata?.name === priorityClass)
  const kind = kinds[path]
  if (!kind) return undefined
  const items = kind.items(picture).map((item) => ({ ...item, apiVersion: kind.apiVersion, kind: kind.kind }))
  return { apiVersion: kind.apiVersion, kind: `${kind.kind}List`, metadata: { resourceVersion: '1' }, items }
}

const metricsRoot = '/apis/metrics.k8s.io/v1beta1'

function metricsOf(path: string, picture: Snapshot): object | undefined {
  const node = new RegExp(`^${metricsRoot}/nodes/([^/]+)$`).exec(path)?.[1]
  if (node) return picture.nodeMetrics.find(({ metadata }) => metadata?.name === node)
  const [, namespace, pod] = new RegExp(`^${metricsRoot}/namespaces/([^/]+)/pods/([^/]+)$`).exec(path) ?? []
  if (!pod) return undefined
  return picture.podMetrics.find(({ metadata }) => metadata?.name === pod && metadata.namespace === namespace)
}

function refusal(message: string, code: number): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason: code === 404 ? 'NotFound' : 'Invalid', code }
}
