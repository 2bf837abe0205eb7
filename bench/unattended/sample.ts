// One look at the cluster: how full the nodes are, and how full they would be had nobody moved. Pure.

export interface Spread {
  mean: number
  /** Root mean square distance from the mean, in percent points. */
  imbalance: number
  low: number
  high: number
  fullest: number
}

export interface Sample {
  second: number
  now: Spread
  /** Every pod where it began. */
  unmoved: Spread
  /** Nodes that are over what the policy allows. */
  nodesOver: number
  inFlight: number
  done: number
  residentMiB: number
  /** Of the cycles since the last look. */
  cycleSeconds: number
}

/** Of the nodes' utilisation in percent. */
export function spreadOf(percents: readonly number[]): Spread {
  const sorted = [...percents].sort((one, other) => one - other)
  const mean = sorted.reduce((sum, one) => sum + one, 0) / sorted.length
  const squares = sorted.reduce((sum, one) => sum + (one - mean) ** 2, 0)
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0
  return { mean, imbalance: Math.sqrt(squares / sorted.length), low: at(0.05), high: at(0.95), fullest: at(1) }
}
