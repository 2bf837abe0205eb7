// Where criu's pre-dumps lie: each in a folder of its own below the container's images, and each names the one before as its parent. Pure.

/** A link beside them to the newest one whose images are complete; the dump's parent. */
export const lastRound = 'pre-last'
/** An empty folder: of a parent without images criu takes nothing. */
export const noRound = 'pre-none'
/** criu follows it from images to those that they lean on. */
const parentLink = 'parent'

export function roundFolder(round: number): string {
  return `pre-${round}`
}

/** As criu is told it: seen from the round's own folder. */
export function parentOf(round: number): string | undefined {
  return round > 1 ? `../${roundFolder(round - 1)}` : undefined
}

export function isRoundFolder(name: string): boolean {
  return /^pre-[1-9]\d?$/.test(name)
}

/** What lies in a folder of images without being one. */
export function isNoImage(name: string): boolean {
  return name === parentLink || name === lastRound || name === noRound || isRoundFolder(name)
}

/** The links that criu made on the source, for the destination: where they lie in the container's images, and what they say. */
export function parentLinks(rounds: number): { link: string; target: string }[] {
  if (rounds === 0) return []
  const between = Array.from({ length: rounds - 1 }, (_, index) => index + 2)
  return [
    ...between.map((round) => ({ link: `${roundFolder(round)}/${parentLink}`, target: parentOf(round) as string })),
    { link: parentLink, target: roundFolder(rounds) },
  ]
}
