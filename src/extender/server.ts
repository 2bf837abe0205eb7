// The extender's routes: filter, prioritize and preempt for kube-scheduler, explain for people. No request leaves the process.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { V1Pod } from '@kubernetes/client-node'
import { type Request, type Response, Router } from 'express'
import type { ExtenderFilterResult } from '../api/extender-wire.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import { extenderSeconds } from '../runtime/metrics.ts'
import { requireClient } from '../runtime/tls.ts'
import { type FilterAnswer, filterNames, hasNoOpinion, neutralPriorities, prioritizeJson } from './answer.ts'
import { type Asked, askedOf, askedVictims, nameOf, neutralJson, readBody, WrongRequest } from './asked.ts'
import { explain } from './explain.ts'
import { neutralAnswers } from './metrics.ts'
import { everythingAsAsked, preemptOn } from './preempt.ts'
import { isOrdinary, namesIn } from './quick.ts'
import { followUsage } from './usage.ts'
import { type WatchedIndex, watchIndex } from './watch.ts'

/** What the routes answer from. */
export interface ExtenderView extends WatchedIndex {
  nowMs(): number
  findPod(namespace: string, name: string): V1Pod | undefined
}

/** With a signal real usage is followed until it aborts. */
export function extenderView(deps: ControllerDeps, signal?: AbortSignal): ExtenderView {
  const watched = watchIndex(deps.caches)
  if (signal) void followUsage(deps, watched.index, signal)
  return {
    ...watched,
    nowMs: () => deps.clock.nowMs(),
    findPod: (namespace, name) => deps.caches.pods.get(namespace, name),
  }
}

/** For people; what kube-scheduler asks is answered by `schedulerAnswers`. */
export function explainRoute(view: ExtenderView): Router {
  const router = Router()
  router.get('/explain', requireClient('podmotion-scheduler', 'podmotion-controller', 'podmotion-agent'), (request, response) =>
    answerExplain(view, request, response),
  )
  return router
}

type Verb = 'filter' | 'prioritize' | 'preempt'
/** JSON; in pieces where it is long: neither made into one string nor copied. */
type Json = string | readonly Buffer[]
type Answer = (view: ExtenderView, body: Buffer) => Json

/** False: not a question of kube-scheduler. It asks twice for every pod that it places, so nothing stands between it and the answer. */
export function schedulerAnswers(view: ExtenderView): (request: IncomingMessage, response: ServerResponse) => boolean {
  const scheduler = requireClient('podmotion-scheduler')
  const verbs: Readonly<Record<string, [Verb, Answer]>> = {
    '/filter': ['filter', answerFilter],
    '/prioritize': ['prioritize', answerPrioritize],
    '/preempt': ['preempt', answerPreempt],
  }
  return (request, response) => {
    const found = request.method === 'POST' ? verbs[request.url ?? ''] : undefined
    if (!found) return false
    const [verb, answer] = found
    scheduler(request, response, () =>
      readBody(request, (body) =>
        body instanceof WrongRequest ? refuse(response, body) : reply(response, () => timed(verb, () => answer(view, body))),
      ),
    )
    return true
  }
}

function reply(response: ServerResponse, answer: () => Json): void {
  try {
    send(response, 200, answer())
  } catch (error) {
    if (error instanceof WrongRequest) return refuse(response, error)
    log.error({ err: error }, 'a question of kube-scheduler was not answered')
    refuse(response, { status: 500, message: messageOf(error) })
  }
}

function refuse(response: ServerResponse, { status, message }: Pick<WrongRequest, 'status' | 'message'>): void {
  send(response, status, JSON.stringify({ Error: message }))
}

/** The time that the answer takes here, whatever the network does. */
function timed(verb: Verb, answer: () => Json): Json {
  const end = extenderSeconds.startTimer({ verb })
  try {
    return answer()
  } finally {
    end()
  }
}

/** Up to here copying the pieces into one takes less than a TLS record for each. */
const shortBytes = 2 ** 16

/** A short answer is one write with its headers; an ETag of a quarter of a megabyte is of no use to a scheduler. */
function send(response: ServerResponse, status: number, json: Json): void {
  const pieces = typeof json === 'string' ? [Buffer.from(json)] : json
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': length })
  if (length <= shortBytes) return void response.end(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, length))
  for (const piece of pieces) response.write(piece)
  response.end()
}

/** The pod when there is something to say about it; otherwise it is counted why there is not. */
function knownPod(view: ExtenderView, verb: Verb, pod: V1Pod | undefined): V1Pod | undefined {
  if (pod && view.ready()) return pod
  neutralAnswers.inc({ verb, reason: pod ? 'not-ready' : 'no-pod' })
  return undefined
}

function answerFilter(view: ExtenderView, body: Buffer): Json {
  const quick = view.ready() && !view.index.moves.hasReservations ? namesIn(body) : undefined
  if (quick && isOrdinary(quick.before)) return everybodyPassed(quick.namesJson)
  const asked = askedOf(body, (namesJson) => view.index.named.read(namesJson))
  const pod = knownPod(view, 'filter', asked.pod)
  if (asked.namesJson !== undefined && (!pod || hasNoOpinion(view.index, pod, 'filter'))) return everybodyPassed(asked.namesJson)
  const answer = pod ? filterNames(view.index, pod, asked.names) : { passed: asked.names, failed: {}, unresolvable: {} }
  if (answer.passed === asked.names && asked.namesJson !== undefined) return everybodyPassed(asked.namesJson)
  return JSON.stringify(filterResult(asked, answer))
}

const beforeNames = Buffer.from('{"Nodes":null,"NodeNames":')
const afterNames = Buffer.from(',"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}')

/** The same as below, without writing thousands of names again. */
function everybodyPassed(namesJson: Buffer): Json {
  return [beforeNames, namesJson, afterNames]
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

/** What is not in the list has no points: for ordinary pods a long list of zeros would cost kube-scheduler more than all else. */
const longListBytes = 2048

function answerPrioritize(view: ExtenderView, body: Buffer): Json {
  const quick = view.ready() && body.length > longListBytes ? namesIn(body) : undefined
  if (quick && quick.namesJson.length > longListBytes && isOrdinary(quick.before)) return '[]'
  const asked = askedOf(body, (namesJson) => view.index.named.read(namesJson))
  const pod = knownPod(view, 'prioritize', asked.pod)
  if (asked.namesJson !== undefined && (!pod || hasNoOpinion(view.index, pod, 'prioritize')))
    return asked.namesJson.length > longListBytes ? '[]' : neutralJson(asked.namesJson)
  return pod ? [prioritizeJson(view.index, pod, asked.names, view.nowMs())] : JSON.stringify(neutralPriorities(asked.names))
}

function answerPreempt(view: ExtenderView, body: Buffer): Json {
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
