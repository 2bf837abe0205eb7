// The routes that the controller calls (src/api/agent-wire.ts).
import { type Request, type Response, Router } from 'express'
import {
  AbortRequest,
  AwaitRequest,
  FinishRequest,
  InventoryRequest,
  MoveRequest,
  NetworkState,
  ResolveRequest,
} from '../../api/agent-wire.ts'
import type { NodeMigrationCapacityStatus } from '../../api/node-migration-capacity.ts'
import { requireClient } from '../../runtime/tls.ts'
import type { AgentContext } from '../context.ts'
import { takeInventory } from '../move/inventory.ts'
import type { Registry } from '../registry.ts'
import { untilGoodTime } from './not-now.ts'
import { body, uidOf } from './requests.ts'

export interface ControllerRoutes {
  context: AgentContext
  registry: Registry
  observe(): Promise<NodeMigrationCapacityStatus>
}

export function controllerRoutes({ context, registry, observe }: ControllerRoutes): Router {
  const router = Router()
  router.use(requireClient('podmotion-controller'))
  const post = (what: string, answer: (request: Request, response: Response) => Promise<unknown>): void => {
    router.post(`/migrations/:uid/${what}`, async (request, response) => void response.json(await answer(request, response)))
  }
  router.get('/node', async (_request, response) => void response.json(await observe()))
  router.get('/migrations', (_request, response) => void response.json({ migrations: registry.records() }))
  router.get('/migrations/:uid', async (request, response) => {
    await untilGoodTime(() => context.moves.get(uidOf(request)))
    answerRecord(registry, request, response)
  })
  router.put('/network', async (request, response) => {
    await context.network.apply(body(NetworkState, request))
    response.json({})
  })
  router.get('/checkpoints', async (_request, response) => void response.json({ checkpoints: await context.checkpoints.list() }))
  router.delete('/checkpoints/:uid', async (request, response) => {
    await context.checkpoints.remove(uidOf(request))
    response.json({})
  })
  post('inventory', async (request) => await takeInventory(context, body(InventoryRequest, request)))
  post('await', async (request) => await registry.await(uidOf(request), body(AwaitRequest, request)))
  post('move', async (request, response) => {
    response.status(202)
    return registry.move(uidOf(request), body(MoveRequest, request))
  })
  post('abort', async (request) => await registry.abort(uidOf(request), body(AbortRequest, request).reason))
  post('finish', async (request) => await registry.finish(uidOf(request), body(FinishRequest, request).outcome))
  post('resolve', async (request) => await registry.resolve(uidOf(request), body(ResolveRequest, request).verdict))
  return router
}

function answerRecord(registry: Registry, request: Request, response: Response): void {
  const uid = uidOf(request)
  const record = registry.record(uid)
  if (record) response.json(record)
  else response.status(404).json({ code: 'UnknownMigration', message: `Looking for migration ${uid}: this node does not know it` })
}
