// The checkers prove something: every deliberately wrong version is found within 500 seeds.
import { expect } from 'chai'
import { runSeed } from './run.ts'
import { type Variant, variants } from './variants.ts'

const mostSeeds = 500
const moves = 3

async function firstViolation({ rules, wrong, foundBy }: Variant) {
  const options = { moves, ...(rules ? { rules } : {}), ...(wrong ? { wrong } : {}) }
  for (const seed of [foundBy, ...Array.from({ length: mostSeeds }, (_one, index) => index + 1)]) {
    const [violation] = (await runSeed({ seed, ...options })).violations
    if (violation) return violation
  }
  return undefined
}

describe('the simulation finds that', function () {
  this.timeout(300_000)

  for (const variant of variants) {
    it(variant.name, async () => {
      const violation = await firstViolation(variant)
      expect(violation?.checker, violation?.message ?? `not found within ${mostSeeds} seeds`).to.be.oneOf([...variant.checkers])
    })
  }
})
