// What is done with each volume of a pod, and why a volume cannot move.
import type { V1Pod, V1Volume } from '@kubernetes/client-node'
import type { WirePod } from '../api/agent-wire.ts'
import { annotations } from '../api/names.ts'
import type { Refusal } from '../api/pod-migration.ts'

type VolumeKind = WirePod['volumes'][number]['kind']

/** Access modes of the claims a pod uses, by claim name. A claim that is not in the map was not found. */
export type ClaimAccessModes = ReadonlyMap<string, readonly string[]>

export interface ClassifiedVolume {
  name: string
  kind: VolumeKind
  refusal?: Refusal
}

// Kubelet writes these anew on the destination, from the same objects.
const writtenByKubelet = ['projected', 'configMap', 'secret', 'downwardAPI'] as const

// The content is the same for every pod that mounts it, on every node.
const sharedByNature = ['nfs', 'cephfs', 'glusterfs', 'image'] as const

export function classifyVolumes(pod: V1Pod, claims: ClaimAccessModes | undefined): ClassifiedVolume[] {
  const shared = sharedVolumeNames(pod)
  return (pod.spec?.volumes ?? []).map((volume) => classify(volume, claims, shared))
}

export function volumeRefusals(pod: V1Pod, claims: ClaimAccessModes | undefined): Refusal[] {
  return classifyVolumes(pod, claims).flatMap((volume) => (volume.refusal ? [volume.refusal] : []))
}

function sharedVolumeNames(pod: V1Pod): ReadonlySet<string> {
  const list = pod.metadata?.annotations?.[annotations.sharedVolumes] ?? ''
  return new Set(list.split(',').map((name) => name.trim()))
}

function classify(volume: V1Volume, claims: ClaimAccessModes | undefined, shared: ReadonlySet<string>): ClassifiedVolume {
  const { name } = volume
  if (volume.emptyDir) return { name, kind: volume.emptyDir.medium === 'Memory' ? 'emptyDirMemory' : 'emptyDir' }
  if (writtenByKubelet.some((kind) => volume[kind])) return { name, kind: 'projected' }
  if (sharedByNature.some((kind) => volume[kind]) || shared.has(name)) return { name, kind: 'shared' }
  if (volume.persistentVolumeClaim) return classifyClaim(name, volume.persistentVolumeClaim.claimName, claims)
  return { name, kind: 'skip', refusal: unmovable(volume) }
}

function classifyClaim(name: string, claimName: string, claims: ClaimAccessModes | undefined): ClassifiedVolume {
  const accessModes = claims?.get(claimName)
  // Nobody has looked yet (admission answers from memory): the Validating phase will.
  if (!claims || accessModes?.includes('ReadWriteMany') || accessModes?.includes('ReadOnlyMany')) return { name, kind: 'shared' }
  const found = accessModes ? `has access modes ${accessModes.join(', ')}` : 'was not found'
  return {
    name,
    kind: 'skip',
    refusal: {
      code: 'PersistentVolumeClaim',
      message: `volume ${name}: claim ${claimName} ${found}, so two nodes cannot mount it during the move`,
      remedy: 'use a ReadWriteMany claim, or an emptyDir, which is carried along',
    },
  }
}

function unmovable(volume: V1Volume): Refusal {
  if (volume.hostPath) {
    return {
      code: 'HostPathVolume',
      message: `volume ${volume.name}: hostPath ${volume.hostPath.path} belongs to its node`,
      remedy: `use an emptyDir; or, if the path is the same shared storage on all nodes, annotate the pod with ${annotations.sharedVolumes}: "${volume.name}"`,
    }
  }
  const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'unknown'
  return {
    code: 'UnsupportedVolume',
    message: `volume ${volume.name}: kind ${kind} cannot be moved`,
    remedy: 'use an emptyDir or a ReadWriteMany claim',
  }
}
