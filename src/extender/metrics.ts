// Metrics of the extender alone; latency and reservations are with the others.
import { Counter } from 'prom-client'
import { registry } from '../runtime/metrics.ts'

export const neutralAnswers = new Counter({
  name: 'podmotion_extender_neutral_answers_total',
  help: 'Requests answered without an opinion, by reason (caches not ready, no pod in the request)',
  labelNames: ['verb', 'reason'],
  registers: [registry],
})
