// A real helper that watches files is killed: what it leaves in the kernel is found, and removed.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'chai'
import { keyBytes } from '../../../src/agent/storage/block-helper.ts'
import { sweepTraces } from '../../../src/agent/sweep/traces.ts'
import { nativeHelper } from '../native-helper.ts'

describe('trace instances of helpers that were killed', () => {
  it('are found, and removed', async function () {
    // An agent of a lab on the same kernel that starts just now removes them first.
    this.retries(2)
    const helper = nativeHelper()
    const folder = mkdtempSync('/var/tmp/podmotion-traces-')
    const child = spawn(helper, ['blocks'], { stdio: 'pipe' })
    try {
      child.stdin.write(Buffer.concat([Buffer.alloc(keyBytes), Buffer.from(`watch-in ${path.join(folder, '.')}\n`)]))
      const [answer] = (await once(child.stdout, 'data')) as [Buffer]
      if (answer.readUInt32LE() > 0) this.skip()
      const others = await sweepTraces(helper, true)
      child.kill('SIGKILL')
      await once(child, 'close')
      const left = (await sweepTraces(helper, true)).filter((name) => !others.includes(name))
      expect(left).to.have.length(1)
      expect(await sweepTraces(helper, false)).to.include(left[0])
      expect(await sweepTraces(helper, true)).not.to.include(left[0])
    } finally {
      child.kill('SIGKILL')
      rmSync(folder, { recursive: true })
    }
  })
})
