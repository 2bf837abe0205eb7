// Which tracker copies memory ahead, by kernel, destination and the agent's environment.
import { expect } from 'chai'
import type { MemoryTracker } from '../../../src/agent/config.ts'
import { chooseTracker, wantsStores } from '../../../src/agent/memory/trackers.ts'

const [userfaultfd, softDirty] = [{ tracker: 'userfaultfd' }, { tracker: 'soft-dirty' }]
const kernels = {
  new: { userfaultfd: true, softDirty: false },
  old: { userfaultfd: false, softDirty: true },
  both: { userfaultfd: true, softDirty: true },
  none: { userfaultfd: false, softDirty: false },
}

describe('the tracker of a move', () => {
  const cases: [MemoryTracker, keyof typeof kernels, boolean, unknown][] = [
    ['auto', 'new', true, userfaultfd],
    ['auto', 'both', true, userfaultfd],
    ['auto', 'both', false, softDirty],
    ['auto', 'old', false, softDirty],
    ['auto', 'new', false, /^the destination cannot take memory ahead/],
    ['auto', 'none', false, /it has no soft-dirty bits, and is older than Linux 6\.7$/],
    ['userfaultfd', 'old', false, /it is older than Linux 6\.7$/],
    ['userfaultfd', 'both', false, /^the destination cannot take memory ahead/],
    ['soft-dirty', 'both', true, softDirty],
    ['soft-dirty', 'new', true, /it has no soft-dirty bits$/],
    ['none', 'both', true, /^MEMORY_TRACKER=none/],
  ]
  for (const [wanted, kernel, stores, expected] of cases) {
    it(`${wanted}, kernel ${kernel}, ${stores ? 'with' : 'without'} stores`, () => {
      const choice = chooseTracker(wanted, kernels[kernel], stores)
      if (expected instanceof RegExp) expect((choice as { reason: string }).reason).to.match(expected)
      else expect(choice).to.deep.equal(expected)
    })
  }

  it('starts no stores that nobody would fill', () => {
    const wanting = (['auto', 'userfaultfd', 'soft-dirty', 'none'] as const).filter((wanted) => wantsStores(wanted, kernels.both))
    expect(wanting).to.deep.equal(['auto', 'userfaultfd'])
    expect(wantsStores('auto', kernels.old)).to.equal(false)
  })
})
