// What is read from runc's, containerd's and the kernel's files.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect } from 'chai'
import { firstErrors } from '../../../src/agent/criu/log-file.ts'
import { parseAttached } from '../../../src/agent/move/awaited-pod.ts'
import { currentLog } from '../../../src/agent/move/container-logs.ts'
import { checkpointArguments } from '../../../src/agent/runc/checkpoint.ts'
import { isFrozen, processesOf, thaw } from '../../../src/agent/runc/freezer.ts'
import { preDumpArguments } from '../../../src/agent/runc/pre-dump.ts'
import { bundleOf, freezerOf } from '../../../src/agent/runc/state.ts'
import { unreadSockets } from '../../../src/agent/runc/unread-datagrams.ts'

describe('files of a running pod', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'cgroup-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('lists processes of a cgroup and those below it', () => {
    mkdirSync(path.join(folder, 'below'))
    writeFileSync(path.join(folder, 'cgroup.procs'), '10\n11\n')
    writeFileSync(path.join(folder, 'below', 'cgroup.procs'), '12\n')
    expect(processesOf(folder)).to.deep.equal([10, 11, 12])
  })

  it('reads and writes both kinds of freezer', async () => {
    writeFileSync(path.join(folder, 'freezer.state'), 'FROZEN\n')
    writeFileSync(path.join(folder, 'cgroup.events'), 'populated 1\nfrozen 0\n')
    expect(isFrozen({ version: 1, folder })).to.equal(true)
    expect(isFrozen({ version: 2, folder })).to.equal(false)
    await thaw([
      { version: 1, folder },
      { version: 2, folder },
      { version: 1, folder: path.join(folder, 'gone') },
    ])
    expect(readFileSync(path.join(folder, 'freezer.state'), 'utf8')).to.equal('THAWED')
    expect(readFileSync(path.join(folder, 'cgroup.freeze'), 'utf8')).to.equal('0')
  })

  it('finds the freezer in what runc knows', () => {
    expect(freezerOf({ cpu: '/a', freezer: '/b' })).to.deep.equal({ version: 1, folder: '/b' })
    expect(freezerOf({ '': '/c' })).to.deep.equal({ version: 2, folder: '/c' })
    expect(() => freezerOf({ cpu: '/a' })).to.throw('the cgroups cpu only')
  })

  it('takes only ids for containers', () => {
    expect(bundleOf('c0ffee')).to.match(/k8s\.io\/c0ffee$/)
    for (const id of ['../x', 'a/b', '', '..', 'a..b']) expect(() => bundleOf(id), id).to.throw('no containerd id')
  })

  it('finds the newest log by number, not by name', () => {
    for (const name of ['2.log', '10.log', '9.log', '10.log.20260101-000000', 'x']) writeFileSync(path.join(folder, name), '')
    expect(currentLog(folder)).to.equal(path.join(folder, '10.log'))
    expect(currentLog(path.join(folder, 'gone'))).to.equal(undefined)
  })

  it('counts sockets with datagrams that nobody has read', () => {
    const text = [
      '   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops',
      ' 6624: 0100007F:1B58 00000000:0000 07 00000000:00000340 00:00000000 00000000     0        0 5607031 2 ffff8882833fdf80 0',
      '12311: 00000000:B18F 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 5607032 2 ffff8882833fef40 0',
      '12312: 00000000:B190 00000000:0000 07 00000340:00000000 00:00000000 00000000     0        0 5607033 2 ffff8882833fef41 0',
    ].join('\n')
    expect(unreadSockets(text)).to.equal(1)
    expect(unreadSockets('')).to.equal(0)
  })

  it('quotes the first errors of criu, the cause', () => {
    const log = [
      "(00.002711) Error (criu/util.c:1534): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted",
      '(00.0900)     24: a line',
      "(00.0902)     24: Error (criu/files-reg.c:2353): Can't open file dev/shm/X on restore",
      '(00.0963) Error (criu/cr-restore.c:2331): Restoring FAILED.',
      '(00.0979) Error (criu/cgroup.c:2055): cg: cgroupd: recv req error',
    ].join('\n')
    expect(firstErrors(log)).to.equal(
      "Error (criu/files-reg.c:2353): Can't open file dev/shm/X on restore; Error (criu/cr-restore.c:2331): Restoring FAILED.",
    )
    expect(firstErrors('all is well')).to.equal(undefined)
    const younger =
      '(00.1) Error (criu/page-xfer.c:410): page-xfer: No parent image found, though parent directory is set: No such file or directory'
    expect(firstErrors(younger), 'of a process younger than the last pre-dump').to.equal(undefined)
  })

  it('reads what the CNI plugin wrote, and says what is missing', () => {
    const text = 'hostveth=veth1\nhostmac=a\npodmac=b\ngateway=10.244.2.1\nnetns=/run/netns/x\noldip=10.244.2.9\n'
    expect(parseAttached(text)).to.deep.equal({ hostVeth: 'veth1', podMac: 'b', gateway: '10.244.2.1', netns: '/run/netns/x' })
    expect(() => parseAttached('hostveth=veth1\n')).to.throw('podmac is missing')
  })

  it('tells runc to leave the source as it is', () => {
    expect(checkpointArguments('c0ffee', { images: '/i', work: '/w' }).join(' ')).to.equal(
      '--root /run/containerd/runc/k8s.io checkpoint --leave-running --tcp-established --manage-cgroups-mode ignore --image-path /i --work-path /w c0ffee',
    )
  })

  it('tells runc on which pre-dump the next one leans, and the dump', () => {
    const folders = { images: '/i/pre-2', work: '/w/pre-2', parent: '../pre-1' }
    expect(preDumpArguments('c0ffee', folders).join(' ')).to.equal(
      '--root /run/containerd/runc/k8s.io checkpoint --pre-dump --tcp-established --manage-cgroups-mode ignore --image-path /i/pre-2 --work-path /w/pre-2 --parent-path ../pre-1 c0ffee',
    )
    expect(preDumpArguments('c0ffee', { images: '/i', work: '/w' })).not.to.include('--parent-path')
    expect(checkpointArguments('c0ffee', { images: '/i', work: '/w', parent: 'pre-last' }).join(' ')).to.match(
      /--parent-path pre-last c0ffee$/,
    )
  })
})
