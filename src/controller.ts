// The controller's main: both replicas answer webhooks and kube-scheduler from memory, one of them leads and moves pods.
import type { RequestListener } from 'node:http'
import { hostname } from 'node:os'
import express, { type ErrorRequestHandler } from 'express'
import { createCaches, startCaches, unsyncedCaches } from './controller-caches.ts'
import type { ControllerDeps } from './controller-deps.ts'
import { startDescheduler } from './descheduler/controller.ts'
import { evictionAdmission } from './descheduler/drain/admission.ts'
import { descheduleOnce } from './descheduler/once.ts'
import { type DeschedulerOptions, deschedulerOptions } from './descheduler/options.ts'
import { explainRoute, extenderView, schedulerAnswers } from './extender/server.ts'
import { KubeClient } from './kube/client.ts'
import { runAsLeader } from './kube/lease.ts'
import { migrationAdmission } from './migrator/admission.ts'
import { startMigrator } from './migrator/controller.ts'
import { countNodes } from './node-metrics.ts'
import { realClock } from './runtime/clock.ts'
import { messageOf } from './runtime/errors.ts'
import { serveHealth } from './runtime/health.ts'
import { log } from './runtime/log.ts'
import { collectProcessMetrics } from './runtime/metrics.ts'
import { shutdownSignal } from './runtime/shutdown.ts'
import { serveHttps } from './runtime/tls.ts'

// After SIGTERM the API server still sends to us until every kube-proxy has heard that we are going.
const lastAnswersMs = 5000

async function main(): Promise<void> {
  const ending = shutdownSignal()
  const serving = new AbortController()
  collectProcessMetrics()
  const deps = dependencies()
  const options = deschedulerOptions(process.argv.slice(2))
  if (options.once) return await descheduleOnce(deps, options, ending, (text) => void process.stdout.write(text))
  countNodes(deps.caches)
  await serve(deps, ending, serving.signal)
  await startCaches(deps.caches, ending, serving.signal)
  if (!ending.aborted) log.info('caches are synced')
  const lease = { namespace: deps.namespace, name: 'podmotion-controller', identity: deps.identity }
  await runAsLeader(deps.client, lease, ending, (signal) => lead(deps, options, signal))
  await realClock.sleep(lastAnswersMs)
  serving.abort()
}

function dependencies(): ControllerDeps {
  const client = KubeClient.fromDefault()
  return {
    client,
    clock: realClock,
    namespace: process.env.POD_NAMESPACE ?? 'podmotion',
    identity: process.env.POD_NAME ?? hostname(),
    tlsDir: process.env.TLS_DIR ?? '/etc/podmotion/tls',
    checkpointRetentionSeconds: secondsFrom('CHECKPOINT_RETENTION_SECONDS'),
    caches: createCaches(client),
  }
}

async function serve(deps: ControllerDeps, ending: AbortSignal, signal: AbortSignal): Promise<void> {
  const notReady = () => [...(ending.aborted ? ['nothing, it ends'] : []), ...unsyncedCaches(deps.caches)]
  await serveHealth({ port: portFrom('METRICS_PORT', 8080), notReady }, signal)
  const port = portFrom('HTTPS_PORT', 8443)
  // The API server has no certificate of ours, kube-scheduler and the agents do: each route asks for what it needs.
  await serveHttps(answers(deps, ending), { port, tlsDir: deps.tlsDir, clientCertificates: 'request' }, signal)
  log.info({ port }, 'answers webhooks and scheduler')
}

function answers(deps: ControllerDeps, ending: AbortSignal): RequestListener {
  const view = extenderView(deps, ending)
  const answerScheduler = schedulerAnswers(view)
  const app = express()
  app.disable('x-powered-by')
  app.use(migrationAdmission(deps))
  app.use(evictionAdmission(deps))
  app.use(explainRoute(view))
  app.use(answerError)
  // kube-scheduler waits for us with every pod: its questions go past everything else.
  return (request, response) => void (answerScheduler(request, response) || app(request, response))
}

/** Four parameters make it an error handler for express. */
const answerError: ErrorRequestHandler = (error, request, response, _next) => {
  log.error({ err: error, path: request.path }, 'a request failed')
  const status = (error as { status?: unknown }).status
  response.status(typeof status === 'number' ? status : 500).json({ code: 'RequestFailed', message: messageOf(error) })
}

async function lead(deps: ControllerDeps, options: DeschedulerOptions, signal: AbortSignal): Promise<void> {
  await Promise.all([startMigrator(deps, signal), startDescheduler(deps, signal, options)])
}

function portFrom(name: string, otherwise: number): number {
  const text = process.env[name]
  if (text === undefined || text === '') return otherwise
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65536) return port
  throw new Error(`Reading the environment: ${name} is "${text}": expected a port from 1 to 65535`)
}

function secondsFrom(name: string): number {
  const text = process.env[name] ?? ''
  if (/^\d*$/.test(text)) return Number(text)
  throw new Error(`Reading the environment: ${name} is "${text}": expected whole seconds, 0 for never`)
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    log.fatal({ err: error }, 'the controller ends because of an error')
    process.exit(1)
  },
)
