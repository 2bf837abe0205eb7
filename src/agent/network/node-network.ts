// Reads our routes and proxy neighbours as `ip -j` lists them.
import { z } from 'zod'
import { run } from '../run.ts'
import { families, ipv4 } from './family.ts'
import { routeProtocol } from './ip-batches.ts'
import type { NodeNetwork } from './wish.ts'

const Routes = z.array(z.object({ dst: z.string(), gateway: z.string().optional(), dev: z.string().optional() }))
const Neighbours = z.array(
  z.object({ dst: z.string().optional(), dev: z.string().optional(), protocol: z.union([z.string(), z.number()]).optional() }),
)

export async function readNodeNetwork(): Promise<NodeNetwork> {
  const [routes, proxies] = await Promise.all([listed('route', 'show', 'proto', String(routeProtocol)), listed('neigh', 'show', 'proxy')])
  return { routes: routes.flatMap(parseRoutes), proxies: proxies.flatMap(parseProxies) }
}

async function listed(...what: string[]): Promise<string[]> {
  // A kernel without IPv6 has nothing of it.
  const found = families.map((family) => run('ip', ['-j', family.option, ...what], { reject: family === ipv4 }))
  return (await Promise.all(found)).map(({ stdout }) => stdout)
}

export function parseRoutes(text: string): NodeNetwork['routes'] {
  return Routes.parse(JSON.parse(text || '[]'))
    .filter((route) => !route.dst.includes('/'))
    .map(({ dst, gateway, dev = '' }) => ({ address: dst, device: dev, ...(gateway === undefined ? {} : { gateway }) }))
}

/** Only ours, by protocol number: others' proxy neighbours are none of our business. */
export function parseProxies(text: string): NodeNetwork['proxies'] {
  return Neighbours.parse(JSON.parse(text || '[]'))
    .filter((neighbour) => String(neighbour.protocol) === String(routeProtocol))
    .map(({ dst = '', dev = '' }) => ({ address: dst, bridge: dev }))
}
