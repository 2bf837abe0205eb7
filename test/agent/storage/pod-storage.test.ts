// Real overlays, real rsync: after the last pass the destination's folders are the source's, whatever the pod did to them.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { StorageDestination, StoragePod } from '../../../src/agent/rooms.ts'
import { createPodStorage } from '../../../src/agent/storage/pod-storage.ts'
import { canSeeMappings, passesAmongItsOwn } from './hidden-mappings.ts'
import { configIn, type Peer, startPeer } from './peer.ts'

const pod = (folder: string): StoragePod => ({
  uid: 'source-uid',
  containers: [{ name: 'app', id: 'aaa', bundle: path.join(folder, 'task/aaa') }],
  volumes: [
    { name: 'data', kind: 'emptyDir' },
    { name: 'token', kind: 'projected' },
  ],
})

/** A big table, a file that grows and is cut, one written through memory, and names that come and go. */
const restlessWriter = `import mmap, os, random, sys
os.chdir(sys.argv[1])
random.seed(int(sys.argv[2]))
open('table', 'wb').write(os.urandom(40 << 20))
open('mapped', 'wb').write(os.urandom(1 << 20))
table, cut = os.open('table', os.O_RDWR), os.open('cut', os.O_RDWR | os.O_CREAT)
memory = mmap.mmap(os.open('mapped', os.O_RDWR), 1 << 20)
print('started', flush=True)
while True:
    for _ in range(20): os.pwrite(table, os.urandom(8192), random.randrange(5000) * 8192)
    at = random.randrange(1 << 20)
    memory[at] = random.randrange(256)
    os.pwrite(cut, os.urandom(random.randrange(100000)), random.randrange(500000))
    if random.random() < 0.1: os.ftruncate(cut, random.randrange(600000))
    if random.random() < 0.002: os.ftruncate(table, random.randrange(30 << 20, 40 << 20))
    name = 'f%d' % random.randrange(4)
    open('next', 'wb').write(os.urandom(random.randrange(200000)))
    os.rename('next', name)
    if random.random() < 0.2: os.unlink(name)
`

