// Versions as Debian writes them, and the oldest that work.
import { expect } from 'chai'
import { isOlder, parseVersions, tooOld, upstreamVersion } from './packages.ts'

describe('versions of Debian packages', () => {
  const upstream: [string, string][] = [
    ['4.2.1-1', '4.2.1'],
    ['2.1.9~ds1-2+b3', '2.1.9'],
    ['1:1.4.9-1', '1.4.9'],
    ['1.3.6+ds1-1', '1.3.6'],
  ]
  for (const [debian, version] of upstream) {
    it(`reads ${debian} as ${version}`, () => expect(upstreamVersion(debian)).to.equal(version))
  }

  it('compares by numbers, not by letters', () => {
    expect(isOlder('4.10', '4.2.1')).to.equal(false)
    expect(isOlder('4.2', '4.2.1')).to.equal(true)
    expect(isOlder('4.2.1', '4.2.1')).to.equal(false)
  })

  it('names all that are too old or missing at once', () => {
    const problems = tooOld(parseVersions('criu 4.1.1-1\nrunc 1.3.6-1\n'))
    expect(problems).to.deep.equal(['criu 4.1.1 is older than 4.2.1', 'containerd is not installed (needs 2.1)'])
  })
})
