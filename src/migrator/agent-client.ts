// The controller's side of the agent wire: HTTPS with both certificates, connections kept open, answers checked before use.
import type { Agent } from 'node:https'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import type { z } from 'zod'
import { Inventory, KeptCheckpoints, MoveRecord, WireError } from '../api/agent-wire.ts'
import { CodedError, messageOf } from '../runtime/errors.ts'
import { tlsAgent } from '../runtime/tls.ts'
import type { Agents } from './agents.ts'

const servername = 'podmotion-agent'

// A record is asked for ten times a second; an agent that takes longer than this counts as silent.
const recordTimeoutMs = 2000
const callTimeoutMs = 15_000
// Ending a frozen pod and sweeping its tables may take a while on a busy node.
const finishTimeoutMs = 30_000

interface Call {
  method: string
  address: string
  path: string
  body?: unknown
  timeoutMs?: number
}

interface Reply {
  status: number
  body: string
}

export function createAgentClient(tlsDir: string): Agents {
  const agent = tlsAgent(tlsDir, servername)
  const post = async (address: string, uid: string, verb: string, body: unknown, timeoutMs = callTimeoutMs) =>
    succeed(await send(agent, { method: 'POST', address, path: `/v1/migrations/${uid}/${verb}`, body, timeoutMs }), `${verb} at ${address}`)
  return {
    record: (address, uid) => askRecord(agent, address, uid),
    inventory: async (address, uid, request) => parse(Inventory, await post(address, uid, 'inventory', request), `inventory of ${address}`),
    awaitDestination: async (address, uid, request) => void (await post(address, uid, 'await', request)),
    startMove: async (address, uid, request) => void (await post(address, uid, 'move', request)),
    abort: async (address, uid, reason) => void (await post(address, uid, 'abort', { reason }).catch(unlessUnknown)),
    finish: async (address, uid, outcome) => void (await post(address, uid, 'finish', { outcome }, finishTimeoutMs).catch(unlessUnknown)),
    resolve: async (address, uid, verdict) => void (await post(address, uid, 'resolve', { verdict })),
    putNetwork: async (address, state) =>
      void succeed(await send(agent, { method: 'PUT', address, path: '/v1/network', body: state }), `network state for ${address}`),
    checkpoints: (address) => askCheckpoints(agent, address),
    removeCheckpoint: async (address, uid) =>
      void succeed(await send(agent, { method: 'DELETE', address, path: `/v1/checkpoints/${uid}` }), `checkpoint at ${address}`),
  }
}

async function askRecord(agent: Agent, address: string, uid: string) {
  try {
    const reply = await send(agent, { method: 'GET', address, path: `/v1/migrations/${uid}`, timeoutMs: recordTimeoutMs })
    if (reply.status === 404) return 'absent'
    return parse(MoveRecord, succeed(reply, `record at ${address}`), `record of ${address}`)
  } catch {
    return 'unreachable'
  }
}

async function askCheckpoints(agent: Agent, address: string) {
  try {
    const reply = await send(agent, { method: 'GET', address, path: '/v1/checkpoints' })
    // An agent of before keeps none.
    if (reply.status === 404) return []
    return parse(KeptCheckpoints, succeed(reply, `checkpoints at ${address}`), `checkpoints of ${address}`).checkpoints
  } catch {
    return 'unreachable'
  }
}

/** What an agent does not know it has not to give up or to finish. */
function unlessUnknown(error: unknown): void {
  if (!(error instanceof CodedError) || error.code !== 'UnknownMigration') throw error
}

function succeed(reply: Reply, doing: string): string {
  if (reply.status >= 200 && reply.status < 300) return reply.body
  const said = parseError(reply.body)
  const code = reply.status === 404 ? 'UnknownMigration' : (said?.code ?? `AgentAnswered${reply.status}`)
  // 4xx stays a refusal however often it is asked; busy (409, 429) and broken (5xx) pass.
  const retryable = reply.status >= 500 || reply.status === 409 || reply.status === 429 || reply.status === 408
  throw new CodedError(code, `Asking the agent for ${doing}: it answered ${reply.status} (${said?.message ?? reply.body.slice(0, 300)})`, {
    retryable,
  })
}

function parseError(body: string): WireError | undefined {
  try {
    return WireError.safeParse(JSON.parse(body)).data
  } catch {
    return undefined
  }
}

function parse<T>(schema: z.ZodType<T>, body: string, what: string): T {
  try {
    return schema.parse(JSON.parse(body))
  } catch (error) {
    const remedy = 'controller and agents of one release belong together'
    throw new CodedError('AgentWire', `Reading the ${what}: ${messageOf(error)}: ${remedy}`, { retryable: true, cause: error })
  }
}

function send(agent: Agent, { method, address, path, body, timeoutMs = callTimeoutMs }: Call): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string, cause?: unknown) =>
      reject(
        new CodedError('AgentUnreachable', `Asking the agent at ${address}: ${reason}: check the agent pod there`, {
          retryable: true,
          cause,
        }),
      )
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
    const request = https.request(
      `https://${address}${path}`,
      { method, agent, headers, signal: AbortSignal.timeout(timeoutMs) },
      (response) => {
        text(response).then(
          (answer) => resolve({ status: response.statusCode ?? 0, body: answer }),
          (error: unknown) => fail(messageOf(error), error),
        )
      },
    )
    request.on('error', (error) => fail(messageOf(error), error))
    request.end(payload)
  })
}
