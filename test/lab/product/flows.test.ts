// A pod with flows of every kind moves on and is rolled back: nobody notices, and captures at clients show every byte once. Then one thing at a time is taken away that a move does for them, and the check has to see it.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { clientCaptures } from '../flows/capture.ts'
import { moveOn, nextNode } from '../flows/moves.ts'
import { cutsTheRelay, dropsWhatItShouldHold, forgetsTranslations, lacksTheGuard, type Sabotage, unknownPort } from '../flows/sabotage.ts'
import { checkSequences, type Held, type SequenceReport, sequenceLine } from '../flows/sequence.ts'
import { expectUndisturbed, flowsSetting } from '../flows/setting.ts'
import { errorsOf } from '../flows/summary.ts'

describe('flows of every kind', () => {
  const setting = flowsSetting()

  async function captured(during: () => Promise<readonly Held[]>): Promise<SequenceReport[]> {
    const captures = await clientCaptures(setting.world, (await setting.flows.pod()).status?.podIP ?? '')
    const holds = await during()
    return await Promise.all(
      captures.map(async ({ name, stop }) => {
        const report = checkSequences(await stop(), holds)
        console.log(`      ${[sequenceLine(name, report), ...report.findings.slice(0, 10)].join('\n        ')}`)
        return report
      }),
    )
  }

  it('live through a move and a rollback', async function () {
    this.timeout(180_000)
    const { world, flows } = setting
    const reports = await captured(async () => {
      await flows.open({ count: 1, periodMs: 200 })
      const moved = await moveOn(world)
      expect(moved.migration.status?.flows?.translated).to.be.greaterThan(0)
      expect(moved.migration.status?.flows?.relayedThrough).to.include('172.30.0.1')
      const undone = await moveOn(world, true)
      expectUndisturbed(await flows.close(), [moved, undone])
      return [moved, undone]
    })
    expect(reports.flatMap(({ findings }) => findings)).to.deep.equal([])
    expect(Math.min(...reports.map(({ flows: count }) => count))).to.be.greaterThan(3)
  })

  /** What the clients' captures say of a move in which something is missing. */
  async function broken(sabotage: Sabotage, { count = 1, afterMs = 1500 } = {}): Promise<{ reports: SequenceReport[]; errors: string[] }> {
    const { world, flows } = setting
    let errors: string[] = []
    const reports = await captured(async () => {
      await flows.open({ count, periodMs: 200 })
      const destination = world.lab.node(await nextNode(world))
      const podIp = (await flows.pod()).status?.podIP ?? ''
      const arrived = await sabotage({ podIp, destination, client: world.lab.client })
      try {
        return [await moveOn(world)]
      } finally {
        await arrived()
        await sleep(afterMs)
        errors = errorsOf(await flows.close())
      }
    })
    return { reports, errors }
  }

  function sum(reports: readonly SequenceReport[], what: 'resets' | 'timerWaits' | 'strays'): number {
    return reports.reduce((total, report) => total + report[what], 0)
  }

  it('wait for timers when packets are dropped instead of held: the check sees it', async function () {
    this.timeout(180_000)
    const { reports } = await broken(dropsWhatItShouldHold)
    expect(sum(reports, 'timerWaits')).to.be.greaterThan(0)
  })

  it('that nobody told of are reset without the guard: the check sees it', async function () {
    this.timeout(180_000)
    const { reports } = await broken(lacksTheGuard)
    const found = reports.flatMap(({ findings }) => findings).filter((finding) => finding.includes(`.${unknownPort}:`))
    expect(found.join()).to.match(/resets \d/)
  })

  it('are lost when the way through the other node is gone: the check sees it', async function () {
    this.timeout(180_000)
    const { reports, errors } = await broken(cutsTheRelay, { afterMs: 17_000 })
    expect(errors.some((error) => error.startsWith('moved->outside '))).to.equal(true)
    expect(errors.filter((error) => !/^moved->outside |local node port/.test(error))).to.deep.equal([])
    expect(sum(reports, 'timerWaits')).to.be.greaterThan(0)
  })

  // Last: what it breaks goes on resetting.
  it('are reset when the destination does not know their translations: the check sees it', async function () {
    this.timeout(180_000)
    const { reports } = await broken(forgetsTranslations, { count: 4 })
    expect(sum(reports, 'resets')).to.be.greaterThan(0)
    expect(sum(reports, 'strays')).to.be.greaterThan(0)
  })
})
