// The pure half of the storage room: what the kernel and rsync say, and the words that both ends share.
import { expect } from 'chai'
import { daemonConfiguration, parseToken, remoteShell, tokenOf } from '../../../src/agent/storage/daemon-configuration.ts'
import { changedSince, parseListing, without } from '../../../src/agent/storage/folder-listing.ts'
import { pathInFolder, sharedWritableFiles } from '../../../src/agent/storage/mapped-files.ts'
import { overlayLayers, parseMountInfo } from '../../../src/agent/storage/mount-info.ts'
import { copyArguments } from '../../../src/agent/storage/rsync-arguments.ts'
import { sentBytes, sentNames, unseenNames } from '../../../src/agent/storage/rsync-output.ts'

describe('the token of a file copy', () => {
  it('names a folder, and comes back the same', () => {
    for (const root of [
      { kind: 'emptyDir', podUid: '2b134bb3-2e8b-45a2-a42e-721bcc21cb82', volume: 'data' },
      { kind: 'rootfs', bundle: '/run/containerd/io.containerd.runtime.v2.task/k8s.io/41e3644b278e' },
    ] as const) {
      expect(tokenOf(root)).to.match(/^[\w-]+$/)
      expect(parseToken(`${tokenOf(root)}\n`)).to.deep.equal(root)
    }
  })

  const evil: [string, object][] = [
    ['a volume that leads out', { kind: 'emptyDir', podUid: 'u', volume: '../../x' }],
    ['a pod that leads out', { kind: 'emptyDir', podUid: '..', volume: 'x' }],
    ['a bundle that leads out', { kind: 'rootfs', bundle: '/run/../etc' }],
    ['a bundle with a line end', { kind: 'rootfs', bundle: '/run/x\n  path = /' }],
    ['the root', { kind: 'rootfs', bundle: '/' }],
    ['something else', { kind: 'host', path: '/' }],
    ['more than asked', { kind: 'emptyDir', podUid: 'u', volume: 'x', path: '/' }],
  ]
  for (const [name, root] of evil) {
    it(`refuses ${name}`, () => {
      const token = Buffer.from(JSON.stringify(root)).toString('base64url')
      expect(() => parseToken(token)).to.throw('names no folder of a pod')
    })
  }

  it('refuses what is no token', () => expect(() => parseToken('!!')).to.throw('names no folder of a pod'))
})

describe('the words for rsync', () => {
  const copy = { folder: '/f', remoteShell: remoteShell('/h', '/s', 't'), bandwidthLimitMbps: 0 }

  it('confines the daemon to one folder', () => {
    expect(daemonConfiguration('/folder', 60)).to.contain('use chroot = yes').and.contain('  path = /folder\n')
  })

  it('a whole folder deletes what is gone; a list deletes what it names and is not there', () => {
    expect(copyArguments(copy)).to.include.members(['--delete', '--one-file-system', '--rsh=/h connect /s t', '/f/'])
    const listed = copyArguments({ ...copy, listed: true, contents: 'whole' })
    expect(listed)
      .to.include.members(['--files-from=-', '--delete-missing-args', '--ignore-times', '--whole-file'])
      .and.not.include('--delete')
  })

  it('only attributes go where the contents are there already', () => {
    expect(copyArguments({ ...copy, listed: true, contents: 'trusted' }))
      .to.include('--size-only')
      .and.not.include('--ignore-times')
  })

  const limits: [number, string | undefined][] = [
    [0, undefined],
    [100, '--bwlimit=12207'],
    [0.001, '--bwlimit=1'],
  ]
  for (const [mbps, flag] of limits) {
    it(`${mbps} Mbps is ${flag ?? 'no limit'}`, () => {
      expect(copyArguments({ ...copy, bandwidthLimitMbps: mbps }).find((argument) => argument.startsWith('--bwlimit'))).to.equal(flag)
    })
  }

  it('reads what was sent', () => {
    expect(sentBytes('a\n\nTotal bytes sent: 1234\nTotal bytes received: 5\n')).to.equal(1234)
    expect(sentNames('> a\n> d/\n> ./\n> line\\#012end\nNumber of files: 3\n')).to.deep.equal(['a', 'd', 'line\nend'])
  })

  it('reads what was not found any more, and nothing where there was another complaint', () => {
    const gone = 'file has vanished: "/f/a"\ndirectory has vanished: "/f/d/line\\#012end"\n'
    const end = 'rsync warning: some files vanished before they could be transferred (code 24) at main.c(1394) [sender=3.5.0]\n'
    expect(unseenNames({ exitCode: 0, stderr: '' }, '/f')).to.deep.equal([])
    expect(unseenNames({ exitCode: 24, stderr: gone + end }, '/f')).to.deep.equal(['a', 'd/line\nend'])
    const others = [
      { exitCode: 23, stderr: gone + end },
      { exitCode: 24, stderr: gone },
      { exitCode: 24, stderr: `${gone}rsync: something else\n${end}` },
      { exitCode: 24, stderr: `file has vanished: "/elsewhere/a"\n${end}` },
    ]
    for (const other of others) expect(unseenNames(other, '/f'), other.stderr).to.equal(undefined)
  })
})

