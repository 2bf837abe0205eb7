// Requests and moves that the agent's tests start from.

import { type DestinationMove, foldAll, type JournalRecord, type SourceMove } from '../../src/agent/protocol/move.ts'
import type { AwaitRequest, MoveRequest } from '../../src/api/agent-wire.ts'

export const uid = '0b6c6f2e-0000-4000-8000-000000000001'

export const moveRequest: MoveRequest = {
  migrationName: 'shop/cart-7',
  pod: {
    namespace: 'shop',
    name: 'cart-7',
    uid: 'f3d1c1b4-0000-4000-8000-000000000002',
    ips: ['10.244.1.5'],
    containers: [{ name: 'main', id: 'c0ffee' }],
    volumes: [],
  },
  destination: { nodeName: 'node-2', nodeIps: ['172.30.0.2'], address: '172.30.0.2:8090', podName: 'cart-7-m1', podUid: 'pod-2' },
  mode: 'PreCopy',
  preCopyMaxRounds: 5,
  preCopyDirtyThresholdMB: 64,
  onNonConvergence: 'Freeze',
  tcpPreservationMode: 'Strict',
  storageStrategy: 'Auto',
  freezeWindowBudgetMs: 500,
  bandwidthLimitMbps: 0,
  keepFailedDestination: false,
  podCidrs: ['10.244.1.0/24'],
  serviceIps: [],
  keepCheckpointSeconds: 0,
}

export const awaitRequest: AwaitRequest = {
  migrationName: 'shop/cart-7',
  pod: { namespace: 'shop', name: 'cart-7-m1', ips: ['10.244.1.5'], containers: ['main'] },
  source: { nodeName: 'node-1', nodeIps: ['172.30.0.1'], address: '172.30.0.1:8090' },
  completionTimeoutSeconds: 30,
}

export const sourceOpened: JournalRecord & { type: 'opened' } = { type: 'opened', atMs: 1, role: 'source', request: moveRequest }
export const destinationOpened: JournalRecord & { type: 'opened' } = { type: 'opened', atMs: 1, role: 'destination', request: awaitRequest }

export function sourceMove(...records: JournalRecord[]): SourceMove {
  return foldAll(uid, [sourceOpened, ...records]) as SourceMove
}

export function destinationMove(...records: JournalRecord[]): DestinationMove {
  return foldAll(uid, [destinationOpened, ...records]) as DestinationMove
}
