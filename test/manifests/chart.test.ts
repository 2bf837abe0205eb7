// The chart as Helm renders it: what is in it, what each value changes, which values are refused.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { parse } from 'yaml'
import { kinds } from '../../scripts/crd-definitions.ts'
import { readConfig } from '../../src/agent/config.ts'
import { MigrationWebhookConfigSpec } from '../../src/api/migration-webhook-config.ts'
import { deschedulerOptions } from '../../src/descheduler/options.ts'
import { findHelm, type Rendered, refusal, render } from './helm.ts'

const helm = findHelm()

const find = (objects: Rendered[], kind: string, name: string): Rendered => {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name)
  if (!found) throw new Error(`${kind} ${name} was not rendered`)
  return found
}
const has = (objects: Rendered[], kind: string, name: string) =>
  objects.some((object) => object.kind === kind && object.metadata.name === name)
const certificate = (secret: Rendered, file = 'tls.crt') => new X509Certificate(Buffer.from(secret.data[file], 'base64'))

describe('chart', function () {
  this.timeout(30_000)
  if (!helm) {
    it('has helm: set HELM, or run make lab once', () => {
      throw new Error('Looking for helm in the lab cache: not there: set HELM, or run `make lab` once')
    })
    return
  }
  let objects: Rendered[]
  before(() => {
    objects = render(helm)
  })

  it('brings all kinds, kept on uninstall', () => {
    for (const { plural } of kinds) {
      const crd = find(objects, 'CustomResourceDefinition', `${plural}.podmotion.io`)
      expect(crd.metadata.annotations).to.deep.include({ 'helm.sh/resource-policy': 'keep' })
    }
    expect(render(helm, { 'crds.enabled': false }).some(({ kind }) => kind === 'CustomResourceDefinition')).to.equal(false)
  })

  it('puts every namespaced object into the namespace, also when that is a value', () => {
    const moved = render(helm, { namespace: 'elsewhere' })
    const namespaces = new Set(moved.map(({ metadata }) => metadata.namespace).filter((namespace) => namespace !== undefined))
    expect([...namespaces]).to.deep.equal(['elsewhere'])
    const webhooks = find(moved, 'ValidatingWebhookConfiguration', 'podmotion').webhooks
    expect(webhooks.map((webhook: any) => webhook.clientConfig.service.namespace)).to.deep.equal(['elsewhere', 'elsewhere'])
    expect(webhooks[1].namespaceSelector.matchExpressions[0].values).to.deep.equal(['kube-system', 'elsewhere'])
  })

  it('makes certificates that one CA signed, with the names that are called', () => {
    const ca = certificate(find(objects, 'Secret', 'podmotion-ca'))
    for (const part of ['controller', 'agent', 'scheduler']) {
      const secret = find(objects, 'Secret', `podmotion-${part}-tls`)
      const own = certificate(secret)
      expect(own.verify(ca.publicKey), part).to.equal(true)
      expect(own.subject).to.equal(`CN=podmotion-${part}`)
      expect(own.checkHost(`podmotion-${part}`)).not.to.equal(undefined)
      expect(own.checkPrivateKey(createKey(secret))).to.equal(true)
      expect(certificate(secret, 'ca.crt').fingerprint256).to.equal(ca.fingerprint256)
    }
    const controller = certificate(find(objects, 'Secret', 'podmotion-controller-tls'))
    expect(controller.checkHost('podmotion-webhook.podmotion.svc')).not.to.equal(undefined)
    expect(controller.checkHost('podmotion-agent')).to.equal(undefined)
    for (const { clientConfig } of find(objects, 'ValidatingWebhookConfiguration', 'podmotion').webhooks) {
      expect(new X509Certificate(Buffer.from(clientConfig.caBundle, 'base64')).fingerprint256).to.equal(ca.fingerprint256)
    }
  })

  it('takes certificates that somebody else made', () => {
    const pem = '-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n'
    const given = render(helm, { certificates: { existing: true, caBundle: pem } })
    expect(given.some(({ kind }) => kind === 'Secret')).to.equal(false)
    const [webhook] = find(given, 'ValidatingWebhookConfiguration', 'podmotion').webhooks
    expect(Buffer.from(webhook.clientConfig.caBundle, 'base64').toString()).to.equal(pem)
    expect(refusal(helm, { 'certificates.existing': true })).to.include('caBundle')
  })

  it('lets evictions go on without an answer, and migrations not', () => {
    const { webhooks } = find(objects, 'ValidatingWebhookConfiguration', 'podmotion')
    const policies = webhooks.map(({ rules, failurePolicy, timeoutSeconds }: any) => [rules[0].resources[0], failurePolicy, timeoutSeconds])
    expect(policies).to.deep.equal([
      ['podmigrations', 'Fail', 10],
      ['pods/eviction', 'Ignore', 10],
    ])
  })

  it('tells the controller how long images are kept, as a whole number', () => {
    const told = (given: Rendered[]) =>
      find(given, 'Deployment', 'podmotion-controller').spec.template.spec.containers[0].env.find(
        ({ name }: { name: string }) => name === 'CHECKPOINT_RETENTION_SECONDS',
      ).value
    expect(told(objects)).to.equal('3600')
    expect(told(render(helm, { checkpoints: { retentionSeconds: 2592000 } }))).to.equal('2592000')
    expect(refusal(helm, { 'checkpoints.retentionSeconds': -1 })).to.include('retentionSeconds')
  })

  it('gives the agent an environment that it accepts', () => {
    const [agent] = find(objects, 'DaemonSet', 'podmotion-agent').spec.template.spec.containers
    const given = Object.fromEntries(
      agent.env.map(({ name, value }: any) => [name, value ?? (name.startsWith('NODE_IP') ? '10.0.0.1' : 'from-field')]),
    )
    const config = readConfig(given)
    expect(config).to.include({ agentPort: 8090, metricsPort: 8091, hostRoot: '/host' })
    const mounted = agent.volumeMounts.map(({ mountPath }: any) => mountPath)
    for (const folder of [
      config.runDir,
      config.stateDir,
      config.optDir,
      config.kubeletDir,
      config.cniStateDir,
      config.cgroupDir,
      config.podLogDir,
    ]) {
      expect(mounted).to.include(folder)
    }
    expect(mounted).to.include.members([config.hostRoot, config.tlsDir])
  })

  it('runs agents everywhere, and turns them into the uninstaller', () => {
    const spec = find(objects, 'DaemonSet', 'podmotion-agent').spec.template.spec
    expect(spec).to.deep.include({ hostPID: true, hostNetwork: true, tolerations: [{ operator: 'Exists' }] })
    const off = render(helm, { 'uninstall.enabled': true })
    const [agent] = find(off, 'DaemonSet', 'podmotion-agent').spec.template.spec.containers
    expect(agent.env).to.deep.include({ name: 'PODMOTION_UNINSTALL', value: 'true' })
    expect(agent.livenessProbe).to.equal(undefined)
    expect(find(off, 'Deployment', 'podmotion-controller').spec.replicas).to.equal(0)
    expect(has(off, 'ValidatingWebhookConfiguration', 'podmotion')).to.equal(false)
  })

  it('never lets the controller run as root or read Secrets', () => {
    const spec = find(objects, 'Deployment', 'podmotion-controller').spec.template.spec
    expect(spec.securityContext.runAsNonRoot).to.equal(true)
    expect(spec.containers[0].securityContext).to.deep.include({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true })
    const rules = objects.filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role').flatMap((role) => role.rules)
    expect(rules.flatMap(({ resources }: any) => resources)).not.to.include('secrets')
    expect(JSON.stringify(rules)).not.to.include('"*"')
  })

  it('writes a scheduler fragment that works over TLS, with the given address', () => {
    const given = render(helm, { extender: { clusterIP: '10.96.0.77', weight: 7 } })
    expect(find(given, 'Service', 'podmotion-extender').spec.clusterIP).to.equal('10.96.0.77')
    const fragment = parse(find(given, 'ConfigMap', 'podmotion-scheduler-extender').data['extenders.yaml'])
    const [extender] = fragment.extenders
    expect(extender).to.deep.include({
      urlPrefix: 'https://10.96.0.77:443',
      weight: 7,
      nodeCacheCapable: true,
      ignorable: true,
      enableHTTPS: true,
    })
    expect(extender.tlsConfig.serverName).to.equal('podmotion-controller')
    expect(certificate(find(given, 'Secret', 'podmotion-controller-tls')).checkIP('10.96.0.77')).to.equal('10.96.0.77')
  })

  it('makes a default webhook configuration and the policies of the values', () => {
    const strategies = [{ name: 'LowNodeUtilization' }]
    const given = render(helm, { 'policies.low': { strategies } })
    expect(MigrationWebhookConfigSpec.parse(find(given, 'MigrationWebhookConfig', 'default').spec).unmovable).to.equal('Evict')
    expect(find(given, 'MigrationPolicy', 'low').spec).to.deep.equal({ strategies })
  })

  it('gives the controller a policy of the stock descheduler, where there is one', () => {
    const policy = 'apiVersion: descheduler/v1alpha2\nkind: DeschedulerPolicy\n'
    const given = render(helm, { stockDescheduler: { policy, interval: '90s', dryRun: true } })
    expect(find(given, 'ConfigMap', 'podmotion-stock-policy').data['policy.yaml']).to.equal(policy)
    const [controller] = find(given, 'Deployment', 'podmotion-controller').spec.template.spec.containers
    const options = deschedulerOptions(controller.args)
    expect(options).to.deep.equal({ policyFile: '/etc/podmotion/policy/policy.yaml', intervalMs: 90_000, dryRun: true, once: false })
    const mount = controller.volumeMounts.find((one: any) => one.name === 'policy')
    expect(options.policyFile?.startsWith(`${mount.mountPath}/`)).to.equal(true)
    expect(find(objects, 'Deployment', 'podmotion-controller').spec.template.spec.containers[0].args).to.equal(undefined)
    expect(has(objects, 'ConfigMap', 'podmotion-stock-policy')).to.equal(false)
  })

  it('puts the registry before images and pull secrets into pods', () => {
    const given = render(helm, { global: { imageRegistry: 'registry.example/', imagePullSecrets: ['pull'] }, 'agent.image.tag': '1.2' })
    const pod = find(given, 'DaemonSet', 'podmotion-agent').spec.template.spec
    expect(pod.containers[0].image).to.equal('registry.example/podmotion.local/agent:1.2')
    expect(pod.imagePullSecrets).to.deep.equal([{ name: 'pull' }])
  })

  it('brings monitoring and network policies when they are wished', () => {
    const wished = { 'metrics.serviceMonitor.enabled': true, 'metrics.dashboard.enabled': true, 'networkPolicies.enabled': true }
    const given = render(helm, wished)
    expect(has(given, 'ServiceMonitor', 'podmotion')).to.equal(true)
    expect(has(given, 'NetworkPolicy', 'podmotion-controller')).to.equal(true)
    expect(JSON.parse(find(given, 'ConfigMap', 'podmotion-dashboard').data['podmotion.json']).title).to.equal('podmotion')
    expect(has(objects, 'ServiceMonitor', 'podmotion')).to.equal(false)
  })

  for (const [path, value] of [
    ['agent.port', 70_000],
    ['controller.image.pullPolicy', 'Sometimes'],
    ['webhook.timeoutSeconds', 31],
    ['extender.clusterIP', 'ten'],
    ['unknown', true],
    ['agent.imagee', {}],
    ['stockDescheduler.policy', 'kind: Other'],
    ['stockDescheduler.interval', 'often'],
  ] as const) {
    it(`refuses ${path} = ${JSON.stringify(value)}`, () => {
      expect(refusal(helm, { [path]: value })).to.include(path.split('.').at(-1))
    })
  }
})

function createKey(secret: Rendered) {
  return createPrivateKey(Buffer.from(secret.data['tls.key'], 'base64'))
}
