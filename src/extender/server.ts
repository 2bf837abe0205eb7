// The extender's routes: filter and prioritize for kube-scheduler, explain for people. No request leaves the process.
import type { V1Pod } from '@kubernetes/client-node'
import express, { type Request, type Response, Router } from 'express'
import { ExtenderArguments, type ExtenderFilterResult } from '../api/extender-wire.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { extenderSeconds } from '../runtime/metrics.ts'
import { requireClient } from '../runtime/tls.ts'
import { type FilterAnswer, filterNames, neutralPriorities, prioritizeNames } from './answer.ts'
import { explain } from './explain.ts'
import { neutralAnswers } from './metrics.ts'
import { type WatchedIndex, watchIndex } from './watch.ts'

/** A scheduler that is not set to nodeCacheCapable sends whole Node objects: 5000 of them are some 60 MB. */
const bodyLimit = '128mb'

export function extenderRouter(deps: ControllerDeps): Router {
  const watched = watchIndex(deps.caches)
  const router = Router()
  const scheduler = requireClient('podmotion-scheduler')
  const anyOfUs = requireClient('podmotion-scheduler', 'podmotion-controller', 'podmotion-agent')
  const body = express.json({ limit: bodyLimit, type: () => true })
  router.post(
    '/filter',
    scheduler,
    body,
    timed('filter', (request, response) => answerFilter(watched, request, response)),
  )
  router.post(
    '/prioritize',
    scheduler,
    body,
    timed('prioritize', (request, response) => answerPrioritize(watched, deps, request, response)),
  )
  router.get('/explain', anyOfUs, (request, response) => answerExplain(watched, deps, request, response))
  return router
}

function timed(verb: string, answer: (request: Request, response: Response) => void) {
  return (request: Request, response: Response): void => {
    const end = extenderSeconds.startTimer({ verb })
    answer(request, response)
    end()
  }
}

interface Asked {
  pod: V1Pod | undefined
  names: string[]
  /** Present when the scheduler sent objects: the same objects must come back. */
  items: readonly object[] | undefined
}

function answerFilter(watched: WatchedIndex, request: Request, response: Response): void {
  const asked = parse(request, response)
  if (!asked) return
  const ready = asked.pod !== undefined && watched.ready()
  if (!ready) neutralAnswers.inc({ verb: 'filter', reason: asked.pod ? 'not-ready' : 'no-pod' })
  const answer =
    ready && asked.pod ? filterNames(watched.index, asked.pod, asked.names) : { passed: asked.names, failed: {}, unresolvable: {} }
  response.json(filterResult(asked, answer))
}

/** Never `{}` and never a null list where names were given: kube-scheduler would take it as "no node at all". */
function filterResult(asked: Asked, answer: FilterAnswer): ExtenderFilterResult {
  const passed = new Set(answer.passed)
  return {
    Nodes: asked.items ? { items: asked.items.filter((node) => passed.has(nameOf(node))) } : null,
    NodeNames: asked.items ? null : answer.passed,
    FailedNodes: answer.failed,
    FailedAndUnresolvableNodes: answer.unresolvable,
    Error: '',
  }
}

function answerPrioritize(watched: WatchedIndex, deps: ControllerDeps, request: Request, response: Response): void {
  const asked = parse(request, response)
  if (!asked) return
  const ready = asked.pod !== undefined && watched.ready()
  if (!ready) neutralAnswers.inc({ verb: 'prioritize', reason: asked.pod ? 'not-ready' : 'no-pod' })
  response.json(
    ready && asked.pod ? prioritizeNames(watched.index, asked.pod, asked.names, deps.clock.nowMs()) : neutralPriorities(asked.names),
  )
}

function answerExplain(watched: WatchedIndex, deps: ControllerDeps, request: Request, response: Response): void {
  const [namespace, name, ...rest] = String(request.query.pod ?? '').split('/')
  if (!namespace || !name || rest.length > 0) {
    const given = String(request.query.pod ?? '')
    response.status(400).json({ Error: `Explaining a pod: expected ?pod=namespace/name, got "${given}"` })
    return
  }
  const pod = deps.caches.pods.get(namespace, name)
  if (pod) response.json(explain(watched.index, pod, deps.clock.nowMs()))
  else
    response
      .status(404)
      .json({ Error: `Explaining pod ${namespace}/${name}: no such pod is known: kubectl get pod -n ${namespace} ${name}` })
}

function parse(request: Request, response: Response): Asked | undefined {
  const parsed = ExtenderArguments.safeParse(request.body)
  if (!parsed.success) {
    response.status(400).json({
      Error: `Reading ExtenderArgs: ${parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}`,
    })
    return undefined
  }
  const { Pod, Nodes, NodeNames } = parsed.data
  const items = NodeNames ? undefined : (Nodes?.items ?? undefined)
  return { pod: (Pod ?? undefined) as V1Pod | undefined, names: NodeNames ?? (items ?? []).map(nameOf), items }
}

function nameOf(node: object): string {
  return (node as { metadata?: { name?: string } }).metadata?.name ?? ''
}
