// POST /admit/evictions: an eviction of one of our pods becomes a move. The decision is pure; here it is asked, done and answered.
import type { V1Pod } from '@kubernetes/client-node'
import express, { type Request, type Response, Router } from 'express'
import type { PodMigration } from '../../api/pod-migration.ts'
import type { ControllerDeps } from '../../controller-deps.ts'
import { isAlreadyExists, isNotFound } from '../../kube/client.ts'
import { podMigrationPath, podPath } from '../../kube/paths.ts'
import { podRefusals } from '../../migrator/validation.ts'
import { log } from '../../runtime/log.ts'
import { evictions } from '../../runtime/metrics.ts'
import { Namespaces } from '../namespaces.ts'
import { decideEviction, evacuationWords, type EvictionDecision } from './decide-eviction.ts'
import { allowed, denied, EvictionReview, isDryRun, requestedBy } from './eviction-review.ts'
import { migrationForEviction } from './migration-for-eviction.ts'

/** The API server waits for us with the eviction in its hands; what takes longer goes on behind the answer. */
const answerWithinMs = 800

type Move = Extract<EvictionDecision, { verdict: 'move' }>

export function evictionAdmission(deps: ControllerDeps): Router {
  const namespaces = new Namespaces(deps.client, deps.clock)
  const router = Router()
  router.post('/admit/evictions', express.json({ limit: '3mb', type: () => true }), async (request, response) => {
    await answer(deps, namespaces, request, response)
  })
  return router
}

async function answer(deps: ControllerDeps, namespaces: Namespaces, request: Request, response: Response): Promise<void> {
  const parsed = EvictionReview.safeParse(request.body)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')
    response.status(400).json({ message: `Reading the AdmissionReview: ${problems}` })
    return
  }
  const reply = await replyTo(deps, namespaces, parsed.data)
  evictions.inc({ code: String(reply.response.status?.code ?? 200) })
  response.json(reply)
}

type Reply = { response: { status?: { code: number } } }

async function replyTo(deps: ControllerDeps, namespaces: Namespaces, review: EvictionReview): Promise<Reply> {
  const { uid, namespace, name } = review.request
  const pod = await findPod(deps, namespace, name)
  if (!pod) return allowed(uid)
  const decision = decideEviction({
    pod,
    expectedUid: review.request.object?.deleteOptions?.preconditions?.uid ?? undefined,
    migrations: deps.caches.migrations.list().filter((migration) => migration.metadata.namespace === namespace),
    configs: deps.caches.webhookConfigs.list(),
    namespaceLabels: await namespaces.labelsOf(namespace),
    isCordoned: (nodeName) => isCordoned(deps, nodeName),
    refusalsOf: (candidate, freezeWindowBudgetMs) => podRefusals(candidate, { freezeWindowBudgetMs }),
    nowMs: deps.clock.nowMs(),
  })
  log.info({ pod: `${namespace}/${name}`, decision: decision.verdict, why: textOf(decision) }, 'eviction answered')
  if (decision.verdict === 'allow') return allowed(uid)
  if (decision.verdict === 'deny') return denied(uid, decision)
  // A denied dry run would be retried by drain for ever, so it is told in a warning.
  if (isDryRun(review))
    return allowed(uid, [`pod ${namespace}/${name} would be moved live by PodMigration ${decision.migrationName}, not evicted`])
  return denied(uid, await startMove(deps, pod, decision, requestedBy(review)))
}

/** The watch may be a moment behind a pod that was just made. */
async function findPod(deps: ControllerDeps, namespace: string, name: string): Promise<V1Pod | undefined> {
  const cached = deps.caches.pods.get(namespace, name)
  if (cached) return cached
  try {
    return await deps.client.get<V1Pod>(podPath(namespace, name))
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

async function startMove(
  deps: ControllerDeps,
  pod: V1Pod,
  move: Move,
  by: string,
): Promise<Extract<EvictionDecision, { verdict: 'deny' }>> {
  const namespace = pod.metadata?.namespace ?? ''
  const key = `${namespace}/${pod.metadata?.name}`
  const nodeIsCordoned = isCordoned(deps, pod.spec?.nodeName ?? '')
  const wish = migrationForEviction(move.migrationName, pod, move.config, { requestedBy: by, nodeIsCordoned })
  const made = create(deps, namespace, wish)
  const outcome = await Promise.race([made, deps.clock.sleep(answerWithinMs).then(() => 'is being created' as const)])
  if (outcome instanceof Error) {
    log.error({ err: outcome, pod: key }, 'PodMigration of an eviction was not created')
    return {
      verdict: 'deny',
      code: 429,
      message: `Moving pod ${key}: PodMigration ${namespace}/${move.migrationName} could not be created (${outcome.message}): the next try of the eviction tries it again`,
    }
  }
  return {
    verdict: 'deny',
    code: 429,
    message: `${evacuationWords} of pod ${key}: PodMigration ${namespace}/${move.migrationName} ${outcome}`,
  }
}

/** Errors are values here: the answer may be out before one comes. */
async function create(deps: ControllerDeps, namespace: string, wish: object): Promise<'was created' | 'exists already' | Error> {
  try {
    deps.caches.migrations.upsert(await deps.client.create<PodMigration>(podMigrationPath(namespace), wish as PodMigration))
    return 'was created'
  } catch (error) {
    if (isAlreadyExists(error)) return 'exists already'
    return error instanceof Error ? error : new Error(String(error))
  }
}

function isCordoned(deps: ControllerDeps, nodeName: string): boolean {
  return deps.caches.nodes.get(undefined, nodeName)?.spec?.unschedulable === true
}

function textOf(decision: EvictionDecision): string {
  if (decision.verdict === 'move') return decision.migrationName
  return decision.verdict === 'allow' ? decision.why : decision.message
}
