// The routes that another agent calls (peer/wire.ts), and the raw streams behind an HTTP upgrade.
import type { IncomingMessage } from 'node:http'
import type { Server } from 'node:https'
import type { Duplex } from 'node:stream'
import { type Request, Router } from 'express'
import { AbortRequest } from '../../api/agent-wire.ts'
import { messageOf } from '../../runtime/errors.ts'
import { log } from '../../runtime/log.ts'
import { clientName, requireClient } from '../../runtime/tls.ts'
import type { AgentConfig } from '../config.ts'
import type { AgentContext } from '../context.ts'
import { serveStore } from '../memory/store.ts'
import type { Receiver } from '../move/receive.ts'
import { Arm, ArmRestore, Divert, Grant, Rearm, Restore, StandingRequest } from '../peer/wire.ts'
import type { Registry } from '../registry.ts'
import { fileStream } from '../storage/transport.ts'
import { readFirstLine } from '../transfer/first-line.ts'
import { receiveImages } from '../transfer/image-receiver.ts'
import { Uid } from '../transfer/names.ts'
import { body, uidOf } from './requests.ts'

/** Pipelines both ways and their watchers. */
const streamListeners = 40

const peerName = 'podmotion-agent'

/** Only for a migration that the controller told this agent to await; `divert` is asked of a node that awaits nothing. */
export function peerRoutes(context: AgentContext, registry: Registry): Router {
  const router = Router()
  router.use(requireClient(peerName))
  const post = (what: string, answer: (uid: string, request: Request) => Promise<unknown>): void => {
    router.post(`/:uid/${what}`, async (request, response) => void response.json((await answer(uidOf(request), request)) ?? {}))
  }
  post('standing', async (uid, request) => await registry.receiver(uid).standing(body(StandingRequest, request).podUid))
  post('stores', async (uid) => await registry.receiver(uid).stores())
  post('arm-restore', async (uid, request) => await registry.receiver(uid).armRestore(body(ArmRestore, request)))
  post('arm', async (uid, request) => await registry.receiver(uid).arm(body(Arm, request)))
  post('rearm', async (uid, request) => await registry.receiver(uid).rearm(body(Rearm, request)))
  post('prepare-hold', async (uid) => await registry.receiver(uid).prepareHold())
  post('await-new', async (uid) => await registry.receiver(uid).awaitNew())
  post('hold', async (uid) => await registry.receiver(uid).hold())
  post('restore', async (uid, request) => await registry.receiver(uid).restore(body(Restore, request).options))
  post('grant', async (uid, request) => await registry.receiver(uid).grant(body(Grant, request).deadlineMs))
  post('outcome', async (uid) => registry.receiverOrTombstone(uid).outcome())
  post('abort', async (uid, request) => await registry.receiver(uid).sourceAborts(body(AbortRequest, request).reason))
  post('goes-on', async (uid) => ({ goesOn: await registry.goesOn(uid) }))
  post('divert', async (uid, request) => await divertHome(context, uid, body(Divert, request)))
  return router
}

async function divertHome({ network }: AgentContext, uid: string, wish: Divert): Promise<void> {
  const { ips, destinationNodeIps, reserve, ahead, undo, settle } = wish
  const diversion = { uid, ips, destinationNodeIps, role: 'home' as const }
  if (settle) await network.settle(uid)
  else if (undo) await network.undo({ uid, role: 'home' })
  else if (reserve) await network.reserve({ uid, ips, legs: reserve })
  else if (ahead) await network.prepareDivert(diversion)
  else await network.divert(diversion)
}

export function acceptStreams(server: Server, context: AgentContext, registry: Registry): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.setMaxListeners(streamListeners)
    socket.on('error', (error) => log.debug({ reason: messageOf(error) }, 'a peer stream broke'))
    try {
      const { receiver, serve } = streamFor(request, context, registry)
      receiver.keepStream(socket)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: podmotion\r\n\r\n')
      if (head.length > 0) socket.unshift(head)
      ;(socket as Duplex & { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true)
      serve(socket).catch((error: unknown) => {
        log.warn({ path: request.url, reason: messageOf(error) }, 'a peer stream failed')
        // Or the other end waits for an answer for ever.
        socket.destroy()
      })
    } catch (error) {
      refuseStream(socket, request, error)
    }
  })
}

interface PeerStream {
  receiver: Receiver
  serve: (socket: Duplex) => Promise<unknown>
}

function streamFor(request: IncomingMessage, { config }: AgentContext, registry: Registry): PeerStream {
  const [, uid, what, container] = /^\/v1\/peer\/([^/]+)\/(images|files|pages|lend)(?:\/([^/]+))?$/.exec(request.url ?? '') ?? []
  if (clientName(request) !== peerName) throw new Error('only agents may open streams')
  const receiver = registry.receiver(Uid.parse(uid))
  if (what === 'images') return { receiver, serve: async (socket) => await receiveImages(socket, receiver.inbox.target()) }
  const word = what === 'pages' ? 'stream' : 'lend'
  if (what !== 'files')
    return { receiver, serve: async (socket) => await serveStore(socket, receiver.inbox.meetingOf(container ?? ''), word) }
  return { receiver, serve: async (socket) => await receiveFiles(socket, receiver, config) }
}

async function receiveFiles(socket: Duplex, receiver: Receiver, config: AgentConfig): Promise<void> {
  const { root, serve } = fileStream(await readFirstLine(socket))
  await receiver.inbox.checkRoot(root)
  await serve(config, socket)
}

function refuseStream(socket: Duplex, request: IncomingMessage, error: unknown): void {
  log.warn({ path: request.url, reason: messageOf(error) }, 'a peer stream was refused')
  const text = JSON.stringify({ code: 'StreamRefused', message: `Opening ${request.url}: ${messageOf(error)}` })
  socket.end(
    `HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  )
}
