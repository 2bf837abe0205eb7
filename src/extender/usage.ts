// Real usage of nodes and pods from the metrics API, asked every half minute; without that API requests are all there is.
import type { ControllerDeps } from '../controller-deps.ts'
import { isNotFound } from '../kube/client.ts'
import { messageOf } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import type { ClusterIndex } from './cluster-index.ts'
import { parseAmount } from './quantity.ts'
import { type Amounts, addAmounts } from './requests.ts'

const metricsPath = '/apis/metrics.k8s.io/v1beta1'
/** metrics-server itself looks every 15 s. */
const everyMs = 30_000
/** Nobody has it now; it may be installed later. */
const absentMs = 300_000

interface NodeUsage {
  metadata: { name: string }
  usage: Record<string, string>
}

interface PodUsage {
  metadata: { namespace: string; name: string }
  containers?: { usage: Record<string, string> }[]
}

/** Until the signal aborts. */
export async function followUsage(
  { client, clock }: Pick<ControllerDeps, 'client' | 'clock'>,
  index: ClusterIndex,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) await clock.sleep(await readUsage(client, index), signal)
}

/** After how long to look again. */
async function readUsage(client: ControllerDeps['client'], index: ClusterIndex): Promise<number> {
  try {
    const [nodes, pods] = await Promise.all([client.list<NodeUsage>(`${metricsPath}/nodes`), client.list<PodUsage>(`${metricsPath}/pods`)])
    index.setUsage(
      new Map(nodes.items.map(({ metadata, usage }) => [metadata.name, amountsOf(usage)])),
      new Map(pods.items.map(({ metadata, containers }) => [`${metadata.namespace}/${metadata.name}`, sumOf(containers ?? [])])),
    )
    return everyMs
  } catch (error) {
    // What was measured once says less with every minute.
    index.setUsage(new Map(), new Map())
    if (isNotFound(error)) return absentMs
    log.warn({ error: messageOf(error) }, 'usage was not read, requests count')
    return everyMs
  }
}

function amountsOf(usage: Record<string, string>): Amounts {
  return Object.fromEntries(Object.entries(usage).map(([resource, text]) => [resource, parseAmount(resource, text)]))
}

function sumOf(containers: readonly { usage: Record<string, string> }[]): Amounts {
  const total: Record<string, number> = {}
  for (const { usage } of containers) addAmounts(total, amountsOf(usage))
  return total
}
