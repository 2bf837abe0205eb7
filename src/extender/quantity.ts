// Reads Kubernetes quantities ("100m", "1Gi", "5e3") as numbers.

const factors: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}
const pattern = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/

/** The value in the resource's base unit (cores, bytes, pieces); 0 for what is no quantity, which the API server does not let in. */
export function parseQuantity(text: string | number | undefined): number {
  if (typeof text === 'number') return text
  const match = pattern.exec(text ?? '')
  if (!match) return 0
  const number = Number(match[1])
  return match[2] === undefined ? number * (factors[match[3] ?? ''] ?? 1) : number * 10 ** Number(match[2])
}

/** Amounts are whole numbers in the unit that the scheduler counts in: CPU in millicores, everything else in its base unit, rounded up. */
export function parseAmount(resource: string, text: string | number | undefined): number {
  const value = parseQuantity(text)
  // The rounding to nine digits takes the float noise out (0.1 * 1000 must not become 101).
  return Math.ceil(Number((resource === 'cpu' ? value * 1000 : value).toFixed(9)))
}
