// Evicts one pod through the API, which keeps PodDisruptionBudgets; only this very pod, not a later one of its name.
import type { KubeClient } from '../kube/client.ts'
import { podPath } from '../kube/paths.ts'

interface Evictee {
  namespace: string
  podName: string
  podUid: string
}

export async function evictPod(
  client: KubeClient,
  { namespace, podName, podUid }: Evictee,
  reason: string,
  gracePeriodSeconds?: number,
): Promise<void> {
  await client.create<object>(podPath(namespace, podName, 'eviction'), {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name: podName, namespace, annotations: { reason, 'requested-by': 'podmotion.io' } },
    deleteOptions: { preconditions: { uid: podUid }, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) },
  })
}
