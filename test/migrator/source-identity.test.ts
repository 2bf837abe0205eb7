// What of the source's labels the destination pod still has to get at the cutover.
import { expect } from 'chai'
import { missingLabels } from '../../src/migrator/source-identity.ts'
import { makePod } from './world.ts'

const zone = 'topology.kubernetes.io/zone'
const missing = (source: Record<string, string>, own: Record<string, string>) =>
  missingLabels({ labels: source, ownerReferences: [] }, makePod({ metadata: { labels: own } }))

describe("the source's labels on the destination", () => {
  it('are given where they are missing or another', () =>
    expect(missing({ app: 'cart', tier: 'a', team: 'x' }, { tier: 'b', team: 'x' })).to.deep.equal({ app: 'cart', tier: 'a' }))

  it('leave the zone that the pod has from its new node', () => expect(missing({ [zone]: 'a' }, { [zone]: 'b' })).to.deep.equal({}))

  it('bring the zone where no node gave one', () => expect(missing({ [zone]: 'a' }, {})).to.deep.equal({ [zone]: 'a' }))
})
