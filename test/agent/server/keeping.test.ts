// A source whose move is done over the wire: its images become a checkpoint, the controller reads of it, and takes it away.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { expect } from 'chai'
import { encodeLine } from '../../../src/agent/journal/line.ts'
import type { JournalRecord } from '../../../src/agent/protocol/move.ts'
import { MoveRecord, type MoveRequest } from '../../../src/api/agent-wire.ts'
import { createAgentClient } from '../../../src/migrator/agent-client.ts'
import { moveRequest, uid } from '../samples.ts'
import { Destination } from './destination.ts'

const states = ['moving', 'frozen', 'granted', 'committed'] as const

describe('finishing a Cold move on its source', () => {
  let node: Destination
  beforeEach(async () => {
    node = new Destination()
    await node.start()
  })
  afterEach(() => node.stop())

  const images = () => `${node.config.runDir}/images/${uid}-source`
  const finish = async (change: Partial<MoveRequest>): Promise<MoveRecord> => {
    const records: JournalRecord[] = [
      { type: 'opened', atMs: 1, role: 'source', request: { ...moveRequest, ...change } },
      ...states.map((state) => ({ type: 'state' as const, atMs: 2, state })),
    ]
    mkdirSync(`${node.config.stateDir}/journal`, { recursive: true })
    writeFileSync(`${node.config.stateDir}/journal/${uid}.jsonl`, records.map(encodeLine).join(''))
    mkdirSync(`${images()}/main`, { recursive: true })
    writeFileSync(`${images()}/main/pages-1.img`, 'memory')
    await node.live()
    return await node.as('controller').call(`/v1/migrations/${uid}/finish`, { outcome: 'committed' }, MoveRecord)
  }
  const list = async (as = 'controller') => {
    const client = createAgentClient(`${node.base}/${as}`)
    return await client.checkpoints(node.address)
  }
  const listed = async () => {
    const answer = await list()
    if (answer === 'unreachable') throw new Error('the agent does not answer')
    return answer
  }

  it('keeps its images for as long as it was told', async () => {
    expect(await finish({ mode: 'Cold', keepCheckpointSeconds: 60 })).to.deep.include({ state: 'finished', settled: true, warnings: [] })
    expect(existsSync(images())).to.equal(false)
    let [kept] = await listed()
    while (kept?.phase === 'Keeping') [kept] = await listed()
    // On a disk that is nearly full it is not kept, and says so.
    expect(kept).to.deep.include({ uid, podName: 'cart-7', podUid: moveRequest.pod.uid })
    expect(kept?.phase).to.equal(kept?.message === undefined ? 'Ready' : 'Failed')
    await createAgentClient(`${node.base}/controller`).removeCheckpoint(node.address, uid)
    expect(await list()).to.deep.equal([])
  })

  it('keeps nothing where nothing is asked for, nor of another mode', async () => {
    await finish({ mode: 'Cold', keepCheckpointSeconds: 0 })
    expect(await list()).to.deep.equal([])
    expect(existsSync(images())).to.equal(false)
  })

  it('ends all the same where they cannot be kept', async () => {
    writeFileSync(`${node.config.stateDir}/checkpoints`, 'no folder')
    const record = await finish({ mode: 'Cold', keepCheckpointSeconds: 60 })
    expect(record).to.deep.include({ state: 'finished', settled: true })
    expect(record.warnings).to.have.length(1)
    expect(record.warnings[0]).to.match(/^The checkpoint is not kept: EEXIST|ENOTDIR/)
    expect(existsSync(images())).to.equal(false)
  })

  it('answers nobody but the controller', async () => {
    expect(await list('agent')).to.equal('unreachable')
  })
})
