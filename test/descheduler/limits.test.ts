// What bounds a policy: budgets, blackout windows, cooldown, and the policy that speaks for a pod.
import { expect } from 'chai'
import type { PodMigration } from '../../src/api/pod-migration.ts'
import { blackoutAt } from '../../src/descheduler/blackout.ts'
import { BudgetLedger } from '../../src/descheduler/budgets.ts'
import { restingPods } from '../../src/descheduler/cooldown.ts'
import { policyOfPod } from '../../src/descheduler/policy-of-pod.ts'
import { at, migration, nowMs, pod } from '../extender/cluster.ts'
import { policy } from './policy.ts'

describe('budgets', () => {
  const limits = { inFlightCluster: 3, inFlightPerNamespace: 2, outboundPerNode: 1, inboundPerNode: 1, perHour: 4 }
  const open = (key: string, from: string, to: string): PodMigration =>
    migration(key, key, { status: { phase: 'PreCopyMemory', sourceNode: from, destinationNode: to } })
  const broken = (migrations: PodMigration[], budgets = limits) =>
    new BudgetLedger(budgets, 'p', migrations, nowMs).broken({ namespace: 'shop', fromNode: 'a', toNode: 'b' })
  const started = (name: string, ageMs: number, by = 'p') =>
    migration(`x/${name}`, name, {
      metadata: { creationTimestamp: at(-ageMs) },
      spec: { migrationPolicyRef: { name: by } },
      status: { phase: 'Complete' },
    })
  const recent = [1, 2, 3, 4].map((number) => started(`m${number}`, 60_000))

  const cases: [string, PodMigration[], string | undefined][] = [
    ['none', [], undefined],
    ['outbound', [open('x/1', 'a', 'c')], 'outboundPerNode'],
    ['inbound', [open('x/1', 'c', 'b')], 'inboundPerNode'],
    ['namespace', [open('shop/1', 'c', 'd'), open('shop/2', 'e', 'f')], 'inFlightPerNamespace'],
    ['cluster', [open('x/1', 'c', 'd'), open('x/2', 'e', 'f'), open('x/3', 'g', 'h')], 'inFlightCluster'],
    ['hour', recent, 'perHour'],
    ['an hour ago', recent.slice(1).concat(started('old', 3_600_001)), undefined],
    ['those of other policies do not count in the hour', recent.slice(1).concat(started('other', 1000, 'q')), undefined],
    ['ended ones are not in flight', [migration('shop/1', 'x', { status: { phase: 'Complete', sourceNode: 'a' } })], undefined],
    [
      'dry runs do not count',
      [migration('shop/1', 'x', { spec: { dryRun: true }, status: { phase: 'Pending', sourceNode: 'a' } })],
      undefined,
    ],
    ['one that nobody looked at yet counts at its target', [migration('x/1', 'x', { spec: { targetNodeName: 'b' } })], 'inboundPerNode'],
  ]
  for (const [what, migrations, expected] of cases)
    it(`${what}: ${expected ?? 'allowed'}`, () => {
      expect(broken(migrations)).to.equal(expected)
    })

  it('counts what was planned in the same cycle', () => {
    const ledger = new BudgetLedger({ ...limits, outboundPerNode: 9, inboundPerNode: 9, inFlightPerNamespace: 9 }, 'p', [], nowMs)
    const move = { namespace: 'shop', fromNode: 'a', toNode: 'b' }
    for (let count = 0; count < 3; count++) {
      expect(ledger.broken(move)).to.equal(undefined)
      ledger.spend(move)
    }
    expect(ledger.broken(move)).to.equal('inFlightCluster')
  })
})

