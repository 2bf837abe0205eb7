import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'chai'
import { isBelow, isExiting, treeOf } from '../../../src/agent/criu/process-tree.ts'

describe('processes of a container', () => {
  it('are found from the first one', async () => {
    const first = spawn('sh', ['-c', 'sleep 60 & echo; wait'], { stdio: ['ignore', 'pipe', 'ignore'] })
    await once(first.stdout, 'data')
    const pids = treeOf(first.pid ?? 0)
    expect(pids).to.have.length(2)
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await once(first, 'exit')
    expect(treeOf(pids[0] ?? 0)).to.deep.equal([pids[0]])
  })

  it('are known by their parents, also those that were born just now, and those that are gone', async () => {
    const first = spawn('sh', ['-c', 'sleep 60 & echo; wait'], { stdio: ['ignore', 'pipe', 'ignore'] })
    await once(first.stdout, 'data')
    const [init = 0, child = 0] = treeOf(first.pid ?? 0)
    expect([init, child].map((pid) => isBelow(init, pid))).to.deep.equal([true, true])
    expect(isBelow(child, process.pid)).to.equal(false)
    for (const pid of [child, init]) process.kill(pid, 'SIGKILL')
    await once(first, 'exit')
    expect(isBelow(process.pid, init)).to.equal(true)
  })

  it('live until they are killed, also when nobody has waited for them', async () => {
    // Its child becomes a zombie: it never waits for one.
    const parent = spawn('python3', ['-c', 'import os,sys,time\nif os.fork() == 0: os._exit(0)\nprint(flush=True)\ntime.sleep(60)'])
    await once(parent.stdout, 'data')
    const [, child] = treeOf(parent.pid ?? 0)
    while (!isExiting(child ?? 0)) await new Promise((resolve) => setTimeout(resolve, 5))
    expect(isExiting(parent.pid ?? 0)).to.equal(false)
    parent.kill('SIGKILL')
    await once(parent, 'exit')
    expect(isExiting(parent.pid ?? 0)).to.equal(true)
  })
})
