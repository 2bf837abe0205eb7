// IPv4 addresses as text and as numbers.

export function addressToNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

export function numberToAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
}

/** False for anything that is not IPv4. */
export function isInRange(range: string, address: string): boolean {
  const [network = '', bits = ''] = range.split('/')
  if (network.includes(':') || address.includes(':') || !/^\d+$/.test(bits)) return false
  const size = 2 ** (32 - Number(bits))
  return Math.floor(addressToNumber(network) / size) === Math.floor(addressToNumber(address) / size)
}
