// Runs one policy once: plan from the caches, make the PodMigrations, tell the policy's status and events what came of it.
import type { MigrationPolicy, MigrationPolicyStatus } from '../api/migration-policy.ts'
import { apiVersion, runtimeClassName } from '../api/names.ts'
import type { PodMigration } from '../api/pod-migration.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { isAlreadyExists } from '../kube/client.ts'
import { emitEvent } from '../kube/events.ts'
import { migrationPolicyPath, podMigrationPath } from '../kube/paths.ts'
import { log } from '../runtime/log.ts'
import { cycleSeconds } from '../runtime/metrics.ts'
import type { PlannedMove } from './balance/plan.ts'
import type { CandidateQuestion } from './candidates.ts'
import { type Cycle, type CycleInput, planCycle } from './cycle.ts'
import { migrationForMove } from './migration-for-move.ts'
import { asksForMoreThanNames, type Namespaces, nameOnly } from './namespaces.ts'

export type RefusalsOf = CandidateQuestion['refusalsOf']

export async function runPolicy(deps: ControllerDeps, namespaces: Namespaces, refusalsOf: RefusalsOf, name: string): Promise<void> {
  const policy = deps.caches.policies.get(undefined, name)
  if (!policy) return
  const end = cycleSeconds.startTimer({ policy: name })
  const cycle = planCycle(await inputFor(deps, namespaces, refusalsOf, policy))
  const started = policy.spec.dryRun ? 0 : await startMoves(deps, policy, cycle.moves)
  end()
  log.info({ policy: name, planned: cycle.moves.length, started, result: cycle.result }, 'policy ran')
  await report(deps, policy, cycle, started)
}

async function inputFor(
  deps: ControllerDeps,
  namespaces: Namespaces,
  refusalsOf: RefusalsOf,
  policy: MigrationPolicy,
): Promise<CycleInput> {
  const { nodes, pods, capacities, migrations, policies } = deps.caches
  const ours = pods.list().filter((pod) => pod.spec?.runtimeClassName === runtimeClassName)
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
    nowMs: deps.clock.nowMs(),
  }
}

async function startMoves(deps: ControllerDeps, policy: MigrationPolicy, moves: readonly PlannedMove[]): Promise<number> {
  const taken = new Set(deps.caches.migrations.list().map((migration) => migration.metadata.name))
  let started = 0
  for (const move of moves) {
    const wish = migrationForMove(policy, move, taken)
    try {
      // The default values of the schema are filled in by the API server.
      const made = await deps.client.create(podMigrationPath(move.namespace), wish as unknown as PodMigration)
      deps.caches.migrations.upsert(made)
      started++
      await tell(deps, policy, 'Normal', 'MoveStarted', `PodMigration ${move.namespace}/${wish.metadata.name}: ${describe(move)}`)
    } catch (error) {
      if (isAlreadyExists(error)) continue
      log.error({ err: error, policy: policy.metadata.name, pod: `${move.namespace}/${move.podName}` }, 'planned move was not started')
      await tell(deps, policy, 'Warning', 'MoveNotStarted', `${describe(move)}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return started
}

function describe({ namespace, podName, fromNode, toNode, reason }: PlannedMove): string {
  return `pod ${namespace}/${podName} from ${fromNode} to ${toNode}: ${reason}`
}

async function report(deps: ControllerDeps, policy: MigrationPolicy, cycle: Cycle, started: number): Promise<void> {
  const wouldMove = cycle.moves.map(describe).join('; ')
  const status: MigrationPolicyStatus = {
    lastRunAt: new Date(deps.clock.nowMs()).toISOString(),
    lastResult: policy.spec.dryRun && wouldMove ? `dry run: ${wouldMove}` : cycle.result,
    movesPlanned: cycle.moves.length,
    movesStarted: started,
  }
  await writeStatus(deps, policy.metadata.name, status)
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
