// What is seen of a request without reading it: the names for any names, and never an ordinary pod where it is one of ours.
import { expect } from 'chai'
import fc from 'fast-check'
import { isOrdinary, namesIn } from '../../src/extender/quick.ts'
import { pod } from './cluster.ts'

const body = (Pod: object | null, NodeNames: unknown) => Buffer.from(JSON.stringify({ Pod, Nodes: null, NodeNames }))

describe('what is seen of a request', () => {
  it('is where the names are, whatever they and the pod say', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), fc.string(), (names, note) => {
        const seen = namesIn(body(pod('shop/web', { annotations: { note, other: '"NodeNames":["x"]}' } }), names))
        if (seen) expect(JSON.parse(String(seen.namesJson))).to.deep.equal(names)
      }),
    )
    const labelled = pod('shop/web', { annotations: { Nodes: 'x', NodeNames: '["x"]' } })
    expect(namesIn(body(labelled, ['a', 'b']))?.namesJson.toString()).to.equal('["a","b"]')
    expect(namesIn(body(pod('shop/web'), ['a', 'b']))?.namesJson.toString()).to.equal('["a","b"]')
  })

  it('is nothing where the form is another', () => {
    for (const text of [
      Buffer.from('{}'),
      body(pod('shop/web'), null),
      body(pod('shop/web'), []),
      Buffer.from('{"Pod":{},"Nodes":null,"NodeNames":["a"],"Later":{"x":["y"]}}'),
    ])
      expect(namesIn(text), String(text)).to.equal(undefined)
  })

  it('is an ordinary pod only where nothing of ours is in it', () => {
    const before = (Pod: object) => namesIn(body(Pod, ['a']))?.before ?? ''
    expect(isOrdinary(before(pod('shop/web', { runtimeClassName: undefined })))).to.equal(true)
    expect(isOrdinary(before(pod('shop/cart')))).to.equal(false)
    const made = pod('shop/web', { runtimeClassName: undefined, annotations: { 'podmotion.io/migration-name': 'shop/m' } })
    expect(isOrdinary(before(made))).to.equal(false)
    expect(isOrdinary('{"Pod":{"spec":{"runtimeClassName":"\\u0070odmotion"}},')).to.equal(false)
    expect(isOrdinary('{"Pod":null,')).to.equal(false)
  })
})
