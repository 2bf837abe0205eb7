// Runs a policy of the stock descheduler once: plan from the caches, then PodMigrations for what moves live and evictions for the rest.
import type { PodMigration } from '../api/pod-migration.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { isAlreadyExists } from '../kube/client.ts'
import { podMigrationPath } from '../kube/paths.ts'
import { CodedError, messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import { cycleSeconds } from '../runtime/metrics.ts'
import type { CandidateQuestion } from './candidates.ts'
import { evictPod } from './evict-pod.ts'
import { gatherFacts, wishOfStockPolicy } from './gather-facts.ts'
import { migrationForStockMove } from './migration-for-move.ts'
import { describeProblems } from './policy-text/problems.ts'
import type { ReadStockPolicy } from './policy-text/read-policy.ts'
import { noFacts } from './stock/cluster.ts'
import { type StockAction, stockActions } from './stock-actions.ts'

export interface StockOutcome {
  actions: readonly StockAction[]
  notes: readonly string[]
  started: number
}

export async function runStockPolicyOnce(
  deps: ControllerDeps,
  { policy, document, file }: ReadStockPolicy,
  refusalsOf: CandidateQuestion['refusalsOf'],
  dryRun: boolean,
): Promise<StockOutcome> {
  const end = cycleSeconds.startTimer({ policy: file })
  const { nodes, pods, capacities, migrations } = deps.caches
  const facts = { ...noFacts, ...(await gatherFacts(deps.client, wishOfStockPolicy(policy))) }
  const picture = { ...facts, nodes: nodes.list(), pods: pods.list(), capacities: capacities.list(), migrations: migrations.list() }
  const outcome = stockActions(policy, picture, refusalsOf, deps.clock.nowMs())
  if ('problems' in outcome) throw new CodedError('WrongPolicy', describeProblems(outcome.problems, file, document).join('\n'))
  let started = 0
  if (!dryRun) for (const action of outcome.actions) if (await carryOut(deps, action, policy.gracePeriodSeconds)) started++
  end()
  log.info({ policy: file, chosen: outcome.actions.length, started, dryRun, notes: outcome.notes }, 'stock policy ran')
  return { ...outcome, started }
}

async function carryOut(deps: ControllerDeps, { victim, action }: StockAction, gracePeriodSeconds: number | undefined): Promise<boolean> {
  const { namespace = '', name: podName = '', uid: podUid = '' } = victim.pod.metadata ?? {}
  const pod = { namespace, podName, podUid }
  const reason = `${victim.profile}/${victim.strategy}: ${victim.reason}`
  try {
    if (action === 'Leave') log.info({ pod: `${namespace}/${podName}`, reason: victim.noDestination ?? 'in a move already' }, 'pod stays')
    else if (action === 'Evict') await evictPod(deps.client, pod, reason, gracePeriodSeconds)
    else await startMove(deps, { ...pod, toNode: victim.destination ?? '' })
    return action !== 'Leave'
  } catch (error) {
    log.warn({ error: messageOf(error), pod: `${namespace}/${podName}`, action, reason }, 'what the stock policy wishes was not begun')
    return false
  }
}

async function startMove(deps: ControllerDeps, move: Parameters<typeof migrationForStockMove>[0]): Promise<void> {
  const taken = new Set(deps.caches.migrations.list().map((migration) => migration.metadata.name))
  try {
    const wish = migrationForStockMove(move, taken)
    deps.caches.migrations.upsert(await deps.client.create(podMigrationPath(move.namespace), wish as unknown as PodMigration))
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
  }
}
