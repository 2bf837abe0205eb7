// IPv4 addresses as text and as numbers.

export function addressToNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

export function numberToAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
}

export function prefixMask(length: number): number {
  return length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0
}

/** Is the address in `10.244.1.0/24`? Other families never are. */
export function cidrContains(cidr: string, address: string): boolean {
  const [base = '', length = '32'] = cidr.split('/')
  if (base.includes(':') || address.includes(':')) return false
  const mask = prefixMask(Number(length))
  return (addressToNumber(base) & mask) >>> 0 === (addressToNumber(address) & mask) >>> 0
}
