// What each of thousands of connections adds to the freeze: the same pod with a few and with many, in the same run.
import { setTimeout as sleep } from 'node:timers/promises'
import { Flows } from '../../test/lab/flows/flows.ts'
import type { Order, Origin, ordersOf } from '../../test/lab/flows/kinds.ts'
import { moveOn } from '../../test/lab/flows/moves.ts'
import { errorsOf } from '../../test/lab/flows/summary.ts'
import type { World } from '../../test/lab/product/world.ts'
import { ms, percentile } from '../freeze/statistics.ts'

const few = 10
/** A move after all that many flows have to be counted at each end. */
const betweenMovesMs = 3000
/** What the promise allows a connection to add. */
const allowedMsPerSocket = 0.3

/** Idle ones through the pod's address and through its Service, half and half, and some that talk. */
const idleOrders: typeof ordersOf = ([addresses], { count, periodMs }) => {
  if (!addresses) throw new Error('Choosing the flows: expected a pod with an address')
  const { podIp, serviceIp } = addresses
  const order = (kind: string, mode: Order['mode'], address: string, flows: number): Order => {
    return { kind: `outside->${kind}`, mode, address, port: 7000, count: flows, periodMs }
  }
  const half = Math.ceil(count / 2)
  return new Map<Origin, Order[]>([
    [
      'outside',
      [order('pod idle', 'idle', podIp, half), order('service idle', 'idle', serviceIp, count - half), order('pod', 'request', podIp, few)],
    ],
  ])
}

/** Prints one last line; whether nothing was lost and each connection adds no more than it may. */
export async function measureSockets(
  world: World,
  { sockets, moves, periodMs }: { sockets: number; moves: number; periodMs: number },
): Promise<boolean> {
  const flows = new Flows(world)
  await flows.deploy(1)
  try {
    const errors: string[] = []
    const freezes: { few: number[]; many: number[] } = { few: [], many: [] }
    for (const size of ['few', 'many'] as const) {
      const count = await flows.open({ count: size === 'few' ? few : sockets, periodMs }, idleOrders)
      for (let number = 1; number <= moves; number++) {
        const { migration, freezeMs } = await moveOn(world)
        const { sourceNode, destinationNode } = migration.status ?? {}
        console.log(`${count} connections, move ${number}: ${sourceNode} to ${destinationNode}, freeze ${ms(freezeMs)}`)
        freezes[size].push(freezeMs)
        await sleep(betweenMovesMs)
      }
      errors.push(...errorsOf(await flows.close()))
    }
    for (const error of errors.slice(0, few)) console.log(`error: ${error}`)
    const [fewMs = 0, manyMs = 0] = [percentile(freezes.few, 0.5), percentile(freezes.many, 0.5)]
    const eachMs = (manyMs - fewMs) / (sockets - few)
    console.log(
      `sockets: ${sockets} moves ${moves} · errors ${errors.length} · freeze p50 ${ms(manyMs)} against ${ms(fewMs)} with ${few} · ${eachMs.toFixed(3)} ms each`,
    )
    return errors.length === 0 && eachMs <= allowedMsPerSocket
  } finally {
    await flows.remove()
    await world.remove('podmigrations', '--all')
  }
}
