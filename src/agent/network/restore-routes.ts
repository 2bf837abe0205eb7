// Routes, neighbours and the veth's place as a record of a move says that they were before it.
import { run } from '../run.ts'
import { proxyNeighbour, restoreBatch } from './ip-batches.ts'
import { deviceExists, readRoutes } from './kernel-files.ts'
import { standInAddresses } from './read-ways.ts'
import type { NetworkRecord, RecordedAddress } from './records.ts'
import { type HostRoute, hostRoute } from './route-table.ts'

/** `givenBack`: addresses whose queue has a way back. */
export async function restoreRoutes(record: NetworkRecord, nodeIps: readonly string[], givenBack: readonly string[] = []): Promise<void> {
  const [routes, standIns] = await Promise.all([readRoutes(), standInAddresses(nodeIps)])
  const veth = record.veth && (await deviceExists(record.veth.name)) ? record.veth : undefined
  const heldVeth = record.heldVeth && (await deviceExists(record.heldVeth)) ? record.heldVeth : undefined
  const addresses = await Promise.all(
    record.addresses.map(async ({ ip, previousRoute }) => {
      return { ip, previous: await usableRoute(previousRoute), routed: hostRoute(routes, ip) !== undefined }
    }),
  )
  await runBatch(restoreBatch({ addresses, standIns, veth, heldVeth, givenBack }))
  // Apart and forgiving: the proxy neighbour may not have been made yet, and ip ends a batch at that.
  for (const { ip, proxyBridge } of record.addresses)
    if (proxyBridge) await run('ip', ['-batch', '-'], { input: `${proxyNeighbour('del', ip, proxyBridge)}\n`, reject: false })
}

export async function runBatch(text: string): Promise<void> {
  if (text !== '') await run('ip', ['-batch', '-'], { input: text })
}

async function usableRoute(route: RecordedAddress['previousRoute']): Promise<HostRoute | undefined> {
  return route && (await deviceExists(route.device)) ? route : undefined
}
