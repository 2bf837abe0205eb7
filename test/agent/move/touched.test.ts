// What a process touches in a moment, with a real one.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect } from 'chai'
import { touchedMemory, touchedOf } from '../../../src/agent/move/touched.ts'

const megabyte = 2 ** 20

describe('touched memory', () => {
  it('is the proportional share of what carries a mark', () => {
    expect(touchedOf('Rss:      1000 kB\nPss:       500 kB\nReferenced:  100 kB\n')).to.equal(50 * 1024)
    expect(touchedOf('')).to.equal(0)
  })

  it('is what a process goes through, and not what it has', async () => {
    const program = "const all = Buffer.alloc(64 * 2 ** 20, 1); setInterval(() => all.fill(2, 0, 16 * 2 ** 20), 10); console.log('up')"
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      await once(child.stdout, 'data')
      const { touchedBytes, touchedInMs } = await touchedMemory([child.pid as number])
      expect(touchedBytes).to.be.within(10 * megabyte, 60 * megabyte)
      expect(touchedInMs).to.be.at.least(249)
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('is nothing of a process that has ended', async () => {
    const child = spawn('true')
    await once(child, 'exit')
    expect((await touchedMemory([child.pid as number])).touchedBytes).to.equal(0)
  })
})