describe('copying the files of a pod', function () {
  this.timeout(30_000)
  let folder: string
  let peer: Peer
  let destination: StorageDestination

  beforeEach(async function () {
    if (process.getuid?.() !== 0) this.skip()
    folder = mkdtempSync('/var/tmp/podmotion-storage-')
    sh(
      'mkdir -p image/etc image/opaque/sub image/gone; echo old > image/etc/conf; echo hidden > image/opaque/sub/f; echo x > image/opaque/g',
    )
    sh('echo y > image/gone/file; echo stays > image/etc/stays; echo typed > image/typed')
    for (const id of ['aaa', 'bbb']) mountOverlay(id)
    for (const uid of ['source-uid', 'destination-uid']) mkdirSync(emptyDir(uid), { recursive: true })
    const config = configIn(folder)
    peer = await startPeer(config, path.join(folder, 'peer.sock'))
    destination = { transportSocket: peer.socket, podUid: 'destination-uid', bundles: { app: path.join(folder, 'task/bbb') } }
  })

  afterEach(async () => {
    storage?.forget('m1')
    for (const id of ['aaa', 'bbb']) await unmount(path.join(folder, 'task', id, 'rootfs'))
    peer?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('carries every kind of change of the writable layer', async () => {
    sh(`cd task/aaa/rootfs && echo new > etc/conf && rm -r gone && rm -r opaque && mkdir opaque && echo only > opaque/only
      mkdir -p made/deep && echo z > made/deep/z && ln made/deep/z made/hard && ln -s /etc/passwd made/link && mkfifo made/pipe
      setfattr -n user.colour -v red made/deep/z 2>/dev/null || true; chown 70:70 made/deep; chmod 2755 made
      truncate -s 5M made/sparse; rm typed; mkdir typed; touch 'made/with space and
newline'; printf x > "$(printf 'made/\\377bytes')"`)
    await sync(false)
    sh('cd task/aaa/rootfs && rm -r made/deep && echo later > etc/later && mkdir gone && echo back > gone/back')
    await sync(true)
    expect(differences('task/aaa/rootfs/', 'task/bbb/rootfs/')).to.equal('')
    expect(sh('stat -c "%u %a" task/bbb/rootfs/made')).to.equal('0 2755\n')
    expect(sh('ls task/bbb/rootfs/opaque task/bbb/rootfs/gone').split('\n')).to.include.members(['only', 'back']).and.not.include('g')
    expect(peer.errors).to.deep.equal([])
  })

  it('carries emptyDirs, deletes what was deleted, and leaves other volumes alone', async () => {
    writeFileSync(path.join(emptyDir('source-uid'), 'a'), 'first')
    writeFileSync(path.join(emptyDir('source-uid'), 'b'), 'second')
    await sync(false)
    sh(`rm ${emptyDir('source-uid')}/b; mkdir ${emptyDir('source-uid')}/sub; echo c > ${emptyDir('source-uid')}/sub/c`)
    await sync(true)
    expect(differences(`${emptyDir('source-uid')}/`, `${emptyDir('destination-uid')}/`)).to.equal('')
    expect(sh(`ls ${emptyDir('destination-uid')}`)).to.equal('a\nsub\n')
  })

  it('sees a file that was written again within the same tick, with the same size', async () => {
    const file = path.join(emptyDir('source-uid'), 'counter')
    writeFileSync(file, 'one')
    const now = new Date()
    utimesSync(file, now, now)
    await sync(false)
    writeFileSync(file, 'two')
    utimesSync(file, now, now)
    await sync(true)
    expect(sh(`cat ${emptyDir('destination-uid')}/counter`)).to.equal('two')
  })

  it('sends only changed blocks of a big file in the last pass', async () => {
    sh(`head -c 40M /dev/urandom > ${emptyDir('source-uid')}/table`)
    await sync(false)
    sh(`printf changed | dd of=${emptyDir('source-uid')}/table bs=1 seek=4000000 conv=notrunc 2>/dev/null`)
    const sent = await sync(true)
    expect(sent).to.be.greaterThan(0).and.lessThan(200_000)
    expect(differences(`${emptyDir('source-uid')}/`, `${emptyDir('destination-uid')}/`)).to.equal('')
  })

  it('sees what a renamed folder brought under known names', async () => {
    const data = emptyDir('source-uid')
    sh(`mkdir ${data}/a ${data}/b; echo one > ${data}/a/x; echo two > ${data}/b/x`)
    await sync(false)
    await sleep(50)
    sh(`mv ${data}/a ${data}/c; mv ${data}/b ${data}/a; mv ${data}/c ${data}/b`)
    await sync(true)
    expect(sh(`cat ${emptyDir('destination-uid')}/a/x ${emptyDir('destination-uid')}/b/x`)).to.equal('two\none\n')
  })

  it('sends a file that is written through memory, although no time tells', async () => {
    const data = emptyDir('source-uid')
    writeFileSync(path.join(data, 'mapped'), 'x'.repeat(4096))
    const program = `import mmap,os,sys
m = mmap.mmap(os.open("/mnt/mapped", os.O_RDWR), 4096)
m[0:3] = b"one"
print("mapped", flush=True)
sys.stdin.readline()
m[0:3] = b"two"
print("written", flush=True)
sys.stdin.readline()`
    const writer = spawn('unshare', ['-m', 'sh', '-c', `mount --bind ${data} /mnt && exec python3 -c '${program}'`], { stdio: 'pipe' })
    try {
      await once(writer.stdout, 'data')
      writeFileSync(path.join(folder, 'task/aaa/init.pid'), String(writer.pid))
      // The page is dirty and stays writable: the later write faults no more, so it changes no time.
      await sleep(50)
      await sync(false)
      const before = statSync(path.join(data, 'mapped')).ctimeMs
      writer.stdin.write('\n')
      await once(writer.stdout, 'data')
      expect(statSync(path.join(data, 'mapped')).ctimeMs).to.equal(before)
      await sync(true)
    } finally {
      writer.kill('SIGKILL')
    }
    expect(sh(`head -c 3 ${emptyDir('destination-uid')}/mapped`)).to.equal('two')
  })

  it('needs no earlier pass, and distrusts what one of another life left', async () => {
    sh(
      `echo one > ${emptyDir('source-uid')}/f; echo two > ${emptyDir('destination-uid')}/f; touch -r ${emptyDir('source-uid')}/f ${emptyDir('destination-uid')}/f`,
    )
    sh(`echo left > ${emptyDir('destination-uid')}/left`)
    await sync(true)
    expect(differences(`${emptyDir('source-uid')}/`, `${emptyDir('destination-uid')}/`)).to.equal('')
  })

  it('starts another rsync when the one that waited for the freeze was lost', async () => {
    await sync(false)
    writeFileSync(path.join(emptyDir('source-uid'), 'late'), 'late')
    peer.dropStreams()
    await sync(true)
    expect(sh(`cat ${emptyDir('destination-uid')}/late`)).to.equal('late')
  })

  describe('a file that is written all the time', () => {
    const log = (): string => path.join(emptyDir('source-uid'), 'log')
    const append = (): string => sh(`head -c 100000 /dev/urandom | dd of=${log()} bs=1000 seek=5000 conv=notrunc 2>/dev/null`)
    const same = (): string => differences(`${emptyDir('source-uid')}/`, `${emptyDir('destination-uid')}/`)

    beforeEach(async () => {
      sh(`mkdir ${emptyDir('source-uid')}/quiet; echo x > ${emptyDir('source-uid')}/quiet/x; head -c 8M /dev/urandom > ${log()}`)
      await sync(false)
      append()
      await sync(false)
      await storage?.keepHot('m1', async () => undefined)
    })

    it('goes by what changed since it was kept, with its times', async () => {
      append()
      sh(`echo y > ${emptyDir('source-uid')}/quiet/y`)
      expect(await sync(true)).to.be.within(100_000, 130_000)
      expect(same()).to.equal('')
      expect(peer.errors).to.deep.equal([])
    })

    it('is read only where it was written, in an emptyDir and in a writable layer', async function () {
      this.timeout(60_000)
      if (!canSeeMappings()) return passesAmongItsOwn(this.test?.fullTitle() ?? '', import.meta.filename)
      const layer = path.join(folder, 'task/aaa/rootfs/etc/big')
      const change = (file: string, at: number): string => sh(`printf ${at} | dd of=${file} bs=1 seek=${at} conv=notrunc 2>/dev/null`)
      sh(`head -c 8M /dev/urandom > ${layer}`)
      await sync(false)
      change(layer, 5_000_000)
      await storage?.keepHot('m1', async () => undefined)
      const before = readByHelpers()
      change(layer, 6_000_000)
      change(log(), 3_000_000)
      expect(await sync(true)).to.be.within(8192, 12_000)
      // The kernel’s account of what others write is among it.
      expect(readByHelpers() - before).to.be.lessThan(4_000_000)
      expect(same()).to.equal('')
      expect(differences('task/aaa/rootfs/', 'task/bbb/rootfs/')).to.equal('')
    })

    it('has its own times on the destination although nothing changed it any more', async () => {
      await sync(true)
      expect(same()).to.equal('')
    })

    it('is the same when keeping it broke off in the middle', async () => {
      storage?.forget('m1')
      storage = undefined
      await sync(false)
      sh(`head -c 3M /dev/urandom | dd of=${log()} bs=1M seek=4 conv=notrunc 2>/dev/null`)
      let pieces = 0
      const broken = async (): Promise<void> => {
        if (++pieces === 3) throw new Error('no more')
      }
      const failed = await current()
        .keepHot('m1', broken)
        .catch(({ message }: Error) => message)
      expect(failed).to.equal('no more')
      await sync(true)
      expect(same()).to.equal('')
    })

    it('may be as large as a table', async () => {
      sh(`head -c 40M /dev/urandom > ${emptyDir('source-uid')}/table`)
      await sync(false)
      await storage?.keepHot('m1', async () => undefined)
      sh(`printf changed | dd of=${emptyDir('source-uid')}/table bs=1 seek=30000000 conv=notrunc 2>/dev/null`)
      expect(await sync(true)).to.be.lessThan(20_000)
      expect(same()).to.equal('')
    })

    it('may be new, or gone again', async () => {
      sh(
        `cd ${emptyDir('source-uid')}; for name in new quiet/new brief; do head -c 200K /dev/urandom > $name; done; chmod 640 new; chown 70:70 new`,
      )
      await storage?.keepHot('m1', async () => undefined)
      sh(`cd ${emptyDir('source-uid')}; rm brief; printf changed | dd of=new bs=1 seek=100000 conv=notrunc 2>/dev/null`)
      expect(await sync(true)).to.be.within(4096, 10_000)
      expect(same()).to.equal('')
    })

    it('may be replaced by another one between two looks', async () => {
      sh(`cd ${emptyDir('source-uid')}; cp log next; printf changed | dd of=next bs=1 seek=100000 conv=notrunc 2>/dev/null; mv next log`)
      await storage?.keepHot('m1', async () => undefined)
      append()
      expect(await sync(true)).to.be.within(100_000, 130_000)
      expect(same()).to.equal('')
    })

    for (const megabytes of [1, 40]) {
      it(`is left alone by all passes but the first, and is kept: of ${megabytes} MB`, async () => {
        const table = path.join(emptyDir('source-uid'), 'table')
        const change = (at: number): string => sh(`printf changed | dd of=${table} bs=1 seek=${at} conv=notrunc 2>/dev/null`)
        sh(`head -c ${megabytes}M /dev/urandom > ${table}`)
        expect(await sync(false)).to.be.greaterThan(megabytes << 20)
        change(500_000)
        sh(`head -c 50K /dev/urandom > ${path.join(emptyDir('source-uid'), 'small')}`)
        await sleep(100)
        expect(await sync(false), 'what is small goes').to.be.within(50_000, 55_000)
        await storage?.keepHot('m1', async () => undefined)
        change(700_000)
        expect(await sync(true)).to.be.within(4096, 20_000)
        expect(same()).to.equal('')
      })
    }

    it('goes with a pass in which another one of its size is new', async () => {
      const folder = emptyDir('source-uid')
      sh(`head -c 1M /dev/urandom > ${folder}/old`)
      await sync(false)
      sh(`head -c 1M /dev/urandom > ${folder}/old; head -c 1M /dev/urandom > ${folder}/new`)
      await sleep(100)
      expect(await sync(false)).to.be.greaterThan(2 << 20)
      expect(await sync(true)).to.be.lessThan(5_000)
      expect(same()).to.equal('')
    })

    it('goes by rsync when it was left alone and nothing was kept', async () => {
      const table = path.join(emptyDir('source-uid'), 'table')
      sh(`head -c 40M /dev/urandom > ${table}`)
      await sync(false)
      sh(`printf changed | dd of=${table} bs=1 seek=10000000 conv=notrunc 2>/dev/null`)
      await sleep(100)
      await sync(false)
      await sleep(100)
      await sync(false)
      await sync(true)
      expect(same()).to.equal('')
    })

    it('may grow', async () => {
      sh(`printf end | dd of=${log()} bs=1 seek=9000001 conv=notrunc 2>/dev/null`)
      expect(await sync(true)).to.be.lessThan(1_100_000)
      expect(same()).to.equal('')
    })

    it('may shrink', async () => {
      sh(`truncate -s 5000001 ${log()}`)
      expect(await sync(true)).to.be.lessThan(10_000)
      expect(same()).to.equal('')
    })

    for (const change of ['mv log old; cp old log; echo z >> log', 'ln log other', 'mv log moved; ln -s moved log', 'rm log']) {
      it(`may become something else: ${change}`, async () => {
        sh(`cd ${emptyDir('source-uid')}; ${change}`)
        await sync(true)
        expect(same()).to.equal('')
      })
    }

    /** As the agent does: rsync gives up when a file is cut under its hands. */
    const pass = async (tries = 5): Promise<unknown> =>
      await sync(false).catch((error) => (tries > 0 ? pass(tries - 1) : Promise.reject(error)))
    for (const seed of [1, 2, 3]) {
      it(`is the same whatever a program writes meanwhile: seed ${seed}`, async () => {
        const writer = spawn('python3', ['-c', restlessWriter, emptyDir('source-uid'), String(seed)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        try {
          await once(writer.stdout, 'data')
          await pass()
          await pass()
          for (let times = 0; times < 3; times++) await storage?.keepHot('m1', async () => undefined)
          await sleep(50)
          writer.kill('SIGSTOP')
          await sync(true)
          expect(same()).to.equal('')
        } finally {
          writer.kill('SIGKILL')
        }
      })
    }

    it('goes whole when the stream that kept it is lost', async () => {
      peer.dropStreams()
      append()
      expect(await sync(true)).to.be.greaterThan(8_000_000)
      expect(same()).to.equal('')
    })
  })

  it('fails with the words of rsync when the destination has no such folder', async () => {
    rmSync(emptyDir('destination-uid'), { recursive: true })
    const error = await sync(true).then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(error?.message).to.match(/^Copying the emptyDir data: rsync exited \d+ \(/)
    expect(peer.errors.join()).to.match(/Looking for volume data: .* is no directory/)
  })

  it('measures what is written, not the image', async () => {
    sh(`head -c 3M /dev/urandom > task/aaa/rootfs/big; head -c 2M /dev/urandom > ${emptyDir('source-uid')}/f`)
    const measured = await createPodStorage(configIn(folder)).measure(pod(folder))
    expect(measured.reasons).to.deep.equal([])
    expect(measured.writableBytes).to.be.within(5 * 1024 * 1024, 5.3 * 1024 * 1024)
    expect(measured.restlessBytes).to.equal(5 * 1024 * 1024)
    sh('touch -d "2 minutes ago" task/aaa/rootfs/big')
    expect((await createPodStorage(configIn(folder)).measure(pod(folder))).restlessBytes).to.equal(2 * 1024 * 1024)
  })

  it('names a volume that nothing can carry', async () => {
    const withDisk: StoragePod = { ...pod(folder), volumes: [{ name: 'disk', kind: 'skip' }] }
    const measured = await createPodStorage(configIn(folder)).measure(withDisk)
    expect(measured.reasons.map(({ code, blocking }) => ({ code, blocking }))).to.deep.equal([{ code: 'VolumeNotMovable', blocking: true }])
    expect(measured.reasons[0]?.message).to.contain('volume disk')
  })

  let storage: ReturnType<typeof createPodStorage> | undefined
  afterEach(() => {
    storage = undefined
  })
  function current(): ReturnType<typeof createPodStorage> {
    storage ??= createPodStorage(configIn(folder))
    return storage
  }

  function sync(final: boolean): Promise<number> {
    return current().sync({ uid: 'm1', pod: pod(folder), destination, final, bandwidthLimitMbps: 0 })
  }

  function emptyDir(uid: string): string {
    return path.join(folder, 'kubelet/pods', uid, 'volumes/kubernetes.io~empty-dir/data')
  }

  function mountOverlay(id: string): void {
    sh(`mkdir -p task/${id}/rootfs layers/${id}/fs layers/${id}/work
      mount -t overlay overlay -o lowerdir=${folder}/image,upperdir=${folder}/layers/${id}/fs,workdir=${folder}/layers/${id}/work task/${id}/rootfs`)
  }

  /** The two rsyncs of a pass that was not needed end a moment later, and need this process for it. */
  async function unmount(place: string, tries = 50): Promise<void> {
    try {
      execFileSync('umount', [place], { stdio: 'ignore' })
    } catch (error) {
      if (tries === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
      await unmount(place, tries - 1)
    }
  }

  /** Bytes, by all of them that this process has started. */
  function readByHelpers(): number {
    return Number(sh(`for pid in $(pgrep -P ${process.pid} podmotion); do sed -n 's/^rchar: //p' /proc/$pid/io; done | paste -sd+ | bc`))
  }

  function sh(script: string): string {
    return execFileSync('sh', ['-ec', script], { cwd: folder, encoding: 'utf8' })
  }

  function differences(one: string, other: string): string {
    const flags = ['-aHAXn', '--modify-window=-1', '--checksum', '--delete', '--itemize-changes']
    // The time of the root itself is nobody's data.
    return execFileSync('rsync', [...flags, one, other], { cwd: folder, encoding: 'utf8' }).replace('.d..t...... ./\n', '')
  }
})
