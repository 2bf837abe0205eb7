// Begins to copy a pod's memory ahead of the freeze, by whichever tracker the two nodes have.
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { CodedError } from '../../runtime/errors.ts'
import type { AgentConfig } from '../config.ts'
import type { MoveFolders } from '../context.ts'
import type { Moves } from '../moves.ts'
import type { Stores } from '../peer/wire.ts'
import type { RunningContainer } from '../runc/state.ts'
import type { ImageSender } from '../transfer/image-sender.ts'
import type { RateLimit } from '../transfer/rate-limit.ts'
import { CriuRounds } from './criu-rounds.ts'
import { MemoryAhead } from './memory-ahead.ts'
import type { PreCopy } from './pre-copy.ts'
import { chooseTracker, kernelTrackers, wantsStores } from './trackers.ts'

export interface PreCopyWays {
  moves: Moves
  config: AgentConfig
  uid: string
  containers: readonly RunningContainer[]
  /** Of a container's dump. */
  folders: (container: string) => MoveFolders
  /** Starts the destination's stores, and says what they can do. */
  stores: () => Promise<Stores>
  /** A stream to the store of that container on the destination. */
  open: (container: string) => Promise<Duplex>
  images: ImageSender
  limit: RateLimit
}

/** All memory once; throws why that cannot be had. The pod is then as it was, and to be dumped whole. */
export async function startPreCopy(ways: PreCopyWays): Promise<PreCopy> {
  const { moves, config, uid, containers, folders, open, images, limit } = ways
  const kernel = await kernelTrackers(config)
  const stores = wantsStores(config.memoryTracker, kernel) ? await ways.stores() : { available: false, packed: false, later: false }
  const choice = chooseTracker(config.memoryTracker, kernel, stores.available)
  if ('reason' in choice) throw new CodedError('NoMemoryTracker', choice.reason)
  if (choice.tracker === 'soft-dirty') return await CriuRounds.start({ moves, config, containers, folders, images, limit })
  const skipFolder = (container: string): string => path.join(folders(container).work, 'skip')
  return await MemoryAhead.start({ moves, config, uid, containers, skipFolder, open, limit, packed: stores.packed, later: stores.later })
}
