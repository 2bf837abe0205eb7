// The merge patch: applied to the old value it gives the new one, and says nothing that did not change.
import { expect } from 'chai'
import fc from 'fast-check'
import { mergePatchOf } from '../../src/migrator/status-patch.ts'

type Json = Record<string, unknown>

/** RFC 7386, as the API server does it. */
function apply(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const base: Json = typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...(target as Json) } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete base[key]
    else base[key] = apply(base[key], value)
  }
  return base
}

const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer()))
const names = fc.constantFrom('a', 'b', 'c', 'd')
const values = fc.dictionary(names, fc.oneof(leaf, fc.dictionary(names, leaf)))

describe('merge patch of a status', () => {
  it('turns the old into the new', () => {
    fc.assert(
      fc.property(values, values, (before, after) => {
        const patch = mergePatchOf(before, after)
        expect(apply(before, patch ?? {})).to.deep.equal({ ...after })
      }),
    )
  })

  it('is nothing when nothing changed', () => {
    fc.assert(fc.property(values, (value) => void expect(mergePatchOf(value, structuredClone(value))).to.equal(undefined)))
  })

  it('names only what changed', () => {
    expect(mergePatchOf({ phase: 'Pending', keep: 1, gone: { x: 1 } }, { phase: 'Validating', keep: 1 })).to.deep.equal({
      phase: 'Validating',
      gone: null,
    })
  })
})
