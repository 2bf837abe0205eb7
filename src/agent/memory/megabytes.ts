// Bytes as the status has them.

export function toMB(bytes: number): number {
  return Math.round((bytes / 2 ** 20) * 100) / 100
}
