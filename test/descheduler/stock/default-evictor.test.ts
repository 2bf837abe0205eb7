// The default evictor: whom it protects, and whom it keeps.
import type { V1Pod } from '@kubernetes/client-node'
import { expect } from 'chai'
import { at, node } from '../../extender/cluster.ts'
import { chosen, pod, threeNodes, type World } from './stock.ts'

/** A strategy that would choose everybody. */
const everybody = { maxPodLifeTimeSeconds: 0 }
const old = (key: string, wish: Parameters<typeof pod>[1] = {}) => pod(key, { on: 'a', createdAt: at(-7200_000), ...wish })
const annotated = (key: string) => ({ annotations: { [`descheduler.alpha.kubernetes.io/${key}`]: '' } })
const owned = (kind: string): V1Pod => {
  const made = old('shop/x')
  const [owner] = made.metadata?.ownerReferences ?? []
  if (owner) owner.kind = kind
  return made
}
const withVolume = (volume: object) => old('shop/x', { spec: { volumes: [{ name: 'v', ...volume } as never] } })
const claiming = withVolume({ persistentVolumeClaim: { claimName: 'data' } })
const claim = (storageClassName?: string) => ({
  persistentVolumeClaims: [{ metadata: { name: 'data', namespace: 'shop' }, spec: storageClassName ? { storageClassName } : {} }],
})
const started = (secondsAgo: number) => old('shop/x', { status: { startTime: at(-secondsAgo * 1000) } })
const goes = true
const stays = false

