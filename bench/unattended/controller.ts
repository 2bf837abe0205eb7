// The controller of the unattended run: caches, extender's index and descheduler as in src/controller.ts, without the migrator, whose place a stand-in takes.
import { createCaches, startCaches, unsyncedCaches } from '../../src/controller-caches.ts'
import { startDescheduler } from '../../src/descheduler/controller.ts'
import { extenderView } from '../../src/extender/server.ts'
import { KubeClient } from '../../src/kube/client.ts'
import { realClock } from '../../src/runtime/clock.ts'
import { serveHealth } from '../../src/runtime/health.ts'
import { collectProcessMetrics } from '../../src/runtime/metrics.ts'
import { shutdownSignal } from '../../src/runtime/shutdown.ts'

const ending = shutdownSignal()
const client = KubeClient.fromDefault()
const caches = createCaches(client)
const deps = { client, clock: realClock, namespace: 'podmotion', identity: 'unattended', tlsDir: '', caches }
collectProcessMetrics()
await serveHealth({ port: Number(process.env.METRICS_PORT), notReady: () => unsyncedCaches(caches) }, ending)
await startCaches(caches, ending)
extenderView(deps, ending)
await startDescheduler(deps, ending)
process.exit(0)
