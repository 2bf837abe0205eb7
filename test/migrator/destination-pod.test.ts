// The copy of the pod: what it keeps, what it must not do twice, where it is pinned.
import { expect } from 'chai'
import { destinationPodName } from '../../src/migrator/destination-name.ts'
import { buildDestinationPod } from '../../src/migrator/destination-pod.ts'
import type { Migration } from '../../src/migrator/observed.ts'
import { makeMigration, makePod, migrationUid } from './world.ts'

const migration = (spec = {}): Migration => ({ ...makeMigration(spec), status: {} })
const build = (source = makePod(), spec = {}) => buildDestinationPod(migration(spec), source, 'nb', 'cart-7-12345')
const pin = { key: 'metadata.name', operator: 'In', values: ['nb'] }
const termsOf = (pod: ReturnType<typeof build>) =>
  pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms

describe('destination pod', () => {
  it('has neither the labels nor the owner of the source', () => {
    const { metadata } = build()
    expect(metadata?.labels).to.deep.equal({ 'podmotion.io/migration-uid': migrationUid, 'podmotion.io/source-pod-uid': 'source-uid' })
    expect(metadata).not.to.have.property('ownerReferences')
  })

  it('says which migration it receives', () => {
    expect(build().metadata?.annotations).to.include({
      'podmotion.io/migration': migrationUid,
      'podmotion.io/migration-name': 'shop/move',
      'podmotion.io/base-name': 'cart-7',
    })
  })

  it('remembers whose the source was, without labels of ours', () => {
    const source = makePod({ metadata: { labels: { app: 'cart', 'podmotion.io/migration-uid': 'earlier' } } })
    const said = JSON.parse(build(source).metadata?.annotations?.['podmotion.io/source-identity'] ?? '')
    expect(said).to.deep.equal({ labels: { app: 'cart' }, ownerReferences: source.metadata?.ownerReferences })
  })

  it('drops annotations about another pod and keeps the user’s', () => {
    const source = makePod({
      metadata: {
        annotations: {
          'kubectl.kubernetes.io/last-applied-configuration': '{}',
          team: 'shop',
          'cni.projectcalico.org/podIP': '10.1.0.7',
        },
      },
    })
    expect(build(source).metadata?.annotations).to.include({ team: 'shop' })
    expect(build(source).metadata?.annotations).not.to.have.any.keys(
      'kubectl.kubernetes.io/last-applied-configuration',
      'cni.projectcalico.org/podIP',
    )
  })

  it('keeps the hostname, given or made from the name', () => {
    expect(build().spec?.hostname).to.equal('cart-7')
    expect(build(makePod({ spec: { hostname: 'db' } })).spec?.hostname).to.equal('db')
  })

  it('is not bound to a node, but pinned to one', () => {
    expect(build().spec).not.to.have.property('nodeName')
    expect(termsOf(build())).to.deep.equal([{ matchFields: [pin] }])
  })

  it('pins every alternative of the pod’s own rules in mode strict', () => {
    const own = [{ matchExpressions: [{ key: 'disk', operator: 'Exists' }] }, { matchExpressions: [{ key: 'gpu', operator: 'Exists' }] }]
    const source = makePod({
      spec: {
        affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: own } } },
        nodeSelector: { zone: 'a' },
      },
    })
    expect(termsOf(build(source))).to.deep.equal(own.map((term) => ({ ...term, matchFields: [pin] })))
    expect(build(source).spec?.nodeSelector).to.deep.equal({ zone: 'a' })
    expect(termsOf(build(source, { affinityMode: 'ignore' }))).to.deep.equal([{ matchFields: [pin] }])
    expect(build(source, { affinityMode: 'ignore' }).spec).not.to.have.property('nodeSelector')
  })

  it('does not run twice what ran already', () => {
    const source = makePod({
      spec: {
        initContainers: [{ name: 'once' }, { name: 'side', restartPolicy: 'Always' }],
        containers: [{ name: 'main', lifecycle: { postStart: { exec: {} }, preStop: { exec: {} } } }],
        ephemeralContainers: [{ name: 'debug' }],
      },
    })
    const { spec } = build(source)
    expect(spec?.initContainers?.map(({ name }) => name)).to.deep.equal(['side'])
    expect(spec?.containers[0]?.lifecycle).to.deep.equal({ preStop: { exec: {} } })
    expect(spec).not.to.have.property('ephemeralContainers')
  })

  it('gives stand-ins time before a probe can kill them', () => {
    const probes = { livenessProbe: { initialDelaySeconds: 5, periodSeconds: 2 }, startupProbe: { periodSeconds: 10, failureThreshold: 3 } }
    const main = build(makePod({ spec: { containers: [{ name: 'main', ...probes, readinessProbe: { periodSeconds: 1 } }] } })).spec
      ?.containers[0]
    expect(main?.livenessProbe).to.deep.equal({ initialDelaySeconds: 30, periodSeconds: 2 })
    expect(main?.startupProbe).to.deep.equal({ periodSeconds: 10, failureThreshold: 6 })
    expect(main?.readinessProbe).to.deep.equal({ periodSeconds: 1 })
  })

  it('keeps the token volume and its mounts, so that paths stay equal', () => {
    const volumes = [{ name: 'kube-api-access-abcde', projected: { sources: [] } }]
    const mounts = [{ name: 'kube-api-access-abcde', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }]
    const { spec } = build(makePod({ spec: { volumes, containers: [{ name: 'main', volumeMounts: mounts }] } }))
    expect(spec?.volumes).to.deep.equal(volumes)
    expect(spec?.containers[0]?.volumeMounts).to.deep.equal(mounts)
  })
})

describe('destination pod name', () => {
  it('does not grow with every move', () => {
    const once = destinationPodName(makePod(), migrationUid)
    const moved = makePod({ metadata: { name: once, annotations: build().metadata?.annotations } })
    expect(once).to.equal('cart-7-12345')
    expect(destinationPodName(moved, 'bbbbbbbb-0000-4000-8000-0000000abcde')).to.equal('cart-7-abcde')
  })

  it('stays within 63 characters and ends its base cleanly', () => {
    const long = makePod({ metadata: { name: `${'a'.repeat(56)}-${'b'.repeat(60)}` } })
    expect(destinationPodName(long, migrationUid)).to.equal(`${'a'.repeat(56)}-12345`)
  })
})
