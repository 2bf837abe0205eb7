// The product's own pods in a test that kills them: which controller leads, when an agent is back, and pods that never crashed.
import type { V1Pod } from '@kubernetes/client-node'
import type { Machine } from '../machine.ts'
import { productNamespace } from './install.ts'
import type { World } from './world.ts'

/** Where the controller that leads runs. */
export async function leaderNode(world: World): Promise<Machine> {
  const lease = await world.get<{ spec: { holderIdentity: string } }>('lease', 'podmotion-controller', '-n', productNamespace)
  const leader = await world.get<V1Pod>('pod', lease?.spec.holderIdentity ?? '', '-n', productNamespace)
  return world.lab.node(leader?.spec?.nodeName ?? '')
}

/** kubelet starts a container that crashed before later and later: each kill is to be its pod's first. */
export async function freshPods(world: World): Promise<void> {
  const pods = await world.list<V1Pod>('pods', '-n', productNamespace)
  const crashed = pods.filter((pod) => pod.status?.containerStatuses?.some((one) => one.restartCount > 0))
  if (crashed.length === 0) return
  await world.remove('-n', productNamespace, 'pod', ...crashed.map((pod) => pod.metadata?.name ?? ''))
  for (const workload of ['deployment/podmotion-controller', 'daemonset/podmotion-agent']) {
    const rollout = await world.kubectl('-n', productNamespace, 'rollout', 'status', workload, '--timeout=90s')
    if (rollout.exitCode !== 0) throw new Error(`Waiting for ${workload}: ${rollout.all}`)
  }
}

/** After its agent was killed. */
export async function agentReady(world: World, nodeName: string): Promise<void> {
  await world.until(`the agent on ${nodeName} to be back`, async () => {
    const pods = await world.list<V1Pod>('pods', '-n', productNamespace, '-l', 'app.kubernetes.io/name=podmotion-agent')
    const status = pods.find((pod) => pod.spec?.nodeName === nodeName)?.status?.containerStatuses?.[0]
    return status !== undefined && status.restartCount > 0 && status.ready
  })
}
