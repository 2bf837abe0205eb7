import { expect } from 'chai'
import { annotations } from '../../src/api/names.ts'
import { pinnedTerms, withoutPin } from '../../src/extender/pin.ts'

const zone = { matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] }

function received(terms: ReturnType<typeof pinnedTerms>, migration: string | undefined = 'uid') {
  return {
    metadata: { name: 'cart', ...(migration ? { annotations: { [annotations.migration]: migration } } : {}) },
    spec: { containers: [], affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } } } },
  }
}

describe('the pin of a received pod', () => {
  it('is on every term, or a term of its own', () => {
    expect(pinnedTerms(undefined, 'b')).to.deep.equal([{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['b'] }] }])
    expect(pinnedTerms([zone, zone], 'b').every((term) => term.matchFields?.length === 1)).to.equal(true)
  })

  it('comes off whole, so that the pod can move on', () => {
    expect(withoutPin(received(pinnedTerms(undefined, 'b'))).spec?.affinity?.nodeAffinity).to.deep.equal({})
  })

  it('comes off and leaves what the user wrote', () => {
    const terms = withoutPin(received(pinnedTerms([zone], 'b'))).spec?.affinity?.nodeAffinity
      ?.requiredDuringSchedulingIgnoredDuringExecution
    expect(terms?.nodeSelectorTerms).to.deep.equal([zone])
  })

  it('of a pod that we did not make stays', () => {
    const own = received(pinnedTerms(undefined, 'b'), '')
    expect(withoutPin(own)).to.equal(own)
  })
})
