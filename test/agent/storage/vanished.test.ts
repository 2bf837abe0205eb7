// Files of a pod that go, during a pass and after it. Real rsync.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { createPodStorage } from '../../../src/agent/storage/pod-storage.ts'
import { configIn, type Peer, startPeer } from './peer.ts'

describe('files that vanish', function () {
  this.timeout(30_000)
  let folder: string
  let peer: Peer
  let storage: ReturnType<typeof createPodStorage>
  let source: string
  let destination: string

  beforeEach(async function () {
    if (process.getuid?.() !== 0) this.skip()
    folder = mkdtempSync('/var/tmp/podmotion-vanished-')
    const emptyDir = (uid: string): string => path.join(folder, 'kubelet/pods', uid, 'volumes/kubernetes.io~empty-dir/data')
    ;[source, destination] = [emptyDir('source-uid'), emptyDir('destination-uid')]
    for (const one of [source, destination]) mkdirSync(one, { recursive: true })
    const config = configIn(folder)
    storage = createPodStorage(config)
    peer = await startPeer(config, path.join(folder, 'peer.sock'))
  })

  afterEach(() => {
    storage?.forget('m1')
    peer?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const sync = (final: boolean, bandwidthLimitMbps = 0): Promise<number> =>
    storage.sync({
      uid: 'm1',
      pod: { uid: 'source-uid', containers: [], volumes: [{ name: 'data', kind: 'emptyDir' }] },
      destination: { transportSocket: peer.socket, podUid: 'destination-uid', bundles: {} },
      final,
      bandwidthLimitMbps,
    })
  const sh = (script: string): string => execFileSync('sh', ['-ec', script], { cwd: folder, encoding: 'utf8' })

  it('while a pass reads them are sent by the last pass if they are there again, without comparing all others', async () => {
    sh(
      `cd ${source}; head -c 8M /dev/urandom > big; touch -d 2020-01-01 big; echo 1 > gone; mkdir away; echo 2 > away/deep; echo 3 > stays`,
    )
    // What changed just before a pass is sent again in any case.
    await sleep(100)
    const pass = sync(false, 40)
    // The pass is at `big` for a second and a half; it has listed all others by now.
    await sleep(600)
    sh(`cd ${source}; rm gone; mv away elsewhere`)
    await pass
    // The folder is back, and no time of what is in it says so.
    sh(`cd ${source}; mv elsewhere away`)
    expect(sh(`ls ${destination}/away`), 'the pass did not find it').to.equal('')
    // Only who compares everything would see this.
    sh(`cd ${destination}; printf x | dd of=big bs=1 conv=notrunc status=none; touch -r ${source}/big big`)
    await sync(true)
    expect(sh(`diff -r ${source} ${destination} || true`)).to.equal(`Binary files ${source}/big and ${destination}/big differ\n`)
    expect(peer.errors).to.deep.equal(['Receiving files: rsync exited 24 (it said nothing)'])
  })

  it('after a pass are deleted on the destination before the freeze, and sent if they come back', async () => {
    sh(`cd ${source}; mkdir away; echo 1 > away/deep; echo 2 > gone; echo 3 > stays; echo 4 > again`)
    await sleep(100)
    await sync(false)
    sh(`cd ${source}; rm gone again; mv away elsewhere`)
    await storage.keepHot('m1', async () => undefined)
    expect(sh(`cd ${destination}; find . -type f | sort`)).to.equal('./stays\n')
    sh(`cd ${source}; mv elsewhere away; echo 5 > again`)
    await sync(true)
    expect(sh(`diff -r ${source} ${destination}; ls ${destination}`)).to.equal('again\naway\nstays\n')
    sh(`cd ${source}; rm again`)
    await sync(true)
    expect(sh(`ls ${destination}`), 'a second time').to.equal('away\nstays\n')
    expect(peer.errors).to.deep.equal([])
  })

  it('while they were kept up to date, and come back as others, are those others', async () => {
    sh(`cd ${source}; head -c 1M /dev/urandom > table; echo 1 > stays`)
    await sync(false)
    const write = (): string => sh(`head -c 1M /dev/urandom > ${source}/table`)
    write()
    await storage.keepHot('m1', async () => undefined)
    expect(sh(`diff -r ${source} ${destination}`), 'it is kept').to.equal('')
    sh(`rm ${source}/table`)
    await storage.keepHot('m1', async () => undefined)
    expect(sh(`ls ${destination}`)).to.equal('stays\n')
    for (const look of ['once', 'twice']) {
      write()
      await storage.keepHot('m1', async () => undefined)
      expect(sh(`ls ${destination}`), look).to.equal('stays\n')
    }
    await sync(true)
    expect(sh(`diff -r ${source} ${destination}`)).to.equal('')
    expect(peer.errors).to.deep.equal([])
  })
})
