// What the pods of the unattended run use: most of them a little, the pods of some apps much for some minutes, other apps every minute. Pure.

/** Pods of one app, as a Deployment has them: they get busy together. */
export const podsOfApp = 20
const usualMillis = 350
const busyMillis = 750
const noisePart = 0.1
/** Part of the apps that get busy each minute, and for how long. */
const busyPart = 0.02
const roundSeconds = 60
const busyRounds = 4
/** Nothing gets busy at once. */
const rampSeconds = 20

export const memoryBytes = 200 * 2 ** 20

/** Of a pod at a second of the run. */
export function cpuMillis(pod: number, second: number): number {
  const noise = 1 + noisePart * (2 * chanceOf(pod, Math.floor(second / 15)) - 1)
  return (usualMillis + (busyMillis - usualMillis) * busyness(Math.floor(pod / podsOfApp), second)) * noise
}

/** From 0 to 1: the pods' requests come slowly, and go at once. */
function busyness(app: number, second: number): number {
  const round = Math.floor(second / roundSeconds)
  let most = 0
  for (let begun = Math.max(0, round - busyRounds + 1); begun <= round; begun++)
    if (chanceOf(app + 1_000_000, begun) < busyPart) most = Math.max(most, Math.min(1, (second - begun * roundSeconds) / rampSeconds))
  return most
}

/** The same two numbers always give the same chance. */
function chanceOf(one: number, other: number): number {
  let mixed = Math.imul(one ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(other + 0x7f4a7c15, 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d)
  mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39)
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
}
