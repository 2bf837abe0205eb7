// POST /admit/evictions: an eviction of one of our pods becomes a move. The decision is pure; here it is asked, done and answered.
import type { V1Pod } from '@kubernetes/client-node'
import express, { type Request, type Response, Router } from 'express'
import { runtimeClassName } from '../../api/names.ts'
import type { PodMigration } from '../../api/pod-migration.ts'
import type { ControllerDeps } from '../../controller-deps.ts'
import { isAlreadyExists, isNotFound } from '../../kube/client.ts'
import { podMigrationPath, podPath } from '../../kube/paths.ts'
import { podRefusals } from '../../migrator/validation.ts'
import { log } from '../../runtime/log.ts'
import { evictions } from '../../runtime/metrics.ts'
import { asksForMoreThanNames, Namespaces, nameOnly } from '../namespaces.ts'
import { decideEviction, type EvictionDecision, evacuationWords } from './decide-eviction.ts'
import { allowed, denied, EvictionReview, isDryRun, requestedBy } from './eviction-review.ts'
import { migrationForEviction } from './migration-for-eviction.ts'

/** The API server waits for us with the eviction in its hands; what takes longer goes on behind the answer. */
const answerWithinMs = 800

type Move = Extract<EvictionDecision, { verdict: 'move' }>
type Denial = Extract<EvictionDecision, { verdict: 'deny' }>

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
  const reply = await soon(deps, parsed.data, replyTo(deps, namespaces, parsed.data))
  evictions.inc({ code: String(reply.response.status?.code ?? 200) })
  response.json(reply)
}

interface Reply {
  response: { status?: { code: number } }
}

/** An error or a slow API server must not end in "no answer": the eviction would be let through (failurePolicy Ignore). */
async function soon(deps: ControllerDeps, { request }: EvictionReview, reply: Promise<Reply>): Promise<Reply> {
  const answered = new AbortController()
  const late = deps.clock.sleep(answerWithinMs, answered.signal).then(() => new Error('it takes too long'))
  const outcome = await Promise.race([reply.catch((error: unknown) => asError(error)), late])
  answered.abort()
  if (!(outcome instanceof Error)) return outcome
  const pod = `${request.namespace}/${request.name}`
  log.error({ err: outcome, pod }, 'eviction could not be judged')
  return denied(request.uid, { verdict: 'deny', code: 429, message: `Judging the eviction of pod ${pod}: ${outcome.message}: try again` })
}

async function replyTo(deps: ControllerDeps, namespaces: Namespaces, review: EvictionReview): Promise<Reply> {
  const { uid, namespace, name } = review.request
  const pod = await findPod(deps, namespace, name)
  // Nobody else's evictions are held up by us, whatever state we are in.
  if (pod?.spec?.runtimeClassName !== runtimeClassName) return allowed(uid)
  const { migrations, webhookConfigs, nodes } = deps.caches
  if (!migrations.synced || !webhookConfigs.synced || !nodes.synced)
    throw new Error('this replica has just started and still reads the cluster')
  const decision = await decide(deps, namespaces, review, pod)
  log.info({ pod: `${namespace}/${name}`, verdict: decision.verdict, why: textOf(decision) }, 'eviction judged')
  if (decision.verdict === 'allow') return allowed(uid, decision.warning ? [decision.warning] : [])
  if (decision.verdict === 'deny') return denied(uid, decision)
  // A denied dry run would be retried by drain for ever, so it is told in a warning.
  if (isDryRun(review))
    return allowed(uid, [`pod ${namespace}/${name} would be moved live by PodMigration ${decision.migrationName}, not evicted`])
  return denied(uid, await startMove(deps, pod, decision, requestedBy(review)))
}

async function decide(deps: ControllerDeps, namespaces: Namespaces, { request }: EvictionReview, pod: V1Pod): Promise<EvictionDecision> {
  const { namespace } = request
  const configs = deps.caches.webhookConfigs.list()
  const needed = configs.some(({ spec }) => asksForMoreThanNames(spec.namespaceSelector))
  return decideEviction({
    pod,
    expectedUid: request.object?.deleteOptions?.preconditions?.uid ?? undefined,
    migrations: deps.caches.migrations.list().filter((migration) => migration.metadata.namespace === namespace),
    configs,
    namespaceLabels: needed ? await namespaces.labelsOf(namespace) : nameOnly(namespace),
    isCordoned: (nodeName) => isCordoned(deps, nodeName),
    refusalsOf: (candidate, freezeWindowBudgetMs) => podRefusals(candidate, { freezeWindowBudgetMs }),
    nowMs: deps.clock.nowMs(),
  })
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

async function startMove(deps: ControllerDeps, pod: V1Pod, move: Move, by: string): Promise<Denial> {
  const namespace = pod.metadata?.namespace ?? ''
  const key = `${namespace}/${pod.metadata?.name}`
  const nodeIsCordoned = isCordoned(deps, pod.spec?.nodeName ?? '')
  const wish = migrationForEviction(move.migrationName, pod, move.config, { requestedBy: by, nodeIsCordoned })
  const outcome = await create(deps, namespace, wish)
  if (!(outcome instanceof Error))
    return later(`${evacuationWords} of pod ${key}: PodMigration ${namespace}/${move.migrationName} ${outcome}`)
  log.error({ err: outcome, pod: key }, 'PodMigration of an eviction was not created')
  return later(
    `Moving pod ${key}: PodMigration ${namespace}/${move.migrationName} was not created (${outcome.message}): try the eviction again`,
  )
}

async function create(deps: ControllerDeps, namespace: string, wish: object): Promise<'was created' | 'exists already' | Error> {
  try {
    deps.caches.migrations.upsert(await deps.client.create<PodMigration>(podMigrationPath(namespace), wish as PodMigration))
    return 'was created'
  } catch (error) {
    return isAlreadyExists(error) ? 'exists already' : asError(error)
  }
}

function later(message: string): Denial {
  return { verdict: 'deny', code: 429, message }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

function isCordoned(deps: ControllerDeps, nodeName: string): boolean {
  return deps.caches.nodes.get(undefined, nodeName)?.spec?.unschedulable === true
}

function textOf(decision: EvictionDecision): string {
  if (decision.verdict === 'move') return decision.migrationName
  return decision.verdict === 'allow' ? decision.why : decision.message
}
