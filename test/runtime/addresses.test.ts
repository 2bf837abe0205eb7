// Addresses as text: ranges of both families, and the kernel's text of any address.
import { SocketAddress } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import { addressOf, areOfOneFamily, contains, groupsOf, ofItsFamily } from '../../src/runtime/addresses.ts'

describe('address ranges', () => {
  const cases: [string, string, boolean][] = [
    ['10.1.0.0/16', '10.1.255.255', true],
    ['10.1.0.0/16', '10.2.0.0', false],
    ['0.0.0.0/0', '255.255.255.255', true],
    ['192.168.0.128/25', '192.168.0.127', false],
    ['192.168.0.1/32', '192.168.0.1', true],
    ['10.0.0.0/8', 'fd00::1', false],
    ['::/0', '10.0.0.1', false],
    ['nonsense', '10.0.0.1', false],
    ['10.0.0.0/33', '10.0.0.1', false],
    ['10.0.0.0/8', '10.0.0', false],
    ['10.0.0.0/8', '10.0.0.256', false],
    ['fd00:244:0:1::/64', 'fd00:244:0:1::5', true],
    ['fd00:244:0:1::/64', 'fd00:244:0:2::5', false],
    ['fd00:244::/31', 'fd00:245::1', true],
    ['fd00:244::/32', 'fd00:245::1', false],
    ['::1/128', '::1', true],
    ['fe80::/10', 'febf::1', true],
    ['fd00::/129', 'fd00::1', false],
    ['fd00::/8', 'fd00:::1', false],
    ['fd00::/8', 'fd00::12345', false],
    ['fd00::/8', 'fd00:1', false],
  ]
  for (const [range, address, inside] of cases)
    it(`${range} ${inside ? 'holds' : 'does not hold'} ${address}`, () => expect(contains(range, address)).to.equal(inside))
})

describe('the text of an address', () => {
  const groups = (length: number) =>
    fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: length, maxLength: length })

  it('is the kernel’s, and is read back', () => {
    // What is left of ::/96 and ::ffff:0:0/96 is IPv4 written in another way.
    const plain = groups(8).filter((all) => all.slice(0, 5).some((group) => group !== 0))
    fc.assert(
      fc.property(fc.oneof(plain, groups(2)), (given) => {
        const text = addressOf(given)
        expect(groupsOf(text)).to.deep.equal(given)
        expect(new SocketAddress({ address: text, family: given.length === 2 ? 'ipv4' : 'ipv6' }).address).to.equal(text)
      }),
    )
  })

  it('says which family it is of', () => {
    expect([areOfOneFamily('10.0.0.1', '10.0.0.2'), areOfOneFamily('10.0.0.1', '::1')]).to.deep.equal([true, false])
    expect(ofItsFamily('fd00::5', ['10.0.0.1', 'fd00::1', 'fd00::2'])).to.equal('fd00::1')
    expect(ofItsFamily('10.0.0.5', ['fd00::1'])).to.equal(undefined)
  })
})
