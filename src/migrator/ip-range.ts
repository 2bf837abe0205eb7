// Does an IPv4 range (CIDR) hold an address? Anything that is not IPv4 is in no range.

export function contains(cidr: string, address: string): boolean {
  const [base, bits] = cidr.split('/')
  const [network, host, length] = [ipv4(base ?? ''), ipv4(address), Number(bits)]
  if (network === undefined || host === undefined || !Number.isInteger(length) || length < 0 || length > 32) return false
  const size = 2 ** (32 - length)
  return Math.floor(network / size) === Math.floor(host / size)
}

function ipv4(text: string): number | undefined {
  const parts = text.split('.').map(Number)
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return undefined
  return parts.reduce((value, part) => value * 256 + part, 0)
}
