// How often files are gone over while the pod runs: a storage of pretended lengths stands in for rsync.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import type { AgentContext } from '../../../src/agent/context.ts'
import { FilePasses } from '../../../src/agent/move/file-passes.ts'
import type { MoveRequest } from '../../../src/api/agent-wire.ts'

describe('passes over the files of a pod that runs', () => {
  const { now } = performance
  let runDir: string
  let nowMs: number
  beforeEach(() => {
    nowMs = 0
    performance.now = () => nowMs
    runDir = mkdtempSync(`${tmpdir()}/passes-`)
  })
  afterEach(() => {
    performance.now = now
    rmSync(runDir, { recursive: true })
  })

  /** How many passes are made of which each takes as long as it says, or fails. */
  async function passes(
    takes: readonly (number | Error)[],
    storageStrategy = 'Auto',
    make = async (files: FilePasses) => await files.ahead(),
  ): Promise<number> {
    let made = 0
    const one = async (): Promise<void> => {
      const takesMs = takes[made++]
      if (takesMs instanceof Error) throw takesMs
      nowMs += takesMs ?? 0
    }
    const sync = async ({ final }: { final: boolean }): Promise<void> => {
      expect(final).to.equal(false)
      await one()
    }
    const storage = { sync, keepHot: one, forget: () => undefined }
    const context = { config: { runDir }, moves: { list: () => [] }, storage } as unknown as AgentContext
    const request = { storageStrategy, pod: { uid: 'p', volumes: [] }, destination: { podUid: 'q' }, bandwidthLimitMbps: 0 }
    const files = await FilePasses.start({
      context,
      uid: 'm',
      request: request as unknown as MoveRequest,
      pod: { containers: [] } as never,
      bundles: {},
      open: async () => new PassThrough(),
      take: async () => undefined,
      signal: new AbortController().signal,
    })
    await make(files).finally(() => files.close())
    return made
  }

  it('end with a quick one', async () => expect(await passes([20, 20])).to.equal(1))

  it('go on as long as each is quicker than the one before', async () => expect(await passes([700, 420, 20, 20])).to.equal(3))

  it('end when one was no quicker: as much would be left again', async () => expect(await passes([400, 380, 20])).to.equal(2))

  it('are tried again when they break off, and not for ever', async () => {
    const broken = new Error('rsync exited 23')
    expect(await passes([broken, broken, 20])).to.equal(3)
    expect(await passes([broken, broken, broken, 20]).catch((error: Error) => error.message)).to.equal('rsync exited 23')
  })

  it('are none where files stay', async () => expect(await passes([20], 'Skip')).to.equal(0))

  it('leave what changes all the time to be kept, again until that is quick, and not for ever', async () => {
    const keeps = (takes: (number | Error)[], strategy?: string) => passes(takes, strategy, async (files) => await files.keepHot())
    expect(await keeps([20])).to.equal(1)
    expect(await keeps([4000, 500, 20, 20])).to.equal(3)
    expect(await keeps([4000, 500, 400, 20])).to.equal(3)
    expect(await keeps([new Error('the stream broke'), 20]), 'rsync carries them').to.equal(1)
    expect(await keeps([20], 'Skip')).to.equal(0)
  })
})
