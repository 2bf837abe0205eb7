// Lenders and how they are kept going: a script stands in for podmotion-pages.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { PassThrough } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { readConfig } from '../../../src/agent/config.ts'
import { Lending } from '../../../src/agent/memory/lending.ts'
import type { RunningContainer } from '../../../src/agent/runc/state.ts'
import { uid } from '../samples.ts'

describe('lending memory', () => {
  let folder: string
  let lending: Lending
  beforeEach(() => {
    folder = mkdtempSync(`${tmpdir()}/lending-`)
  })
  afterEach(() => {
    lending.close()
    rmSync(folder, { recursive: true })
  })

  /** Each start of the program is a line of `started`. */
  async function lendWith(script: string): Promise<void> {
    mkdirSync(`${folder}/bin`)
    writeFileSync(`${folder}/bin/podmotion-pages`, `#!/bin/sh\necho "$@" >> ${folder}/started\n${script}\n`)
    chmodSync(`${folder}/bin/podmotion-pages`, 0o755)
    const config = readConfig({ NODE_NAME: 'na', NODE_IP: '127.0.0.1', RUN_DIR: `${folder}/run`, OPT_DIR: folder })
    lending = new Lending({ config, uid, open: async () => new PassThrough(), limitMbps: 8 })
    await lending.start([{ name: 'main', freezer: { folder: '/freezer/x' } } as RunningContainer])
  }

  function starts(): string[] {
    return existsSync(`${folder}/started`) ? readFileSync(`${folder}/started`, 'utf8').trimEnd().split('\n') : []
  }

  async function untilStarted(count: number): Promise<void> {
    for (let tries = 0; tries < 300 && starts().length < count; tries++) await sleep(10)
  }

  it('is asked for once, with the limit in bytes', async () => {
    await lendWith('exit 0')
    await lending.start([])
    await sleep(800)
    const socket = `${folder}/run/transport/${uid}.main.lend`
    expect(starts()).to.deep.equal([`lend --freezer /freezer/x --stream ${socket} --pack lz4 --limit 1000000`])
    lending.close()
    expect(existsSync(socket)).to.equal(false)
  })

  it('is started again when it ends before nothing is wanted any more', async () => {
    await lendWith(`[ $(wc -l < ${folder}/started) -ge 3 ] && exit 0; kill -9 $$`)
    await untilStarted(3)
    await sleep(800)
    expect(starts().length).to.equal(3)
  })

  it('ends with the source, whatever it waits for', async () => {
    await lendWith(`echo $$ > ${folder}/pid; exec sleep 60`)
    await untilStarted(1)
    for (let tries = 0; tries < 300 && !existsSync(`${folder}/pid`); tries++) await sleep(10)
    const pid = Number(readFileSync(`${folder}/pid`, 'utf8'))
    lending.close()
    for (let tries = 0; tries < 300 && existsSync(`/proc/${pid}`); tries++) await sleep(10)
    expect(existsSync(`/proc/${pid}`)).to.equal(false)
    await sleep(700)
    expect(starts().length).to.equal(1)
  })
})