describe('what changed in a folder', () => {
  const before = parseListing('1 1700000000.0 3 f a\x002 1700000000.0 3 f b\x003 1700000000.5 4096 d d\x009 1700000000.0 4096 d \0')

  it('is without what was not seen, and what was below that', () => {
    const listing = parseListing(['a', 'a/b', 'a/b/c', 'ab', 'd'].map((name) => `1 1.0 0 f ${name}\0`).join(''))
    expect([...without(listing, ['a/b', 'x']).keys()]).to.deep.equal(['a', 'ab', 'd'])
    expect([...without(listing, ['a']).keys()]).to.deep.equal(['ab', 'd'])
  })

  it('reads names with anything in them', () => {
    expect(before.get('a')).to.deep.equal({ inode: '1', changedMs: 1_700_000_000_000, bytes: 3 })
    expect([...before.keys()]).to.deep.equal(['a', 'b', 'd'])
    expect([...parseListing('1 1.0 0 f two\nlines\0').keys()]).to.deep.equal(['two\nlines'])
  })

  it('is what has a later time, another inode, or was not there', () => {
    const now = parseListing('1 1700000000.0 3 f a\x007 1600000000.0 3 f b\x003 1700000009.0 4096 d d\x008 1600000000.0 1 f new\0')
    expect(changedSince(now, before, 1_700_000_001_000)).to.deep.equal(['b', 'd', 'new'])
  })
})

const mountInfo = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:50 / /run/x/rootfs rw,relatime shared:9 - overlay overlay rw,lowerdir=/l/2/fs:/l/1/fs,upperdir=/l/3/fs,workdir=/l/3/work
41 22 8:1 /kubelet/pods/u1/volumes/kubernetes.io~empty-dir/data/sub /data\\040dir rw - ext4 /dev/sda1 rw
42 22 0:60 / /cache rw - tmpfs tmpfs rw
`

describe('reading mounts', () => {
  const mounts = parseMountInfo(mountInfo)

  it('finds the layers of a container, topmost first', () => {
    expect(overlayLayers(mounts, '/run/x/rootfs')).to.deep.equal({ upper: '/l/3/fs', lowers: ['/l/2/fs', '/l/1/fs'] })
    expect(overlayLayers(mounts, '/cache')).to.equal(undefined)
    expect(overlayLayers(mounts, '/none')).to.equal(undefined)
  })

  it('tells escaped separators from real ones', () => {
    const [mount] = parseMountInfo('1 1 0:1 / /m rw - overlay o rw,lowerdir=/a\\134:b:/c,upperdir=/u\\134\\054v,workdir=/w\n')
    expect(overlayLayers(mount ? [mount] : [], '/m')).to.deep.equal({ upper: '/u,v', lowers: ['/a:b', '/c'] })
  })

  it('finds a mapped file in the synced folder', () => {
    const emptyDir = { device: '8:1', rootSuffix: '/u1/volumes/kubernetes.io~empty-dir/data' }
    expect(pathInFolder('/data dir/db/file', mounts, emptyDir)).to.equal('sub/db/file')
    expect(pathInFolder('/cache/file', mounts, { device: '0:60', rootSuffix: '/' })).to.equal('file')
    expect(pathInFolder('/etc/passwd', mounts, emptyDir)).to.equal(undefined)
    expect(pathInFolder('/cache/file', mounts, emptyDir)).to.equal(undefined)
  })

  it('only shared writable mappings of files count', () => {
    const maps = `7f0-7f1 rw-s 00000000 08:01 12 /data dir/db/file
7f1-7f2 r--s 00000000 08:01 13 /data/read
7f2-7f3 rw-p 00000000 08:01 14 /data/private
7f3-7f4 rw-s 00000000 00:05 15 /dev/zero (deleted)
7f4-7f5 rw-s 00000000 00:00 0 
7f5-7f6 rw-s 00001000 08:01 12 /data dir/db/file
`
    expect(sharedWritableFiles(maps)).to.deep.equal(['/data dir/db/file'])
  })
})
