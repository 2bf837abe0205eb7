// What every part of a move is given: configuration, the rooms, the journalled moves, the way to other agents.
import path from 'node:path'
import type { Checkpoints } from './checkpoint/checkpoints.ts'
import type { AgentConfig } from './config.ts'
import type { Lease } from './memory/source-signs.ts'
import type { Moves } from './moves.ts'
import type { Peers } from './peer/client.ts'
import type { PodNetwork, PodStorage } from './rooms.ts'

export interface AgentContext {
  config: AgentConfig
  moves: Moves
  peers: Peers
  network: PodNetwork
  storage: PodStorage
  checkpoints: Checkpoints
  /** Kubelet's on a node. */
  lease: (nodeName: string) => Promise<Lease>
}

export interface MoveFolders {
  images: string
  work: string
}

/** On tmpfs: a container's memory never touches a disk. Source and destination may be one node, so the role is part of the path. */
export function moveFolders(config: AgentConfig, uid: string, role: 'source' | 'destination'): MoveFolders {
  return { images: path.join(config.runDir, 'images', `${uid}-${role}`), work: path.join(config.runDir, 'work', `${uid}-${role}`) }
}

/** Where CNI plugin, OCI wrapper and agent meet about a pod that is received (native/README.md). */
export function awaitedFolder(config: AgentConfig, pod: { namespace: string; name: string }): string {
  return path.join(config.runDir, 'awaited', `${pod.namespace}_${pod.name}`)
}

export function restoredFolder(config: AgentConfig, pod: { namespace: string; name: string }): string {
  return path.join(config.stateDir, 'restored', `${pod.namespace}_${pod.name}`)
}

/** While it exists the OCI wrapper starts no second copy of the source's containers; on disk, so that a reboot does not either. */
export function movingMarker(config: AgentConfig, podUid: string): string {
  return path.join(config.stateDir, 'moving', podUid)
}

export function podLogFolder(config: AgentConfig, pod: { namespace: string; name: string; uid: string }): string {
  return path.join(config.podLogDir, `${pod.namespace}_${pod.name}_${pod.uid}`)
}
