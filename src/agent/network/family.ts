// What differs between IPv4 and IPv6 in the words of ip and nft.
import { isIpv6 } from '../../runtime/addresses.ts'

export interface Family {
  name: 'IPv4' | 'IPv6'
  /** Bits of a prefix that holds one address. */
  hostBits: 32 | 128
  /** The option of `ip`. */
  option: '-4' | '-6'
  /** Table family and header of nft. */
  nft: 'ip' | 'ip6'
  /** Of a set. */
  type: 'ipv4_addr' | 'ipv6_addr'
}

export const ipv4: Family = { name: 'IPv4', hostBits: 32, option: '-4', nft: 'ip', type: 'ipv4_addr' }
export const ipv6: Family = { name: 'IPv6', hostBits: 128, option: '-6', nft: 'ip6', type: 'ipv6_addr' }
export const families = [ipv4, ipv6] as const

export function familyOf(address: string): Family {
  return isIpv6(address) ? ipv6 : ipv4
}

/** The range that holds nothing but the address. */
export function ownRange(address: string): string {
  return `${address}/${familyOf(address).hostBits}`
}
