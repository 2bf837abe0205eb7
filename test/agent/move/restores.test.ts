// Restores that are given up, or asked for, before there is anything to restore.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect } from 'chai'
import type { AgentContext } from '../../../src/agent/context.ts'
import { Restores } from '../../../src/agent/move/restores.ts'

describe('the restores of a pod that is received', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(`${tmpdir()}/restores-`)
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const restoresOf = (pod: () => object): Restores =>
    new Restores({ config: { helper: '/bin/true' } } as unknown as AgentContext, 'm', pod as never)
  const saying = async (work: Promise<unknown>): Promise<string> =>
    await work.then(
      () => '',
      (error: Error) => error.message,
    )

  it('go to no gate unarmed', async () => {
    const restores = restoresOf(() => ({ pod: { containers: ['main'] } }))
    expect(await saying(restores.toGates([]))).to.equal('Restoring migration m: its restores were never armed')
  })

  it('stop waiting for what criu needs when they are given up', async () => {
    const restores = restoresOf(() => ({ pod: { containers: ['main'] }, folders: () => ({ images: folder }) }))
    const arming = saying(restores.arm({ lazy: false }))
    restores.close()
    expect(await arming).to.equal('given up')
  })

  it('are given up where no pod was ever awaited', () => {
    const restores = restoresOf(() => {
      throw new Error('never awaited')
    })
    restores.close()
    expect(restores.containers).to.deep.equal([])
  })
})
