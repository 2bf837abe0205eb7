// Which files are kept up to date by their changed blocks, when they change all the time.
import type { Listing } from './folder-listing.ts'

/** Of files of this size a whole copy is nothing. */
export const smallestHotBytes = 64 << 10
/** Its digests are 128 MiB, which pass through the agent at once. */
const largestHotBytes = 16 * 2 ** 30
/** Of a frame's name, with its offset, as UTF-8. */
export const longestHotName = 240
/** Each stays open on the destination. */
export const maximumHotFiles = 1000

export function isHot(bytes: number): boolean {
  return bytes >= smallestHotBytes && bytes <= largestHotBytes
}

/** Those of them that can be kept, the latest first. */
export function hottest(listing: Listing, names: Iterable<string>): string[] {
  const changedMs = (name: string): number => listing.get(name)?.changedMs ?? 0
  return [...names]
    .sort((one, other) => changedMs(other) - changedMs(one))
    .filter((name) => isHot(listing.get(name)?.bytes ?? 0) && name.length <= longestHotName)
    .slice(0, maximumHotFiles)
}
