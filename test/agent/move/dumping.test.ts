import { expect } from 'chai'
import { dumpAll } from '../../../src/agent/move/dumping.ts'

const longMs = 60_000

describe('dumps side by side', () => {
  const hanging = (told: string[], name: string) => ({
    go: (isOver: AbortSignal) =>
      new Promise<void>((_resolve, reject) =>
        isOver.addEventListener('abort', () => {
          told.push(name)
          reject(new Error(`${name} was ended`))
        }),
      ),
  })
  const good = { go: () => Promise.resolve() }
  const failing = { go: () => Promise.reject(new Error('no space')) }

  async function reasonOf(work: Promise<void>): Promise<string> {
    return await work.then(
      () => 'none',
      (error: Error) => error.message,
    )
  }

  it('end well when all do', async () => {
    expect(await reasonOf(dumpAll([good, good], longMs))).to.equal('none')
  })

  it('are ended when one has failed, and the first failure is told', async () => {
    const told: string[] = []
    expect(await reasonOf(dumpAll([hanging(told, 'one'), failing], longMs, 5))).to.equal('no space')
    expect(told).to.deep.equal(['one'])
  })

  it('are ended when the time is over, and none is left working', async () => {
    const told: string[] = []
    expect(await reasonOf(dumpAll([hanging(told, 'one'), hanging(told, 'two')], 5, 5))).to.equal('one was ended')
    expect(told).to.deep.equal(['one', 'two'])
  })
})
