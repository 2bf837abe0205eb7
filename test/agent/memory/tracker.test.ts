// What the agent makes of a tracker's lines: a script stands in for podmotion-pages.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect } from 'chai'
import { Tracker } from '../../../src/agent/memory/tracker.ts'

const round =
  '{"processes":2,"untracked":[],"pages":3,"zeroPages":1,"bytes":12288,"sent":4096,"segments":0,"suspect":0,"pauseUs":9,"stopUs":1,"elapsedUs":70}'

describe('a tracker', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(`${tmpdir()}/tracker-`)
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  function trackerThat(cases: string): Tracker {
    const program = `${folder}/podmotion-pages`
    writeFileSync(program, `#!/bin/sh\nwhile read -r line; do case $line in ${cases} esac; done\n`)
    chmodSync(program, 0o755)
    return new Tracker({ program, freezer: '/f', stream: '/s', skip: '/k', packed: false })
  }

  async function failureOf(work: Promise<unknown>): Promise<string> {
    return await work.then(
      () => 'no failure',
      (error: Error) => error.message,
    )
  }

  it('answers rounds one after the other', async () => {
    const tracker = trackerThat(`round) echo '${round}';;`)
    expect((await tracker.round()).bytes).to.equal(12288)
    expect((await tracker.round()).pages).to.equal(3)
    tracker.close()
  })

  it('lets the dump begin before everything has arrived', async () => {
    const tracker = trackerThat(`final) echo '{"listed":true}'; echo '{"final":true,"missing":0,"bytes":5,"sent":3}';;`)
    const { listed, complete } = tracker.final()
    await listed
    expect(await complete).to.deep.equal({ bytes: 5, sent: 3, left: 0 })
    tracker.close()
  })

  it('leaves at the end what can be asked for later, where it is told to', async () => {
    const tracker = trackerThat(`'final later') echo '{"listed":true}'; echo '{"final":true,"missing":0,"bytes":5,"sent":3,"left":4096}';;`)
    expect(await tracker.final(true).complete).to.deep.equal({ bytes: 5, sent: 3, left: 4096 })
    tracker.close()
  })

  it('says whether somebody came since the last round', async () => {
    const tracker = trackerThat(`came) echo '{"came":true}';;`)
    expect(await tracker.came()).to.equal(true)
    tracker.close()
  })

  it('is no good when a page is missing', async () => {
    const tracker = trackerThat(`final) echo '{"listed":true}'; echo '{"final":true,"missing":2,"bytes":5,"sent":3}';;`)
    expect(await failureOf(tracker.final().complete)).to.match(/2 pages never reached the destination/)
    tracker.close()
  })

  it('says what the program says, and how it ended', async () => {
    const refusing = trackerThat(`round) echo '{"error":"no userfaultfd"}';;`)
    expect(await failureOf(refusing.round())).to.match(/no userfaultfd/)
    refusing.close()
    const dying = trackerThat(`round) echo 'out of memory' >&2; exit 1;;`)
    expect(await failureOf(dying.round())).to.match(/ended \(out of memory\)/)
    expect(await failureOf(dying.round()), 'asked again').to.match(/ended/)
  })

  it('packs contents only for a store that takes them so', async () => {
    const program = `${folder}/podmotion-pages`
    const told = async (packed: boolean): Promise<string> => {
      writeFileSync(program, `#!/bin/sh\necho "{\\"error\\":\\"$*\\"}"\n`)
      chmodSync(program, 0o755)
      return await failureOf(new Tracker({ program, freezer: '/f', stream: '/s', skip: '/k', packed }).round())
    }
    expect(await told(true)).to.match(/--skip \/k --pack lz4$/)
    expect(await told(false)).to.match(/--skip \/k$/)
  })

  it('fails when the program is not there', async () => {
    const tracker = new Tracker({ program: `${folder}/none`, freezer: '/f', stream: '/s', skip: '/k', packed: false })
    expect(await failureOf(tracker.round())).to.match(/ENOENT/)
  })
})
