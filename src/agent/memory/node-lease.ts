// Kubelet's sign of life, as the API server has it.
import type { V1Lease } from '@kubernetes/client-node'
import { isNotFound, type KubeClient } from '../../kube/client.ts'
import { nodeLeasePath } from '../../kube/paths.ts'
import type { Lease } from './source-signs.ts'

const answerTimeoutMs = 2000

/** By its version: clocks of nodes differ, so times inside are not compared. */
export async function readLease(client: KubeClient, nodeName: string): Promise<Lease> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'unknown'>((resolve) => {
    timer = setTimeout(() => resolve('unknown'), answerTimeoutMs)
  })
  const asked = client.get<V1Lease>(nodeLeasePath(nodeName)).then(
    ({ metadata }): Lease => metadata?.resourceVersion ?? 'unknown',
    (error: unknown): Lease => (isNotFound(error) ? undefined : 'unknown'),
  )
  return await Promise.race([asked, late]).finally(() => clearTimeout(timer))
}
