// Runs one policy once: plan from the caches, make the PodMigrations, tell the policy's status and events what came of it.
import type { MigrationPolicy, MigrationPolicyStatus } from '../api/migration-policy.ts'
import { apiVersion, runtimeClassName } from '../api/names.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { isAlreadyExists } from '../kube/client.ts'
import { emitEvent } from '../kube/events.ts'
import { migrationPolicyPath, podMigrationPath } from '../kube/paths.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import { cycleSeconds, movesUndone } from '../runtime/metrics.ts'
import type { PlannedMove } from './balance/plan.ts'
import type { CandidateQuestion } from './candidates.ts'
import { type Cycle, type CycleInput, planCycle } from './cycle.ts'
import { evictPod } from './evict-pod.ts'
import { gatherFacts, wishOfPolicy } from './gather-facts.ts'
import { MoveHistory } from './history.ts'
import { migrationForMove } from './migration-for-move.ts'
import { asksForMoreThanNames, type Namespaces, nameOnly } from './namespaces.ts'

/** One after the other, a large cluster's moves take longer to write down than to plan. */
const startedAtOnce = 8

export type RefusalsOf = CandidateQuestion['refusalsOf']

/** With `dryRun` nothing is begun, whatever the policy says. */
export async function runPolicy(
  deps: ControllerDeps,
  namespaces: Namespaces,
  refusalsOf: RefusalsOf,
  name: string,
  dryRun = false,
): Promise<Cycle | undefined> {
  const found = deps.caches.policies.get(undefined, name)
  if (!found) return undefined
  const policy = dryRun ? { ...found, spec: { ...found.spec, dryRun } } : found
  const end = cycleSeconds.startTimer({ policy: name })
  const cycle = planCycle(await inputFor(deps, namespaces, refusalsOf, policy))
  const told: Promise<void>[] = []
  const say: Say = (...words) => void told.push(tell(deps, policy, ...words))
  const started = policy.spec.dryRun ? 0 : await startMoves(deps, policy, cycle.moves, say)
  end()
  await Promise.all(told)
  log.info({ policy: name, planned: cycle.moves.length, started, result: cycle.result }, 'policy ran')
  await report(deps, policy, cycle, started)
  return cycle
}

async function inputFor(
  deps: ControllerDeps,
  namespaces: Namespaces,
  refusalsOf: RefusalsOf,
  policy: MigrationPolicy,
): Promise<CycleInput> {
  const { nodes, pods, capacities, migrations, policies } = deps.caches
  const evicts = policy.spec.onUnmovable === 'Evict'
  const ours = pods.list().filter((pod) => evicts || pod.spec?.runtimeClassName === runtimeClassName)
  const names = ours.map((pod) => pod.metadata?.namespace ?? '')
  const needed = policies.list().some(({ spec }) => asksForMoreThanNames(spec.namespaceSelector))
  return {
    policy,
    policies: policies.list(),
    nodes: nodes.list(),
    pods: pods.list(),
    capacities: capacities.list(),
    migrations: migrations.list(),
    namespaceLabels: needed ? await namespaces.labelsOfAll(names) : new Map(names.map((name) => [name, nameOnly(name)])),
    refusalsOf,
    facts: await gatherFacts(deps.client, wishOfPolicy(policy.spec)),
    nowMs: deps.clock.nowMs(),
  }
}

/** Writes an event about the run: no move waits for the words about another. */
type Say = (type: 'Normal' | 'Warning', reason: string, message: string) => void

async function startMoves(deps: ControllerDeps, policy: MigrationPolicy, moves: readonly PlannedMove[], say: Say): Promise<number> {
  const taken = new Set(deps.caches.migrations.list().map((migration) => migration.metadata.name))
  const waiting = [...moves]
  let started = 0
  const work = async (): Promise<void> => {
    for (let move = waiting.shift(); move; move = waiting.shift()) {
      const isStarted = move.toNode === '' ? await evict(deps, policy, move, say) : await startMove(deps, policy, { move, taken, say })
      if (isStarted) started++
    }
  }
  await Promise.all(Array.from({ length: startedAtOnce }, work))
  return started
}

