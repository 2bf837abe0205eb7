// The plain HTTP port: metrics for Prometheus, liveness and readiness for kubelet.
import http from 'node:http'
import { registry } from './metrics.ts'

export interface Health {
  port: number
  /** Empty: ready. Otherwise what is still missing, for the one who asks why. */
  notReady: () => string[]
}

export async function serveHealth(health: Health, signal: AbortSignal): Promise<http.Server> {
  const server = http.createServer((request, response) => void answer(health, request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(health.port, resolve)
  })
  signal.addEventListener('abort', () => {
    server.close()
    server.closeAllConnections()
  })
  return server
}

async function answer(health: Health, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const path = request.url?.split('?')[0]
  if (path === '/healthz') return void response.end('ok\n')
  if (path === '/readyz') return answerReady(health.notReady(), response)
  if (path === '/metrics') return void response.setHeader('content-type', registry.contentType).end(await registry.metrics())
  response.writeHead(404).end('there are /metrics, /healthz and /readyz\n')
}

function answerReady(missing: string[], response: http.ServerResponse): void {
  if (missing.length === 0) response.end('ok\n')
  else response.writeHead(503).end(`waiting for: ${missing.join(', ')}\n`)
}