describe('blackout windows', () => {
  // 12:00 UTC on 4 May is 14:00 in Berlin and 17:30 in Kolkata.
  const cases: [string, string, string, boolean][] = [
    ['11:00', '13:00', 'UTC', true],
    ['12:00', '12:01', 'UTC', true],
    ['11:00', '12:00', 'UTC', false],
    ['22:00', '06:00', 'UTC', false],
    ['22:00', '12:30', 'UTC', true],
    ['11:00', '13:00', 'Europe/Berlin', false],
    ['13:00', '15:00', 'Europe/Berlin', true],
    ['17:15', '17:45', 'Asia/Kolkata', true],
    ['00:00', '24:00', 'UTC', true],
    ['09:00', '09:00', 'UTC', true],
  ]
  for (const [start, end, timeZone, inside] of cases)
    it(`${start}-${end} ${timeZone} ${inside ? 'holds' : 'does not hold'} at 12:00 UTC`, () => {
      expect(blackoutAt([{ start, end, timeZone }], nowMs) !== undefined).to.equal(inside)
    })

  it('forbids everything when it cannot be read, and says what is wrong', () => {
    expect(blackoutAt([{ start: '9', end: '10:00', timeZone: 'UTC' }], nowMs)).to.match(/^blackoutWindows.start: expected HH:MM, got "9"/)
    expect(blackoutAt([{ start: '09:00', end: '10:75', timeZone: 'UTC' }], nowMs)).to.match(/^blackoutWindows.end: /)
    expect(blackoutAt([{ start: '09:00', end: '10:00', timeZone: 'Mars/Olympus' }], nowMs)).to.match(/"Mars\/Olympus" is no IANA time zone/)
  })
  it('does not exist when there are none', () => {
    expect(blackoutAt(undefined, nowMs)).to.equal(undefined)
  })
})

describe('cooldown', () => {
  const ended = (ageMs: number, extra: object = {}) =>
    migration('shop/m', 'cart', {
      status: { phase: 'Complete', completedAt: at(-ageMs), sourcePodUID: 'old', destinationPodUID: 'new' },
      ...extra,
    })
  it('lets a moved pod and its source rest', () => {
    expect([...restingPods([ended(599_000)], 600, nowMs)].sort()).to.deep.equal(['new', 'old'])
  })
  it('ends', () => {
    expect([...restingPods([ended(600_000)], 600, nowMs)]).to.deep.equal([])
  })
  it('does not follow a dry run', () => {
    expect([...restingPods([ended(1000, { spec: { dryRun: true } })], 600, nowMs)]).to.deep.equal([])
  })
  it('follows a failed move as well', () => {
    const failed = migration('shop/m', 'cart', { spec: { sourcePodUID: 'old' }, status: { phase: 'RolledBack', completedAt: at(-1000) } })
    expect([...restingPods([failed], 600, nowMs)]).to.deep.equal(['old'])
  })
})

describe('policy of a pod', () => {
  const cart = pod('shop/cart', { labels: { app: 'cart' } })
  const all = policy('all')
  const byPod = policy('by-pod', { podSelector: { matchLabels: { app: 'cart' } } })
  const byNamespace = policy('by-namespace', { namespaceSelector: { matchLabels: { team: 'x' } } })
  const urgent = policy('urgent', { priority: 5 })
  const other = policy('other', { podSelector: { matchLabels: { app: 'db' } }, priority: 100 })
  const of = (policies: ReturnType<typeof policy>[], asked = cart) => policyOfPod(asked, policies, { team: 'x' })?.metadata.name

  it('is the highest priority, then the most specific, then the first by name', () => {
    expect(of([all, byNamespace, byPod, urgent, other])).to.equal('urgent')
    expect(of([all, byNamespace, byPod])).to.equal('by-pod')
    expect(of([all, byNamespace])).to.equal('by-namespace')
    expect(of([policy('b'), policy('a')])).to.equal('a')
    expect(of([other])).to.equal(undefined)
  })
  it('is the one that the pod names, or none', () => {
    const naming = (name: string) => pod('shop/cart', { annotations: { 'podmotion.io/policy': name } })
    expect(of([all, urgent, other], naming('other'))).to.equal('other')
    expect(of([all], naming('unknown'))).to.equal(undefined)
  })
})
