// Tables of pods that cannot be moved, and the reason that each gets.
import { expect } from 'chai'
import { type PodQuestions, podRefusals } from '../../src/migrator/validation.ts'
import { makePod, terminating } from './world.ts'

function owner(kind: string) {
  return { metadata: { ownerReferences: [{ apiVersion: 'apps/v1', kind, name: 'x', uid: 'x', controller: true }] } }
}

function container(change: object) {
  return { spec: { containers: [{ name: 'main', image: 'cart:1', ...change }] } }
}

const cases: [name: string, pod: ReturnType<typeof makePod>, codes: string[], questions?: PodQuestions][] = [
  ['a plain pod of a ReplicaSet', makePod(), []],
  ['a pod without an owner', makePod({ metadata: { ownerReferences: undefined } }), []],
  ['another RuntimeClass', makePod({ spec: { runtimeClassName: 'gvisor' } }), ['WrongRuntimeClass']],
  ['no RuntimeClass', makePod({ spec: { runtimeClassName: undefined } }), ['WrongRuntimeClass']],
  ['opted out', makePod({ metadata: { annotations: { 'podmotion.io/migrate': 'false' } } }), ['OptedOut']],
  ['opted in', makePod({ metadata: { annotations: { 'podmotion.io/migrate': 'true' } } }), []],
  [
    'another system names one of two containers',
    makePod({ metadata: { annotations: { 'komodor.com/podmotion-migrate': 'side' } } }),
    ['PartialContainers'],
  ],
  ['another system names all containers', makePod({ metadata: { annotations: { 'komodor.com/podmotion-live-migrate': 'main' } } }), []],
  ['a terminating pod', terminating(makePod()), ['Terminating']],
  ['a pending pod', makePod({ status: { phase: 'Pending' } }), ['NotRunning']],
  [
    'a crashed container',
    makePod({ status: { containerStatuses: [{ name: 'main', state: { waiting: { reason: 'CrashLoopBackOff' } } }] } }),
    ['ContainerNotRunning'],
  ],
  ['a DaemonSet pod', makePod(owner('DaemonSet')), ['DaemonSetPod']],
  ['a StatefulSet pod', makePod(owner('StatefulSet')), ['StatefulSetPod']],
  ['a Job pod', makePod(owner('Job')), ['UnsupportedOwner']],
  ['a static pod', makePod({ ...owner('Node') }), ['StaticPod']],
  [
    'a mirror pod',
    makePod({ metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' }, ownerReferences: undefined } }),
    ['StaticPod'],
  ],
  [
    'the node’s network, pids and ipc',
    makePod({ spec: { hostNetwork: true, hostPID: true, hostIPC: true } }),
    ['HostNetwork', 'HostPid', 'HostIpc'],
  ],
  ['a dotted name', makePod({ metadata: { name: 'a.b' } }), ['DottedName']],
  ['a dotted name with a hostname', makePod({ metadata: { name: 'a.b' }, spec: { hostname: 'ab' } }), []],
  ['a GPU', makePod(container({ resources: { limits: { 'nvidia.com/gpu': '1' } } })), ['Devices']],
  ['a block device', makePod(container({ volumeDevices: [{ name: 'disk', devicePath: '/dev/xvda' }] })), ['Devices']],
  ['a command as liveness probe', makePod(container({ livenessProbe: { exec: { command: ['true'] } } })), []],
  [
    'a command as liveness probe of a source that waits for long',
    makePod(container({ livenessProbe: { exec: { command: ['true'] } } })),
    ['PostCopyExecLiveness'],
    { postCopy: true },
  ],
  ['another liveness probe of such a source', makePod(container({ livenessProbe: { tcpSocket: { port: 80 } } })), [], { postCopy: true }],
  ['a privileged container', makePod(container({ securityContext: { privileged: true } })), ['Privileged']],
  ['a terminal', makePod(container({ stdin: true, tty: true })), ['Terminal']],
  ['standard input without a terminal', makePod(container({ stdin: true })), []],
  ['resource claims', makePod({ spec: { resourceClaims: [{ name: 'gpu' }] } }), ['ResourceClaims']],
  ['a debug container', makePod({ spec: { ephemeralContainers: [{ name: 'debug' }] } }), ['EphemeralContainers']],
  ['hostPath', makePod({ spec: { volumes: [{ name: 'v', hostPath: { path: '/data' } }] } }), ['HostPathVolume']],
  [
    'hostPath that is shared',
    makePod({
      metadata: { annotations: { 'podmotion.io/shared-volumes': 'u, v' } },
      spec: { volumes: [{ name: 'v', hostPath: { path: '/data' } }] },
    }),
    [],
  ],
  [
    'emptyDir and projected',
    makePod({
      spec: {
        volumes: [
          { name: 'a', emptyDir: {} },
          { name: 'b', projected: {} },
          { name: 'c', secret: {} },
        ],
      },
    }),
    [],
  ],
  ['an iscsi volume', makePod({ spec: { volumes: [{ name: 'v', iscsi: {} }] } }), ['UnsupportedVolume']],
  [
    'a liveness probe as short as the freeze',
    makePod(container({ livenessProbe: { periodSeconds: 1, failureThreshold: 1 } })),
    ['LivenessTooShort'],
    { freezeWindowBudgetMs: 1000 },
  ],
  [
    'a liveness probe that is patient enough',
    makePod(container({ livenessProbe: { periodSeconds: 1, failureThreshold: 2 } })),
    [],
    { freezeWindowBudgetMs: 1000 },
  ],
  ['a liveness probe when nobody asks', makePod(container({ livenessProbe: { periodSeconds: 1, failureThreshold: 1 } })), []],
]

const claimPod = makePod({ spec: { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }] } })
const claimCases: [string, PodQuestions, string[]][] = [
  ['nobody has looked', {}, []],
  ['it is shared', { claims: new Map([['data', ['ReadWriteMany']]]) }, []],
  ['one node has it', { claims: new Map([['data', ['ReadWriteOnce']]]) }, ['PersistentVolumeClaim']],
  ['it does not exist', { claims: new Map() }, ['PersistentVolumeClaim']],
]

function codesOf(pod: ReturnType<typeof makePod>, questions?: PodQuestions): string[] {
  return podRefusals(pod, questions).map(({ code }) => code)
}

describe('reasons against moving a pod', () => {
  for (const [name, pod, codes, questions] of cases) it(name, () => expect(codesOf(pod, questions)).to.deep.equal(codes))
  for (const [name, questions, codes] of claimCases) it(`a claim: ${name}`, () => expect(codesOf(claimPod, questions)).to.deep.equal(codes))

  it('tells all reasons at once', () => {
    const pod = makePod({
      spec: { runtimeClassName: undefined, hostNetwork: true, volumes: [{ name: 'v', hostPath: { path: '/' } }] },
      status: { phase: 'Pending' },
    })
    expect(codesOf(pod)).to.deep.equal(['WrongRuntimeClass', 'NotRunning', 'HostNetwork', 'HostPathVolume'])
  })

  it('judges sidecars like containers, and refuses their startup probes', () => {
    const sidecar = { name: 'side', restartPolicy: 'Always', securityContext: { privileged: true }, startupProbe: {} }
    const running = makePod().status?.containerStatuses
    const pod = makePod({
      spec: { initContainers: [sidecar, { name: 'once', securityContext: { privileged: true } }] },
      status: { containerStatuses: running, initContainerStatuses: [{ name: 'side', state: { running: {} } }] },
    })
    expect(codesOf(pod)).to.deep.equal(['Privileged', 'SidecarStartupProbe'])
  })
})
