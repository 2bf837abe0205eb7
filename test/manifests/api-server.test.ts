// The chart, installed by real Helm into a real API server: CRDs with their rules, rights that end where they should, certificates that stay.
import { execFileSync } from 'node:child_process'
import { expect } from 'chai'
import { stringify } from 'yaml'
import { ApiServer, apiServerParts, type Identity } from './api-server.ts'
import { chart, findHelm } from './helm.ts'

const parts = apiServerParts()
const helm = findHelm()
const agent = 'system:serviceaccount:podmotion:podmotion-agent'
const controller = 'system:serviceaccount:podmotion:podmotion-controller'

const capacity = (name: string, nodeName = name) =>
  stringify({ apiVersion: 'podmotion.io/v1alpha1', kind: 'NodeMigrationCapacity', metadata: { name }, spec: { nodeName } })
const migration = (name: string, spec: object) =>
  stringify({ apiVersion: 'podmotion.io/v1alpha1', kind: 'PodMigration', metadata: { name, namespace: 'default' }, spec })

describe('chart in a real API server', function () {
  this.timeout(120_000)
  if (!parts || !helm) {
    it('has the lab cache: run make lab once', () => {
      throw new Error('Looking for kube-apiserver, etcd and helm in the lab cache: not there: run `make lab` once')
    })
    return
  }
  const server = new ApiServer(parts)
  const install = (...args: string[]) =>
    execFileSync(helm, ['upgrade', '--install', 'podmotion', chart, '--namespace', 'podmotion', '--create-namespace', ...args], {
      env: { ...process.env, KUBECONFIG: server.kubeconfig },
      stdio: 'pipe',
    })
  const create = (text: string, identity?: Identity) => server.kubectl(['create', '-f', '-'], text, identity)
  const certificates = () =>
    server.kubectl(['get', 'secret', '-n', 'podmotion', '-l', 'app.kubernetes.io/part-of=podmotion', '-o', 'jsonpath={.items[*].data}'])
  const may = (as: string, verb: string, resource: string, ...more: string[]) =>
    server.kubectl(['auth', 'can-i', verb, resource, ...more, '--as', as]).startsWith('yes')

  before(async () => {
    await server.start()
    const policy = {
      strategies: [{ name: 'LowNodeUtilization', lowNodeUtilization: { thresholds: { cpu: 20 }, targetThresholds: { cpu: 70 } } }],
    }
    install('--set-json', `policies.low=${JSON.stringify(policy)}`)
    // Nobody answers webhooks here.
    server.kubectl(['delete', 'validatingwebhookconfiguration', 'podmotion'])
  })
  after(() => server.stop())

  it('makes the default configuration and the policies of the values', () => {
    const found = server.kubectl(['get', 'migrationwebhookconfigs,migrationpolicies', '-o', 'name'])
    expect(found).to.include('migrationwebhookconfig.podmotion.io/default').and.to.include('migrationpolicy.podmotion.io/low')
    expect(server.kubectl(['get', 'podmotion', '-A'])).to.include('low')
  })

  it('fills in the defaults of the contract', () => {
    create(migration('defaults', { podName: 'cart', podNamespace: 'default' }))
    const spec = JSON.parse(server.kubectl(['get', 'pm', 'defaults', '-o', 'jsonpath={.spec}']))
    expect(spec).to.deep.equal({
      podName: 'cart',
      podNamespace: 'default',
      mode: 'PreCopy',
      preCopyMaxRounds: 5,
      onNonConvergence: 'Freeze',
      preCopyDirtyThresholdMB: 64,
      bandwidthLimitMbps: 0,
      completionTimeoutSeconds: 600,
      storageStrategy: 'Auto',
      tcpPreservationMode: 'None',
      freezeWindowBudgetMs: 500,
      dryRun: false,
      rollbackOnFailure: true,
      affinityMode: 'strict',
    })
  })

  it('names every field that is out of range at once', () => {
    const wrong = { mode: 'Hot', preCopyMaxRounds: 21, preCopyDirtyThresholdMB: 0, bandwidthLimitMbps: -1, completionTimeoutSeconds: 29 }
    const probe = { protocol: 'SQL', port: 0 }
    const more = { storageStrategy: 'X', tcpPreservationMode: 'X', freezeWindowBudgetMs: 49, affinityMode: 'X', applicationProbe: probe }
    const said = create(migration('wrong', { podName: 'cart', podNamespace: 'default', ...wrong, ...more }))
    for (const field of [...Object.keys(wrong), ...Object.keys(more)]) expect(said).to.include(`spec.${field}`)
  })

  it('refuses another cluster and another pod with what to do', () => {
    const elsewhere = create(migration('elsewhere', { podName: 'cart', podNamespace: 'default', destinationCluster: 'west' }))
    expect(elsewhere).to.include('"west" is set, but moves to another cluster do not exist yet: remove the field')
    create(migration('fixed', { podName: 'cart', podNamespace: 'default' }))
    const changed = server.kubectl(['patch', 'pm', 'fixed', '--type', 'merge', '-p', '{"spec":{"podName":"till"}}'])
    expect(changed).to.include('spec.podName').and.to.include('is immutable: create another PodMigration instead')
  })

  it('lets an agent write the capacity of its own node only', () => {
    const own = { as: agent, node: 'worker-1' }
    expect(create(capacity('worker-1'), own)).to.include('created')
    expect(create(capacity('worker-2'), own)).to.include('asked by the agent of node "worker-1"')
    expect(create(capacity('worker-2', 'worker-1'), own)).to.include('an agent writes only that of its own node')
    expect(create(capacity('worker-2'), { as: agent })).to.include('asked by the agent of node ""')
    create(capacity('worker-2'))
    const status = ['--subresource', 'status', '--type', 'merge', '-p', '{"status":{"eligible":true,"reasons":[]}}']
    expect(server.kubectl(['patch', 'nmc', 'worker-1', ...status], '', own)).to.include('patched')
    expect(server.kubectl(['patch', 'nmc', 'worker-2', ...status], '', own)).to.include('an agent writes only that of its own node')
  })

  it('gives the programs what they use, and no more', () => {
    for (const [verb, resource] of [
      ['create', 'pods'],
      ['delete', 'pods'],
      ['patch', 'pods'],
      ['watch', 'nodes'],
      ['watch', 'podmigrations'],
      ['list', 'resourcequotas'],
      ['create', 'migrationcheckpoints'],
      ['list', 'migrationcheckpoints'],
      ['delete', 'migrationcheckpoints'],
    ] as const) {
      expect(may(controller, verb, resource, '-A'), `${verb} ${resource}`).to.equal(true)
    }
    for (const [verb, resource] of [
      ['get', 'secrets'],
      ['update', 'pods'],
      ['patch', 'nodes'],
      ['create', 'nodemigrationcapacities'],
      ['patch', 'deployments'],
    ] as const) {
      expect(may(controller, verb, resource, '-A'), `${verb} ${resource}`).to.equal(false)
    }
    expect(may(controller, 'patch', 'migrationcheckpoints', '--subresource=status', '-A')).to.equal(true)
    expect(may(controller, 'create', 'pods', '--subresource=exec', '-A')).to.equal(false)
    expect(may(controller, 'update', 'leases/podmotion-controller', '-n', 'podmotion')).to.equal(true)
    expect(may(controller, 'update', 'leases/kube-scheduler', '-n', 'kube-system')).to.equal(false)
    for (const resource of ['pods', 'secrets', 'podmigrations', 'migrationcheckpoints'])
      expect(may(agent, 'get', resource, '-A'), resource).to.equal(false)
  })

  it('keeps certificates over an upgrade, until rotation asks for new ones', () => {
    const first = certificates()
    expect(first.match(/tls.key/g)).to.have.length(4)
    install('--reuse-values', '--set', 'extender.weight=6')
    expect(certificates()).to.equal(first)
    install('--reuse-values', '--set', 'certificates.rotation=2')
    expect(certificates()).not.to.equal(first)
  })
})
