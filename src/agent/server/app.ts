// The agent's two servers: controller and peers over mutual TLS, metrics and health in plain HTTP.
import { createServer } from 'node:http'
import type { Server } from 'node:https'
import express, { json } from 'express'
import { log } from '../../runtime/log.ts'
import { registry as metrics } from '../../runtime/metrics.ts'
import { serveHttps } from '../../runtime/tls.ts'
import type { Registry } from '../registry.ts'
import { type ControllerRoutes, controllerRoutes } from './controller-routes.ts'
import { acceptStreams, peerRoutes } from './peer-routes.ts'
import { answerError } from './requests.ts'

/** Some hundred thousand conntrack legs. */
const bodyLimit = '64mb'
/** Longer than any move: its warm connections must still be there in the freeze. */
const keepAliveMs = 120_000

export async function serveAgent(routes: ControllerRoutes, signal: AbortSignal): Promise<Server> {
  const { context, registry } = routes
  const app = agentApp(routes)
  const { agentPort, tlsDir } = context.config
  const server = await serveHttps(app, { port: agentPort, tlsDir, clientCertificates: 'require' }, signal)
  server.keepAliveTimeout = keepAliveMs
  server.requestTimeout = 0
  acceptStreams(server, context, registry)
  log.info({ port: agentPort }, 'serving controller and peers')
  return server
}

export function agentApp(routes: ControllerRoutes): express.Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use(json({ limit: bodyLimit }))
  app.use('/v1/peer', peerRoutes(routes.context, routes.registry))
  app.use('/v1', controllerRoutes(routes))
  app.use(answerError)
  return app
}

export async function serveMetrics(port: number, registry: Registry, ready: () => boolean, signal: AbortSignal): Promise<void> {
  const app = express()
  app.get('/metrics', async (_request, response) => void response.type(metrics.contentType).send(await metrics.metrics()))
  app.get('/healthz', (_request, response) => void response.json({ open: registry.inFlight() }))
  app.get('/readyz', (_request, response) => void response.status(ready() ? 200 : 503).json({ ready: ready() }))
  const server = createServer(app)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, resolve)
  })
  signal.addEventListener('abort', () => server.close())
}
