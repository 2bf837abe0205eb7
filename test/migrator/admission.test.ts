// The webhook over HTTP: what is refused and how it is said, and that it is never in the way of a cancellation.

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import express from 'express'
import { podPath } from '../../src/kube/paths.ts'
import { migrationAdmission } from '../../src/migrator/admission.ts'
import { realClock } from '../../src/runtime/clock.ts'
import { type TestCluster, testCluster } from '../extender/deps.ts'
import { makeMigration, makePod } from './world.ts'

interface Answer {
  uid: string
  allowed: boolean
  status?: { code: number; message: string }
}

describe('admission of PodMigrations', () => {
  let cluster: TestCluster
  let server: Server

  before(async () => {
    cluster = await testCluster(realClock)
    cluster.write(podPath('shop', 'cart-7'), makePod())
    cluster.write(
      podPath('shop', 'plain'),
      makePod({ metadata: { name: 'plain', uid: 'plain-uid' }, spec: { runtimeClassName: undefined } }),
    )
    cluster.write(podPath('shop', 'host'), makePod({ metadata: { name: 'host', uid: 'host-uid' }, spec: { hostNetwork: true } }))
    await cluster.sync()
    server = createServer(express().use(migrationAdmission(cluster.deps)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })

  after(() => {
    server.close()
    cluster.stop()
  })

  const send = async (body: unknown) => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/admit/podmigrations`
    return await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  }
  const ask = async (request: object): Promise<Answer> => {
    const response = await send({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request: { uid: 'r', ...request } })
    return ((await response.json()) as { response: Answer }).response
  }
  const wish = (spec: object, metadata: object = {}) => ({
    ...makeMigration(),
    metadata: { name: 'move', namespace: 'shop', ...metadata },
    spec: { podName: 'cart-7', podNamespace: 'shop', ...spec },
  })
  const create = (spec: object) => ask({ operation: 'CREATE', object: wish(spec) })

  it('lets a wish in that can be carried out', async () => {
    expect(await create({})).to.deep.equal({ uid: 'r', allowed: true })
  })

  const cases: [string, object, RegExp[]][] = [
    ['an unknown pod', { podName: 'nobody' }, [/spec\.podName: pod shop\/nobody does not exist/, /check the name/]],
    ['a wrong UID', { sourcePodUID: 'other' }, [/spec\.sourcePodUID is other/, /source-uid/]],
    ['another namespace', { podNamespace: 'elsewhere' }, [/spec\.podNamespace is elsewhere/, /create it in namespace elsewhere/]],
    ['no RuntimeClass of ours', { podName: 'plain' }, [/WrongRuntimeClass/, /set runtimeClassName: podmotion/]],
    ['hostNetwork', { podName: 'host' }, [/HostNetwork/, /remove hostNetwork/]],
    ['another cluster', { destinationCluster: 'east' }, [/spec\.destinationCluster is "east"/, /remove the field/]],
    ['preCopyMaxRounds', { preCopyMaxRounds: 21 }, [/spec\.preCopyMaxRounds: .*20.*got 21/]],
    ['preCopyDirtyThresholdMB', { preCopyDirtyThresholdMB: 0 }, [/spec\.preCopyDirtyThresholdMB: .*got 0/]],
    ['bandwidthLimitMbps', { bandwidthLimitMbps: -1 }, [/spec\.bandwidthLimitMbps: .*got -1/]],
    ['completionTimeoutSeconds', { completionTimeoutSeconds: 29 }, [/spec\.completionTimeoutSeconds: .*got 29/]],
    ['freezeWindowBudgetMs', { freezeWindowBudgetMs: 49 }, [/spec\.freezeWindowBudgetMs: .*got 49/]],
    ['mode', { mode: 'Hot' }, [/spec\.mode: .*got "Hot"/]],
    ['a probe without a port', { applicationProbe: { protocol: 'TCP' } }, [/spec\.applicationProbe\.port: .*got nothing/]],
    ['two fields at once', { mode: 'Hot', freezeWindowBudgetMs: 1 }, [/spec\.mode/, /spec\.freezeWindowBudgetMs/]],
  ]
  for (const [name, spec, patterns] of cases) {
    it(`refuses ${name}`, async () => {
      const { allowed, status } = await create(spec)
      expect(allowed).to.equal(false)
      for (const pattern of patterns) expect(status?.message).to.match(pattern)
    })
  }

  it('lets a dry run of a pod that cannot be moved in: its status will say why', async () => {
    expect((await create({ podName: 'host', dryRun: true })).allowed).to.equal(true)
    expect((await create({ podName: 'nobody', dryRun: true })).allowed).to.equal(false)
  })

  it('is never in the way of a deletion or of our own status', async () => {
    const broken = wish({ mode: 'Hot' })
    expect((await ask({ operation: 'DELETE', oldObject: broken })).allowed).to.equal(true)
    expect(
      (await ask({ operation: 'UPDATE', object: wish({ mode: 'Hot' }, { deletionTimestamp: 'now' }), oldObject: wish({}) })).allowed,
    ).to.equal(true)
    expect((await ask({ operation: 'UPDATE', object: broken, oldObject: broken })).allowed).to.equal(true)
    expect((await ask({ operation: 'UPDATE', object: null })).allowed).to.equal(true)
  })

  it('refuses an edit that is malformed, and a creation that it cannot even read', async () => {
    expect((await ask({ operation: 'UPDATE', object: wish({ mode: 'Hot' }), oldObject: wish({}) })).allowed).to.equal(false)
    expect((await ask({ operation: 'CREATE', object: null })).status?.message).to.match(/defect of podmotion/)
  })

  it('refuses an edit that nobody would read any more, but labels may change', async () => {
    const ended = { ...wish({ dryRun: true }), status: { phase: 'DryRunComplete' } }
    const answer = await ask({ operation: 'UPDATE', object: wish({ dryRun: false }), oldObject: ended })
    expect(answer.status?.message).to.match(/spec: the PodMigration has ended \(DryRunComplete\).*create another one/)
    const labelled = wish({ dryRun: true }, { labels: { team: 'shop' } })
    expect((await ask({ operation: 'UPDATE', object: labelled, oldObject: ended })).allowed).to.equal(true)
  })

  it('answers 400 to what is no review', async () => {
    expect((await send({ hello: 1 })).status).to.equal(400)
  })
})
