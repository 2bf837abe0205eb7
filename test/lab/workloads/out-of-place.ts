// Pods that are where descheduling strategies do not want them; each is bound to its node without being asked of the scheduler.

interface Placed {
  name: string
  nodeName: string
  replicas?: number
  memory?: string
  command?: string[]
  labels?: Record<string, string>
  spec?: object
}

const namespace = 'out-of-place'

/** `lab=yes` has to be on node-1 until the picky pod runs: kubelet refuses it otherwise. */
export function outOfPlaceManifests(memoryPerBigPod: string): object {
  const refusing = {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'loud' } } },
      ],
    },
  }
  const picky = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'lab', operator: 'In', values: ['yes'] }] }],
      },
    },
  }
  const spread = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: { app: 'even' } },
  }
  const items = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    deployment({ name: 'duplicate', nodeName: 'node-1', replicas: 5 }),
    deployment({ name: 'loud', nodeName: 'node-2' }),
    deployment({ name: 'shy', nodeName: 'node-2', spec: { affinity: refusing } }),
    deployment({ name: 'picky', nodeName: 'node-1', spec: { affinity: picky } }),
    deployment({ name: 'even', nodeName: 'node-1', replicas: 3, spec: { topologySpreadConstraints: [spread] } }),
    deployment({ name: 'stays', nodeName: 'node-3' }),
    deployment({ name: 'big', nodeName: 'node-1', replicas: 3, memory: memoryPerBigPod }),
    deployment({ name: 'small', nodeName: 'node-2', memory: '16Mi' }),
    deployment({ name: 'restless', nodeName: 'node-2', command: ['sh', '-c', 'sleep 1'] }),
    failing(),
  ]
  return { apiVersion: 'v1', kind: 'List', items }
}

function deployment(placed: Placed): object {
  const labels = { app: placed.name, ...placed.labels }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: placed.name, namespace },
    spec: { replicas: placed.replicas ?? 1, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec(placed) } },
  }
}

function podSpec({ nodeName, memory, command, spec }: Placed): object {
  const container = command
    ? { name: 'main', image: 'podmotion.local/app:1', command }
    : { name: 'main', image: 'podmotion.local/pause:1', ...(memory ? { resources: { requests: { memory } } } : {}) }
  return { nodeName, terminationGracePeriodSeconds: 0, containers: [{ ...container, imagePullPolicy: 'Never' }], ...spec }
}

function failing(): object {
  const spec = podSpec({ name: 'failing', nodeName: 'node-2', command: ['false'] })
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'failing', namespace },
    spec: { backoffLimit: 0, template: { metadata: { labels: { app: 'failing' } }, spec: { ...spec, restartPolicy: 'Never' } } },
  }
}
