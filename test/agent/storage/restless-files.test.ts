// Real files on a real file system, written while they are looked at.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { measureRestless } from '../../../src/agent/storage/restless-files.ts'
import type { SyncedRoot } from '../../../src/agent/storage/synced-roots.ts'
import { nativeHelper } from '../native-helper.ts'
import { canSeeMappings, passesAmongItsOwn } from './hidden-mappings.ts'

const megabyte = 2 ** 20

/** A block of the first quarter of a file, again and again. */
const writer = `import os, random, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
size = os.fstat(fd).st_size // 4 // 4096
print('started', flush=True)
while True:
    os.pwrite(fd, b'changed', random.randrange(size) * 4096)
    time.sleep(0.001)
`

describe('files that change all the time', function () {
  this.timeout(30_000)
  let folder: string

  beforeEach(function () {
    if (process.getuid?.() !== 0) this.skip()
    folder = mkdtempSync('/var/tmp/podmotion-restless-')
    mkdirSync(path.join(folder, 'data'))
  })

  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('are told apart: what is written of those that the kernel watches, and those that it cannot', async function () {
    this.timeout(60_000)
    if (!canSeeMappings()) return passesAmongItsOwn(this.test?.fullTitle() ?? '', import.meta.filename)
    sh(
      'cd data; head -c 8M /dev/urandom > table; head -c 4M /dev/urandom > still; head -c 1M /dev/urandom > twice; ln twice again; echo x > small',
    )
    const restlessBytes = 8 * megabyte + 4 * megabyte + 2 * megabyte + 2
    const quiet = await measureRestless([emptyDir()], nativeHelper())
    expect(quiet).to.include({ restlessBytes, watchedBytes: 12 * megabyte, rewrittenBytes: 0 })
    expect(quiet.rewrittenInMs).to.be.within(250, 2000)
    await whileWritten('data/table', async () => {
      const { watchedBytes, rewrittenBytes, rewrittenInMs } = await measureRestless([emptyDir()], nativeHelper())
      expect(watchedBytes).to.equal(12 * megabyte)
      expect(rewrittenBytes / 4096).to.be.within(20, Math.min(rewrittenInMs, 512))
    })
    // Its end takes what it has in the kernel away first.
    while (sh(`pgrep -P ${process.pid} podmotion || true`) !== '') await sleep(20)
  })

  it('count whole when they are mapped', async function () {
    this.timeout(60_000)
    if (!canSeeMappings()) return passesAmongItsOwn(this.test?.fullTitle() ?? '', import.meta.filename)
    sh('head -c 3M /dev/urandom > data/mapped; head -c 1M /dev/urandom > data/other')
    const maps = `import mmap, os, sys
memory = mmap.mmap(os.open(sys.argv[1], os.O_RDWR), 0)
print('started', flush=True)
sys.stdin.read()`
    await whileRuns(maps, 'data/mapped', async () => {
      const measured = await measureRestless([emptyDir()], nativeHelper())
      expect(measured).to.include({ restlessBytes: 4 * megabyte, watchedBytes: megabyte, rewrittenBytes: 0 })
    })
  })

  it('are those of all folders, in a writable layer those that it has itself', async function () {
    this.timeout(60_000)
    if (!canSeeMappings()) return passesAmongItsOwn(this.test?.fullTitle() ?? '', import.meta.filename)
    sh('mkdir image upper work merged; head -c 2M /dev/urandom > image/below; head -c 1M /dev/urandom > data/one')
    sh(`mount -t overlay overlay -o lowerdir=${folder}/image,upperdir=${folder}/upper,workdir=${folder}/work merged`)
    try {
      sh('echo changed >> merged/below; head -c 3M /dev/urandom > merged/own')
      const [merged, upper] = ['merged', 'upper'].map((name) => path.join(folder, name)) as [string, string]
      const layer = { ...emptyDir(), label: 'writable layer of app', folder: merged, layers: { merged, upper, lowers: [] } }
      const { restlessBytes, watchedBytes } = await measureRestless([layer, emptyDir()], nativeHelper())
      expect(restlessBytes).to.equal(6 * megabyte + 8)
      const isOneInode = statSync(path.join(merged, 'below')).ino === statSync(path.join(upper, 'below')).ino
      expect(watchedBytes).to.equal(isOneInode ? restlessBytes : 4 * megabyte)
    } finally {
      sh('umount merged')
    }
  })

  it('count whole where the kernel does not tell, or nobody can be asked', async () => {
    sh('head -c 1M /dev/urandom > data/file')
    const whole = { restlessBytes: megabyte, watchedBytes: 0, rewrittenBytes: 0 }
    expect(await measureRestless([emptyDir()], '/bin/false')).to.include(whole)
    expect(await measureRestless([emptyDir()], '/no/such/program')).to.include(whole)
    sh('mount -t tmpfs tmpfs data; head -c 1M /dev/urandom > data/file')
    try {
      expect(await measureRestless([emptyDir()], nativeHelper())).to.include(whole)
    } finally {
      sh('umount data')
    }
  })

  it('are no longer those of a minute ago, and need nobody when they are small', async () => {
    sh('head -c 1M /dev/urandom > data/file; head -c 60K /dev/urandom > data/small')
    const minuteAgo = new Date(Date.now() - 120_000)
    utimesSync(path.join(folder, 'data/file'), minuteAgo, minuteAgo)
    expect(await measureRestless([emptyDir()], '/no/such/program')).to.include({ restlessBytes: 60 * 1024, watchedBytes: 0 })
  })

  function emptyDir(): SyncedRoot {
    const identity = { device: '0:0', rootSuffix: '/' }
    return {
      label: 'emptyDir data',
      folder: path.join(folder, 'data'),
      identity,
      target: () => ({ kind: 'emptyDir', podUid: '', volume: '' }),
    }
  }

  async function whileWritten(file: string, work: () => Promise<void>): Promise<void> {
    await whileRuns(writer, file, work)
  }

  async function whileRuns(program: string, file: string, work: () => Promise<void>): Promise<void> {
    const child = spawn('python3', ['-c', program, path.join(folder, file)], { stdio: ['pipe', 'pipe', 'inherit'] })
    try {
      await once(child.stdout, 'data')
      await work()
    } finally {
      child.kill('SIGKILL')
    }
  }

  function sh(script: string): string {
    return execFileSync('sh', ['-ec', script], { cwd: folder, encoding: 'utf8' })
  }
})
