// Every metric of the product, on a registry of its own; all names start with podmotion_.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export const registry = new Registry()

/** Node.js' own numbers (memory, event loop lag); called once by each program's main. */
export function collectProcessMetrics(): void {
  collectDefaultMetrics({ register: registry, prefix: 'podmotion_' })
}

const freezeBuckets = [0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10]
const requestBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 2]
const workBuckets = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 600]

function counter<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
  return new Counter({ name: `podmotion_${name}`, help, labelNames, registers: [registry] })
}

function gauge<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> {
  return new Gauge({ name: `podmotion_${name}`, help, labelNames, registers: [registry] })
}

function histogram<L extends string>(name: string, help: string, buckets: number[], labelNames: readonly L[] = []): Histogram<L> {
  return new Histogram({ name: `podmotion_${name}`, help, labelNames, buckets, registers: [registry] })
}

// The migrator.
export const migrations = counter('migrations_total', 'Migrations that ended, by terminal phase and failure code', ['result', 'reason'])
export const migrationsOpen = gauge('migrations_open', 'Migrations that have not ended, by phase', ['phase'])
export const phaseSeconds = histogram('phase_duration_seconds', 'Time a migration stayed in a phase', workBuckets, ['phase'])
export const freezeSeconds = histogram('freeze_seconds', 'First process frozen to last process running', freezeBuckets)
export const holdSeconds = histogram('hold_seconds', 'First packet queued to last released', freezeBuckets)
export const movedBytes = counter('moved_bytes_total', 'Bytes sent from source to destination')
export const sequenceDelta = gauge(
  'sequence_delta',
  'Sum of TCP sequence differences of the last verified move; anything but 0 is a defect',
)
export const flows = counter('flows_total', 'Connections of moved pods, by outcome (kept, relayed, lost)', ['outcome'])

// Choosing.
export const reservations = gauge('reservations', 'Reservations on destinations now', ['node'])
export const extenderSeconds = histogram('extender_request_seconds', 'Time to answer kube-scheduler', requestBuckets, ['verb'])
export const cycleSeconds = histogram('cycle_duration_seconds', 'Time of a descheduling cycle', workBuckets, ['policy'])
export const movesUndone = gauge('moves_undone', 'Moves of the last day that brought a pod back within an hour', ['policy'])
export const evictions = counter('evictions_total', 'Evictions answered by the webhook, by HTTP code (200: allowed)', ['code'])

// Nodes.
export const journalInDoubt = gauge('agent_journal_in_doubt', 'Moves whose grant is out and whose end is not known here')
export const heldPods = gauge('agent_held_pods', 'Pods that live on this node and whose traffic could not be let in yet')
export const nodeEligible = gauge('node_eligible', '1 when the node can take part', ['node'])
export const nodeIneligible = gauge('node_ineligible_reason', '1 for each reason why the node cannot take part', ['node', 'reason'])

export const relayedFlows = gauge('relayed_flows', 'Flows of pods on this node that go through another node until they end', ['node'])

export const checkpointBytes = gauge('checkpoint_bytes', 'Images of Cold moves that are kept on this node')

// The door to the API server.
export const leading = gauge('leading', '1 while this replica leads')
export const watchRestarts = counter('watch_restarts_total', 'Watches that ended and were started again, by cause', ['path', 'cause'])
export const watchHeardAt = gauge('watch_heard_timestamp_seconds', 'When the API server last said something on this watch', ['path'])
export const apiRequests = counter('api_requests_total', 'Requests to the API server, by method and HTTP code', ['method', 'code'])
export const queueFailures = counter('queue_failures_total', 'Reconciliations that threw', ['queue'])
