// Where the volumes of a pod can be mounted: the node affinity of its persistent volumes; unknown ones keep the pod in its zone.
import type { V1Node, V1PersistentVolume, V1PersistentVolumeClaim, V1Pod } from '@kubernetes/client-node'
import { affinityRefusal } from '../extender/node-affinity.ts'

const zoneLabel = 'topology.kubernetes.io/zone'

export interface VolumePlaces {
  /** Pods with equal keys may go to the same nodes. */
  keyOf(pod: V1Pod): unknown
  allow(pod: V1Pod, node: V1Node): boolean
}

export function volumePlaces(
  nodes: readonly V1Node[],
  claims: readonly V1PersistentVolumeClaim[],
  volumes: readonly V1PersistentVolume[],
): VolumePlaces {
  const zones = new Map(nodes.map(({ metadata }) => [metadata?.name ?? '', metadata?.labels?.[zoneLabel]]))
  const volumeOf = boundVolumes(claims, volumes)
  return {
    keyOf: (pod) => {
      const names = claimNames(pod)
      return names.length > 0 ? [names, zones.get(pod.spec?.nodeName ?? '')] : 0
    },
    allow: (pod, node) =>
      claimNames(pod).every((name) => {
        const volume = volumeOf(pod.metadata?.namespace ?? '', name)
        if (volume) return hasAccess(volume, node)
        const zone = zones.get(pod.spec?.nodeName ?? '')
        return zone === undefined || zone === node.metadata?.labels?.[zoneLabel]
      }),
  }
}

function boundVolumes(claims: readonly V1PersistentVolumeClaim[], volumes: readonly V1PersistentVolume[]) {
  const byName = new Map(volumes.map((volume) => [volume.metadata?.name ?? '', volume]))
  const byClaim = new Map(claims.map(({ metadata, spec }) => [`${metadata?.namespace}/${metadata?.name}`, spec?.volumeName]))
  return (namespace: string, claim: string) => byName.get(byClaim.get(`${namespace}/${claim}`) ?? '')
}

/** A volume's node affinity is a pod's without the wish: the same terms, asked the same way. */
function hasAccess({ metadata, spec }: V1PersistentVolume, node: V1Node): boolean {
  const required = spec?.nodeAffinity?.required
  if (required) {
    const asking = { spec: { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } }, containers: [] } }
    return affinityRefusal(asking, node) === undefined
  }
  // Volumes of old in-tree drivers carry their zones as a label, several joined by two underscores.
  const labelled = metadata?.labels?.[zoneLabel]
  return labelled === undefined || labelled.split('__').includes(node.metadata?.labels?.[zoneLabel] ?? '')
}

function claimNames(pod: V1Pod): string[] {
  return (pod.spec?.volumes ?? []).flatMap(({ persistentVolumeClaim: claim, ephemeral, name }) =>
    claim ? [claim.claimName] : ephemeral ? [`${pod.metadata?.name}-${name}`] : [],
  )
}
