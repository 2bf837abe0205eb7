// The checkers prove something: every deliberately wrong version is found within 500 seeds.
import { expect } from 'chai'
import { runSeed } from './run.ts'
import { variants } from './variants.ts'

const mostSeeds = 500
const moves = 3

describe('the simulation finds that', function () {
  this.timeout(300_000)

  for (const { name, rules, wrong, checkers } of variants) {
    it(name, async () => {
      for (let seed = 1; seed <= mostSeeds; seed++) {
        const { violations } = await runSeed({ seed, moves, ...(rules ? { rules } : {}), ...(wrong ? { wrong } : {}) })
        const [first] = violations
        if (!first) continue
        expect(first.checker, first.message).to.be.oneOf([...checkers])
        return
      }
      expect.fail(`not found within ${mostSeeds} seeds`)
    })
  }
})
