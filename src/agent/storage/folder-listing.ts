// What a folder holds, as `find` prints it, and what changed between two looks: by inode and change time, which no program can set back.

export interface Listed {
  inode: string
  changedMs: number
  /** 0 for anything that is no regular file. */
  bytes: number
}

/** By path relative to the folder; names are bytes, one a character. */
export type Listing = Map<string, Listed>

/** For find's -printf; NUL ends an entry because a name may hold anything else. */
export const listingFormat = '%i %C@ %s %y %P\\0'

export function parseListing(text: string): Listing {
  return new Map(text.split('\0').flatMap(parseEntry))
}

function parseEntry(entry: string): [string, Listed][] {
  const [, inode = '', changed = '', bytes = '', type = '', name = ''] = /^(\d+) (\S+) (\d+) (\S) ([\s\S]*)$/.exec(entry) ?? []
  if (name === '') return []
  return [[name, { inode, changedMs: Number(changed) * 1000, bytes: type === 'f' ? Number(bytes) : 0 }]]
}

/**
 * Another inode under a known name is another file: a folder that was renamed carries its old contents to new names without touching
 * their times.
 */
export function changedSince(now: Listing, before: Listing, sinceMs: number): string[] {
  return [...now].filter(([name, { inode, changedMs }]) => changedMs >= sinceMs || before.get(name)?.inode !== inode).map(([name]) => name)
}

/** Nor what is below them. */
export function without(listing: Listing, names: readonly string[]): Listing {
  const gone = new Set(names)
  return new Map([...listing].filter(([name]) => !isOneOf(gone, name)))
}

function isOneOf(names: ReadonlySet<string>, name: string): boolean {
  for (let end = name.length; end > 0; end = name.lastIndexOf('/', end - 1)) if (names.has(name.slice(0, end))) return true
  return false
}

export function sizesOf(names: readonly string[], listing: Listing): { files: number; bytes: number } {
  return { files: names.length, bytes: names.reduce((sum, name) => sum + (listing.get(name)?.bytes ?? 0), 0) }
}