interface Start {
  move: PlannedMove
  /** Names of PodMigrations that there are. */
  taken: ReadonlySet<string>
  say: Say
}

async function startMove(deps: ControllerDeps, policy: MigrationPolicy, { move, taken, say }: Start): Promise<boolean> {
  const wish = migrationForMove(policy, move, taken)
  try {
    // The default values of the schema are filled in by the API server.
    const made = await deps.client.create(podMigrationPath(move.namespace), wish as unknown as PodMigration)
    deps.caches.migrations.upsert(made)
    say('Normal', 'MoveStarted', `PodMigration ${move.namespace}/${wish.metadata.name}: ${describe(move)}`)
    return true
  } catch (error) {
    if (isAlreadyExists(error)) return false
    log.error({ err: error, policy: policy.metadata.name, pod: `${move.namespace}/${move.podName}` }, 'planned move was not started')
    say('Warning', 'MoveNotStarted', `${describe(move)}: ${messageOf(error)}`)
    return false
  }
}

async function evict(deps: ControllerDeps, policy: MigrationPolicy, move: PlannedMove, say: Say): Promise<boolean> {
  try {
    await evictPod(deps.client, move, `${policy.metadata.name}/${move.strategy}: ${move.reason}`)
    say('Normal', 'PodEvicted', describe(move))
    return true
  } catch (error) {
    log.warn({ err: error, policy: policy.metadata.name, pod: `${move.namespace}/${move.podName}` }, 'pod was not evicted')
    say('Warning', 'PodNotEvicted', `${describe(move)}: ${messageOf(error)}`)
    return false
  }
}

function describe({ namespace, podName, fromNode, toNode, reason }: PlannedMove): string {
  if (toNode === '') return `pod ${namespace}/${podName} evicted from ${fromNode}, it cannot be moved live: ${reason}`
  return `pod ${namespace}/${podName} from ${fromNode} to ${toNode}: ${reason}`
}

async function report(deps: ControllerDeps, policy: MigrationPolicy, cycle: Cycle, started: number): Promise<void> {
  const wouldMove = cycle.moves.map(describe).join('; ')
  const status: MigrationPolicyStatus = {
    lastRunAt: new Date(deps.clock.nowMs()).toISOString(),
    lastResult: policy.spec.dryRun && wouldMove ? `dry run: ${wouldMove}` : cycle.result,
    movesPlanned: cycle.moves.length,
    movesStarted: started,
    ...(policy.spec.dryRun ? { plan: cycle.moves.map(planLine) } : {}),
    ...undoneMoves(deps, policy),
  }
  await writeStatus(deps, policy.metadata.name, status)
}

function planLine({ namespace, podName, fromNode, toNode, strategy, reason }: PlannedMove) {
  const line = { pod: `${namespace}/${podName}`, fromNode, strategy, reason }
  return toNode === '' ? { ...line, action: 'Evict' as const } : { ...line, action: 'Move' as const, toNode }
}

/** Said only when there are any: a policy with too small a gap between its thresholds shows here. */
function undoneMoves(deps: ControllerDeps, policy: MigrationPolicy): { movesUndone?: number } {
  const own = deps.caches.migrations.list().filter(({ spec }) => spec.migrationPolicyRef?.name === policy.metadata.name)
  const count = new MoveHistory(own, deps.clock.nowMs()).countUndone()
  movesUndone.set({ policy: policy.metadata.name }, count)
  return count > 0 ? { movesUndone: count } : {}
}

export async function writeStatus(deps: ControllerDeps, policyName: string, status: MigrationPolicyStatus): Promise<void> {
  try {
    deps.caches.policies.upsert(await deps.client.mergePatch<MigrationPolicy>(migrationPolicyPath(policyName, 'status'), { status }))
  } catch (error) {
    log.warn({ err: error, policy: policyName }, 'status of the policy was not written')
  }
}

export function tell(
  deps: ControllerDeps,
  policy: MigrationPolicy,
  type: 'Normal' | 'Warning',
  reason: string,
  message: string,
): Promise<void> {
  return emitEvent(deps.client, { kind: 'MigrationPolicy', apiVersion, metadata: policy.metadata }, { type, reason, message })
}
