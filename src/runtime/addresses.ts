// IPv4 and IPv6 addresses as text: families, ranges, and the one text that the kernel gives an address.

/** Two for IPv4, eight for IPv6. */
const groupBits = 16

export function isIpv6(address: string): boolean {
  return address.includes(':')
}

export function areOfOneFamily(one: string, other: string): boolean {
  return isIpv6(one) === isIpv6(other)
}

/** The first of the same family as an address. */
export function ofItsFamily(address: string, among: readonly string[]): string | undefined {
  return among.find((one) => areOfOneFamily(one, address))
}

/** Does a range (CIDR) hold an address? Never one of the other family. */
export function contains(range: string, address: string): boolean {
  const [base = '', length = ''] = range.split('/')
  const [network, host, bits] = [groupsOf(base), groupsOf(address), Number(length)]
  if (!network || host?.length !== network.length || !/^\d+$/.test(length) || bits > network.length * groupBits) return false
  return network.every((group, index) => {
    const ignored = groupBits - Math.min(groupBits, Math.max(0, bits - index * groupBits))
    return group >>> ignored === (host[index] ?? 0) >>> ignored
  })
}

export function groupsOf(address: string): number[] | undefined {
  return isIpv6(address) ? groupsOfIpv6(address) : groupsOfIpv4(address)
}

function groupsOfIpv4(address: string): number[] | undefined {
  const bytes = address.split('.').map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : Number.NaN))
  const [a = 0, b = 0, c = 0, d = 0] = bytes
  return bytes.length === 4 && bytes.every((byte) => byte <= 255) ? [a * 256 + b, c * 256 + d] : undefined
}

function groupsOfIpv6(address: string): number[] | undefined {
  const [head = '', tail, ...more] = address.split('::')
  const [before, after] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')))
  const missing = 8 - (before?.length ?? 0) - (after?.length ?? 0)
  if (more.length > 0 || (tail === undefined ? missing !== 0 : missing < 1)) return undefined
  const texts = [...(before ?? []), ...Array.from({ length: missing }, () => '0'), ...(after ?? [])]
  return texts.every((text) => /^[0-9a-f]{1,4}$/i.test(text)) ? texts.map((text) => Number.parseInt(text, 16)) : undefined
}

/** As the kernel, Go and inet_ntop write it: the longest run of zeros, the first of several, is left out. */
export function addressOf(groups: readonly number[]): string {
  if (groups.length === 2) return groups.flatMap((group) => [group >>> 8, group & 255]).join('.')
  const { start, length } = longestZeros(groups)
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > longest.length) longest = { start, length }
  }
  return longest
}
