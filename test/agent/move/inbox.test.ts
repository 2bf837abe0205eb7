// What a source may write on a node that receives a pod: into that pod, and nowhere else.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import type { AgentContext } from '../../../src/agent/context.ts'
import { Inbox } from '../../../src/agent/move/inbox.ts'

describe('the inbox of a pod that is received', () => {
  let podLogDir: string
  let inbox: Inbox
  beforeEach(() => {
    podLogDir = mkdtempSync(`${tmpdir()}/inbox-`)
    const pod = {
      pod: { namespace: 'shop', name: 'cart-7-m1', containers: ['main'] },
      bundles: async () => ({ main: '/run/bundles/c0ffee' }),
      folders: (name: string) => ({ images: `/images/${name}`, meeting: `/awaited/${name}` }),
    }
    inbox = new Inbox({ config: { podLogDir } } as unknown as AgentContext, () => pod as never)
    inbox.podUid = 'pod-2'
  })
  afterEach(() => rmSync(podLogDir, { recursive: true }))

  const refusal = (work: () => unknown): Promise<string> =>
    Promise.resolve()
      .then(work)
      .then(
        () => 'accepted',
        ({ code }: { code: string }) => code,
      )

  it('takes files into the root and the emptyDirs of this pod alone', async () => {
    const check = (root: object) => refusal(() => inbox.checkRoot(root as never))
    expect(await check({ kind: 'emptyDir', podUid: 'pod-2', volume: 'data' })).to.equal('accepted')
    expect(await check({ kind: 'emptyDir', podUid: 'pod-3', volume: 'data' })).to.equal('ForeignFolder')
    expect(await check({ kind: 'rootfs', bundle: '/run/bundles/c0ffee' })).to.equal('accepted')
    expect(await check({ kind: 'rootfs', bundle: '/run/bundles/other' })).to.equal('ForeignFolder')
  })

  it('takes memory for its containers alone', async () => {
    expect(inbox.meetingOf('main')).to.equal('/awaited/main')
    expect(await refusal(() => inbox.meetingOf('other'))).to.equal('UnknownContainer')
  })

  it('puts logs where kubelet looks for them, once it has begun one', () => {
    const { containers, imageFolder, logFile } = inbox.target()
    expect([containers, imageFolder('main'), logFile('main')]).to.deep.equal([['main'], '/images/main', undefined])
    const folder = `${podLogDir}/shop_cart-7-m1_pod-2/main`
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/0.log`, '')
    expect(logFile('main')).to.equal(`${folder}/0.log`)
  })

  it('takes no shared memory for a pod that has none', async () => {
    expect(await refusal(() => inbox.target().sharedFolder())).to.equal('NoSharedMemory')
  })

  it('ends what still comes', () => {
    const [open, over] = [new PassThrough(), new PassThrough()]
    inbox.keep(open)
    inbox.keep(over)
    over.emit('close')
    inbox.close()
    expect([open.destroyed, over.destroyed]).to.deep.equal([true, false])
  })
})