describe('the default evictor', () => {
  const bare = old('shop/x', { owner: '' })
  const protecting = {
    podProtections: { extraEnabled: ['PodsWithPVC'], config: { PodsWithPVC: { protectedStorageClasses: [{ name: 'fast' }] } } },
  }
  const full = old('shop/full', { on: 'b', cpu: '4', annotations: { 'kubernetes.io/config.mirror': '' } })
  const two = [threeNodes[0], threeNodes[1]] as never
  const cases: [what: string, evictor: object, pod: V1Pod, expected: boolean, world?: Partial<World>][] = [
    ['an ordinary pod', {}, old('shop/x'), goes],
    ['a mirror pod', {}, old('shop/x', { annotations: { 'kubernetes.io/config.mirror': 'x' } }), stays],
    ['a static pod', {}, old('shop/x', { annotations: { 'kubernetes.io/config.source': 'file' } }), stays],
    ['a pod of the API', {}, old('shop/x', { annotations: { 'kubernetes.io/config.source': 'api' } }), goes],
    ['one that is being deleted', {}, old('shop/x', { deleting: true }), stays],
    ['a pod of a DaemonSet', {}, owned('DaemonSet'), stays],
    ['a pod of a DaemonSet when told', { evictDaemonSetPods: true }, owned('DaemonSet'), goes],
    ['a pod of a DaemonSet by podProtections', { podProtections: { defaultDisabled: ['DaemonSetPods'] } }, owned('DaemonSet'), goes],
    ['an emptyDir', {}, withVolume({ emptyDir: {} }), stays],
    ['a hostPath', {}, withVolume({ hostPath: { path: '/x' } }), stays],
    ['an emptyDir when told', { evictLocalStoragePods: true }, withVolume({ emptyDir: {} }), goes],
    ['a critical pod', {}, old('shop/x', { priority: 2_000_000_000 }), stays],
    ['a critical pod when told', { evictSystemCriticalPods: true }, old('shop/x', { priority: 2_000_001_000 }), goes],
    ['a pod under the threshold', { priorityThreshold: { value: 100 } }, old('shop/x', { priority: 99 }), goes],
    ['a pod on the threshold', { priorityThreshold: { value: 100 } }, old('shop/x', { priority: 100 }), stays],
    [
      'a threshold by name',
      { priorityThreshold: { name: 'high' } },
      old('shop/x', { priority: 7 }),
      stays,
      { priorityClasses: [{ metadata: { name: 'high' }, value: 7 }] },
    ],
    [
      'the threshold does not matter when critical pods may go',
      { evictSystemCriticalPods: true, priorityThreshold: { value: 1 } },
      old('shop/x', { priority: 9 }),
      goes,
    ],
    ['a bare pod', {}, bare, stays],
    ['a bare pod is not failed just because failed ones may go', { evictFailedBarePods: true }, bare, stays],
    ['a bare failed pod', { evictFailedBarePods: true }, old('shop/x', { owner: '', phase: 'Failed' }), goes],
    ['a bare failed pod by default', {}, old('shop/x', { owner: '', phase: 'Failed' }), stays],
    ['a claim', {}, claiming, goes],
    ['a claim when told', { ignorePvcPods: true }, claiming, stays],
    ['a claim of a protected class', protecting, claiming, stays, claim('fast')],
    ['a claim of another class', protecting, claiming, goes, claim('slow')],
    ['a claim of no known class', protecting, claiming, stays, claim()],
    ['a claim that is not there', protecting, claiming, stays],
    ['no budget of disruptions', { ignorePodsWithoutPDB: true }, old('shop/x'), stays],
    [
      'a budget of disruptions',
      { ignorePodsWithoutPDB: true },
      old('shop/x'),
      goes,
      { pdbs: [{ metadata: { namespace: 'shop' }, spec: { selector: {} } }] },
    ],
    [
      'one of another namespace',
      { ignorePodsWithoutPDB: true },
      old('shop/x'),
      stays,
      { pdbs: [{ metadata: { namespace: 'bank' }, spec: { selector: {} } }] },
    ],
    [
      'resource claims',
      { podProtections: { extraEnabled: ['PodsWithResourceClaims'] } },
      old('shop/x', { spec: { resourceClaims: [{ name: 'gpu' }] } }),
      stays,
    ],
    ['labels that do not match', { labelSelector: { matchLabels: { a: 'b' } } }, old('shop/x'), stays],
    ['labels that match', { labelSelector: { matchLabels: { a: 'b' } } }, old('shop/x', { labels: { a: 'b' } }), goes],
    ['too few replicas', { minReplicas: 3 }, old('shop/x'), stays, { pods: [old('shop/y', { phase: 'Failed' })] }],
    [
      'enough replicas, whatever their phase',
      { minReplicas: 2 },
      old('shop/x'),
      goes,
      { pods: [pod('shop/y', { phase: 'Failed', createdAt: at(0) })] },
    ],
    ['minReplicas 1 asks nothing', { minReplicas: 1 }, old('shop/x'), goes],
    ['younger than minPodAge', { minPodAge: '1m' }, started(59), stays],
    ['as old as minPodAge', { minPodAge: '1m' }, started(60), goes],
    ['not started at all', { minPodAge: '1m' }, old('shop/x'), stays],
    ['would rather stay', {}, old('shop/x', annotated('prefer-no-eviction')), goes],
    ['has to be left', { noEvictionPolicy: 'Mandatory' }, old('shop/x', annotated('prefer-no-eviction')), stays],
    ['is annotated evict', {}, old('shop/x', { owner: '', ...annotated('evict') }), goes],
    [
      'a namespace with the label',
      { namespaceLabelSelector: { matchLabels: { t: 'x' } } },
      old('shop/x'),
      goes,
      { namespaces: [{ metadata: { name: 'shop', labels: { t: 'x' } } }] },
    ],
    [
      'a namespace without it',
      { namespaceLabelSelector: { matchLabels: { t: 'x' } } },
      old('shop/x'),
      stays,
      { namespaces: [{ metadata: { name: 'shop' } }] },
    ],
    ['an empty selector asks nothing', { namespaceLabelSelector: {} }, old('shop/x'), goes],
    ['nowhere to go without nodeFit', {}, old('shop/x', { cpu: '1' }), goes, { nodes: two, pods: [full] }],
    ['nowhere to go with it', { nodeFit: true }, old('shop/x', { cpu: '1' }), stays, { nodes: two, pods: [full] }],
    ['room elsewhere', { nodeFit: true }, old('shop/x', { cpu: '1' }), goes, { pods: [full] }],
    [
      'only on nodes of nodeSelector',
      { nodeFit: true, nodeSelector: 'zone in (z1)' },
      old('shop/x', { cpu: '1' }),
      stays,
      { pods: [full] },
    ],
    [
      'the other node is cordoned',
      { nodeFit: true },
      old('shop/x'),
      stays,
      { nodes: [threeNodes[0], node('b', { cordoned: true })] as never },
    ],
    [
      'has no pod slot left',
      { nodeFit: true },
      old('shop/x'),
      stays,
      { nodes: [threeNodes[0], node('b', { pods: '1' })] as never, pods: [full] },
    ],
  ]
  for (const [what, evictor, one, expected, world] of cases)
    it(`${what}: ${expected ? 'goes' : 'stays'}`, () => {
      const pods = [one, ...(world?.pods ?? [])]
      const names = chosen('PodLifeTime', everybody, { ...world, evictor, pods }).split(' ')
      expect(names.includes('x')).to.equal(expected)
    })

  it('nodeFit asks for affinity, taints and neighbours too', () => {
    const ask = (spec: object, other: object, pods: V1Pod[] = []) =>
      chosen('PodLifeTime', everybody, {
        evictor: { nodeFit: true },
        nodes: [threeNodes[0], node('b', other)] as never,
        pods: [old('shop/x', { spec }), ...pods],
      })
    expect(ask({ nodeSelector: { disk: 'ssd' } }, {})).to.equal('')
    expect(ask({ nodeSelector: { disk: 'ssd' } }, { labels: { disk: 'ssd' } })).to.equal('x')
    expect(ask({}, { taints: [{ key: 'k', effect: 'NoSchedule' }] })).to.equal('')
    expect(ask({}, { taints: [{ key: 'k', effect: 'PreferNoSchedule' }] })).to.equal('x')
    const refusing = {
      affinity: {
        podAntiAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: [
            { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'y' } } },
          ],
        },
      },
    }
    const other = pod('shop/y', { on: 'b', labels: { app: 'y' }, createdAt: at(0) })
    expect(ask(refusing, {}, [other])).to.equal('')
    expect(ask(refusing, {}, [])).to.equal('x')
  })
})
