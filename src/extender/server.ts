// The extender's routes: filter, prioritize and preempt for kube-scheduler, explain for people. No request leaves the process.
import type { V1Pod } from '@kubernetes/client-node'
import { type Request, type Response, Router } from 'express'
import type { ExtenderFilterResult } from '../api/extender-wire.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { extenderSeconds } from '../runtime/metrics.ts'
import { requireClient } from '../runtime/tls.ts'
import { type FilterAnswer, filterNames, hasNoOpinion, neutralPriorities, prioritizeJson } from './answer.ts'
import { type Asked, askedOf, askedVictims, nameOf, neutralJson, readBody, WrongRequest } from './asked.ts'
import { explain } from './explain.ts'
import { neutralAnswers } from './metrics.ts'
import { everythingAsAsked, preemptOn } from './preempt.ts'
import { followUsage } from './usage.ts'
import { type WatchedIndex, watchIndex } from './watch.ts'

/** What the routes answer from. */
export interface ExtenderView extends WatchedIndex {
  nowMs(): number
  findPod(namespace: string, name: string): V1Pod | undefined
}

/** With a signal real usage is followed until it aborts. */
export function extenderRouter(deps: ControllerDeps, signal?: AbortSignal): Router {
  const watched = watchIndex(deps.caches)
  if (signal) void followUsage(deps, watched.index, signal)
  return extenderRoutes({
    ...watched,
    nowMs: () => deps.clock.nowMs(),
    findPod: (namespace, name) => deps.caches.pods.get(namespace, name),
  })
}

export function extenderRoutes(view: ExtenderView): Router {
  const router = Router()
  const scheduler = requireClient('podmotion-scheduler')
  router.post('/filter', scheduler, answered('filter', view, answerFilter))
  router.post('/prioritize', scheduler, answered('prioritize', view, answerPrioritize))
  router.post('/preempt', scheduler, answered('preempt', view, answerPreempt))
  router.get('/explain', requireClient('podmotion-scheduler', 'podmotion-controller', 'podmotion-agent'), (request, response) =>
    answerExplain(view, request, response),
  )
  return router
}

type Verb = 'filter' | 'prioritize' | 'preempt'

/** Written straight to the socket: an ETag of a quarter of a megabyte is of no use to a scheduler. */
function answered(verb: Verb, view: ExtenderView, answer: (view: ExtenderView, body: string) => string) {
  return async (request: Request, response: Response): Promise<void> => {
    const json = await readBody(request).then(
      (asked) => timed(verb, () => answer(view, asked)),
      (error: unknown) => error,
    )
    if (typeof json === 'string') send(response, 200, json)
    else if (json instanceof WrongRequest) send(response, json.status, JSON.stringify({ Error: json.message }))
    else throw json
  }
}

/** The time that the answer takes here, whatever the network does. */
function timed(verb: Verb, answer: () => string): string | unknown {
  const end = extenderSeconds.startTimer({ verb })
  try {
    return answer()
  } catch (error) {
    return error
  } finally {
    end()
  }
}

function send(response: Response, status: number, json: string): void {
  const bytes = Buffer.from(json)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes)
}

/** The pod when there is something to say about it; otherwise it is counted why there is not. */
function knownPod(view: ExtenderView, verb: Verb, pod: V1Pod | undefined): V1Pod | undefined {
  if (pod && view.ready()) return pod
  neutralAnswers.inc({ verb, reason: pod ? 'not-ready' : 'no-pod' })
  return undefined
}

function answerFilter(view: ExtenderView, body: string): string {
  const asked = askedOf(body)
  const pod = knownPod(view, 'filter', asked.pod)
  if (asked.namesJson !== undefined && (!pod || hasNoOpinion(view.index, pod, 'filter'))) return everybodyPassed(asked.namesJson)
  const answer = pod ? filterNames(view.index, pod, asked.names) : { passed: asked.names, failed: {}, unresolvable: {} }
  if (answer.passed === asked.names && asked.namesJson !== undefined) return everybodyPassed(asked.namesJson)
  return JSON.stringify(filterResult(asked, answer))
}

/** The same as below, without writing thousands of names again. */
function everybodyPassed(namesJson: string): string {
  return `{"Nodes":null,"NodeNames":${namesJson},"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}`
}

/** Never `{}` and never a null list where names were given: kube-scheduler would take it as "no node at all". */
function filterResult({ items }: Asked, answer: FilterAnswer): ExtenderFilterResult {
  const passed = items && new Set(answer.passed)
  return {
    Nodes: items && passed ? { items: items.filter((node) => passed.has(nameOf(node))) } : null,
    NodeNames: items ? null : answer.passed,
    FailedNodes: answer.failed,
    FailedAndUnresolvableNodes: answer.unresolvable,
    Error: '',
  }
}

function answerPrioritize(view: ExtenderView, body: string): string {
  const asked = askedOf(body)
  const pod = knownPod(view, 'prioritize', asked.pod)
  if (asked.namesJson !== undefined && (!pod || hasNoOpinion(view.index, pod, 'prioritize'))) return neutralJson(asked.namesJson)
  return pod ? prioritizeJson(view.index, pod, asked.names, view.nowMs()) : JSON.stringify(neutralPriorities(asked.names))
}

function answerPreempt(view: ExtenderView, body: string): string {
  const { pod: asked, victims } = askedVictims(body)
  const pod = knownPod(view, 'preempt', asked)
  return JSON.stringify(pod ? preemptOn(view.index, pod, victims) : everythingAsAsked(victims))
}

function answerExplain(view: ExtenderView, request: Request, response: Response): void {
  const [namespace, name, ...rest] = String(request.query.pod ?? '').split('/')
  if (!namespace || !name || rest.length > 0) {
    const given = String(request.query.pod ?? '')
    response.status(400).json({ Error: `Explaining a pod: expected ?pod=namespace/name, got "${given}"` })
    return
  }
  const pod = view.findPod(namespace, name)
  if (pod) response.json(explain(view.index, pod, view.nowMs()))
  else
    response
      .status(404)
      .json({ Error: `Explaining pod ${namespace}/${name}: no such pod is known: kubectl get pod -n ${namespace} ${name}` })
}
