// Bodies of kube-scheduler: the quick way of reading them gives what the ordinary way gives, and what is wrong is refused.
import { expect } from 'chai'
import fc from 'fast-check'
import { askedOf, neutralJson, WrongRequest } from '../../src/extender/asked.ts'
import { pod } from './cluster.ts'

/** As Go writes ExtenderArgs. */
const body = (Pod: object | null, NodeNames: unknown, Nodes: object | null = null) => Buffer.from(JSON.stringify({ Pod, Nodes, NodeNames }))

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value))

describe('what the scheduler asks', () => {
  it('reads any names and any pod as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.dictionary(fc.string(), fc.string()), (names, annotations) => {
        const Pod = pod('shop/cart', { annotations: { ...annotations, note: '"NodeNames":["x"]}' } })
        const { pod: read, names: readNames } = askedOf(body(Pod, names))
        expect(readNames).to.deep.equal(names)
        expect(read).to.deep.equal(JSON.parse(JSON.stringify(Pod)))
      }),
    )
  })

  it('gives no points to any names without reading them', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (names) => {
        expect(JSON.parse(neutralJson(Buffer.from(JSON.stringify(names))))).to.deep.equal(names.map((Host) => ({ Host, Score: 0 })))
      }),
      // Looks like two names where it is one that ends in an escaped quote and a comma.
      { examples: [[['",', '']]] },
    )
  })

  it('gives the same list again for the same names, and not for others', () => {
    const first = askedOf(body(pod('shop/a'), ['a', 'b'])).names
    expect(askedOf(body(pod('shop/b'), ['a', 'b'])).names).to.equal(first)
    expect(askedOf(body(pod('shop/b'), ['b', 'a'])).names).to.deep.equal(['b', 'a'])
  })

  it('takes the names from who knows them, or reads them', () => {
    const known = ['a', 'b']
    expect(askedOf(body(pod('shop/a'), ['a', 'b', 'c']), () => known).names).to.equal(known)
    expect(askedOf(body(pod('shop/a'), ['a', 'b', 'd']), () => undefined).names).to.deep.equal(['a', 'b', 'd'])
  })

  it('takes fields in another order, and more of them', () => {
    expect(askedOf(encoded({ NodeNames: ['a'], Pod: pod('shop/a'), Later: ['x'] })).names).to.deep.equal(['a'])
    expect(askedOf(encoded({ Pod: pod('shop/a'), NodeNames: ['a'], Later: 1 })).names).to.deep.equal(['a'])
    expect(askedOf(encoded({ Pod: pod('shop/a'), NodeNames: ['a'], Later: ['x'] }))).not.to.have.property('namesJson')
  })

  it('takes whole nodes, and null for either', () => {
    const asked = askedOf(body(pod('shop/a'), null, { items: [{ metadata: { name: 'a' } }] }))
    expect(asked.names).to.deep.equal(['a'])
    expect(asked.items).to.have.length(1)
    expect(askedOf(body(null, ['a']))).to.deep.include({ pod: undefined, names: ['a'] })
    expect(askedOf(body(null, null))).to.deep.include({ pod: undefined, names: [], items: undefined })
  })

  for (const [what, text, message] of [
    ['names that are no strings', body(pod('shop/a'), ['a', 7]), /^Reading ExtenderArgs: NodeNames\.1: /],
    ['no JSON', '{"Pod":', /^Reading ExtenderArgs: .*: expected JSON$/],
    ['a pod that is none', JSON.stringify({ Pod: 7, NodeNames: ['a'] }), /^Reading ExtenderArgs: Pod: /],
  ] as const)
    it(`refuses ${what}`, () => {
      expect(() => askedOf(Buffer.from(text)).names).to.throw(WrongRequest, message)
    })
})
