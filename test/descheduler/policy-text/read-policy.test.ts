// Policies as text: both kinds are read; what is wrong is told with path, position, rule and value, all at once.
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { strategyNames } from '../../../src/api/migration-policy.ts'
import { readPolicy } from '../../../src/descheduler/policy-text/read-policy.ts'
import { strategies } from '../../../src/descheduler/strategies/index.ts'

function problems(text: string): string[] {
  const read = readPolicy(text, 'p.yaml')
  return 'problems' in read ? read.problems : []
}

const stock = (body: string) => `apiVersion: descheduler/v1alpha2\nkind: DeschedulerPolicy\n${body}`

/** Arguments as they stand in a profile, from line 7 on. */
const args = (name: string, text: string) =>
  problems(stock(`profiles:\n- name: p\n  pluginConfig:\n  - name: ${name}\n    args:\n${text.replaceAll(/^/gm, '      ')}`))

describe('policies as text', () => {
  it('those of the stock descheduler are read, with their defaults', () => {
    const read = readPolicy(
      stock('profiles: [{name: p, pluginConfig: [{name: RemoveFailedPods}], plugins: {deschedule: {enabled: [RemoveFailedPods]}}}]'),
      'p',
    )
    const policy = 'policy' in read && 'stock' in read.policy ? read.policy.stock : undefined
    expect(policy?.profiles[0]?.deschedule).to.deep.equal([
      { strategy: 'RemoveFailedPods', wish: { minPodLifetimeSeconds: 3600, includingInitContainers: false } },
    ])
    expect(policy?.profiles[0]?.evictor).to.include({ nodeFit: false, evictDaemonSetPods: false })
  })

  it('fields that are null are as left out', () => {
    expect(args('PodLifeTime', 'maxPodLifeTimeSeconds: 60\nstates:\nlabelSelector: null')).to.deep.equal([])
  })

  it('arguments may say of which kind they are', () => {
    expect(args('RemoveDuplicates', 'apiVersion: descheduler/v1alpha2\nkind: RemoveDuplicatesArgs')).to.deep.equal([])
  })

  const whole: [string, string, string[]][] = [
    ['broken YAML', 'a: [1', ['p.yaml:1:6 Flow sequence in block collection must be sufficiently indented and end with a ]']],
    [
      'no kind',
      'a: 1',
      ['p.yaml:1:1 kind: expected DeschedulerPolicy (descheduler/v1alpha2) or MigrationPolicy (podmotion.io/v1alpha1), got nothing'],
    ],
    [
      'an older version',
      'apiVersion: descheduler/v1alpha1\nkind: DeschedulerPolicy',
      ['p.yaml:1:13 apiVersion: expected descheduler/v1alpha2, got "descheduler/v1alpha1"'],
    ],
    [
      'everything at once, in the order of the text',
      stock(
        [
          'maxNoOfPodsToEvictTotal: -1',
          'nodeSelector: "pool in a"',
          'metricsProviders:',
          '- source: Prometheus',
          '- source: Prometheus',
          '  prometheus: {url: "http://p", authToken: {}}',
          'profiles:',
          '- name: p',
          '  pluginConfig:',
          '  - name: Nope',
          '  plugins:',
          '    balance: {enabled: [PodLifeTime]}',
          '    deschedule: {enabled: [RemoveFailedPods]}',
          '    filter: {enabled: [Mine]}',
          '  speed: 1',
        ].join('\n'),
      ),
      [
        'p.yaml:3:26 maxNoOfPodsToEvictTotal: expected at least 0, got -1',
        'p.yaml:4:15 nodeSelector: expected requirements like pool=a,disk in (ssd,nvme), got "pool in a"',
        'p.yaml:6:3 metricsProviders[0].prometheus.url: expected the address of a Prometheus server, got nothing',
        'p.yaml:7:11 metricsProviders[1].source: expected each source once, got Prometheus again',
        'p.yaml:8:33 metricsProviders[1].prometheus.authToken.secretReference: expected namespace and name of a secret, got not both',
        `p.yaml:12:11 profiles[0].pluginConfig[0].name: expected DefaultEvictor or one of ${strategyNames.join(', ')}, got "Nope"`,
        `p.yaml:14:25 profiles[0].plugins.balance.enabled[0]: expected one of ${strategyNames.filter((name) => strategies[name].extensionPoint === 'balance').join(', ')}, got "PodLifeTime"`,
        'p.yaml:15:28 profiles[0].plugins.deschedule.enabled[0]: expected a pluginConfig named RemoveFailedPods in this profile, got none',
        'p.yaml:16:24 profiles[0].plugins.filter.enabled[0]: expected DefaultEvictor, got "Mine"',
        'p.yaml:17:10 profiles[0].speed: there is no such field, got 1',
      ],
    ],
    [
      'metrics twice',
      stock('metricsCollector: {enabled: true}\nmetricsProviders: [{source: KubernetesMetrics}]'),
      ['p.yaml:4:29 metricsProviders[0].source: expected either metricsProviders or metricsCollector, got KubernetesMetrics in both'],
    ],
  ]
  for (const [what, text, expected] of whole)
    it(what, () => {
      expect(problems(text)).to.deep.equal(expected)
    })

  const at = 'profiles[0].pluginConfig[0].args'
  const wrong: [name: string, text: string, expected: string[]][] = [
    [
      'RemoveDuplicates',
      'namespaces: {include: [a], exclude: [b]}',
      [`7... ${at}.namespaces: expected either include or exclude, got both (a; b)`],
    ],
    ['RemoveDuplicates', 'excludeOwnerKinds: Job', [`${at}.excludeOwnerKinds: expected a list, got "Job"`]],
    [
      'LowNodeUtilization',
      'numberOfNodes: x',
      [
        `${at}.thresholds: expected a map, got nothing`,
        `${at}.targetThresholds: expected a map, got nothing`,
        `${at}.numberOfNodes: expected a number, got "x"`,
      ],
    ],
    [
      'LowNodeUtilization',
      'thresholds: {cpu: 900}\ntargetThresholds: {cpu: 950}',
      [
        `${at}.thresholds.cpu: expected a percent from 0 to 100, got 900`,
        `${at}.targetThresholds.cpu: expected a percent from 0 to 100, got 950`,
      ],
    ],
    [
      'LowNodeUtilization',
      'thresholds: {cpu: 50}\ntargetThresholds: {cpu: 40}',
      [`${at}.thresholds.cpu: expected at most targetThresholds.cpu (40), got 50: pods would go back and forth`],
    ],
    [
      'LowNodeUtilization',
      'thresholds: {cpu: 5}\ntargetThresholds: {memory: 4}',
      [
        `${at}.thresholds.memory: expected a percent because targetThresholds has one for memory, got nothing`,
        `${at}.targetThresholds.cpu: expected a percent because thresholds has one for cpu, got nothing`,
      ],
    ],
    [
      'LowNodeUtilization',
      'thresholds: {cpu: 5}\ntargetThresholds: {cpu: 9}\nmetricsUtilization: {source: Prometheus}',
      [
        `${at}.thresholds: expected MetricResource alone where source is Prometheus, got cpu`,
        `${at}.targetThresholds: expected MetricResource alone where source is Prometheus, got cpu`,
        `${at}.metricsUtilization.prometheus.query: expected a query where source is Prometheus, got nothing`,
      ],
    ],
    [
      'LowNodeUtilization',
      'thresholds: {cpu: 5}\ntargetThresholds: {cpu: 9}\nmetricsUtilization: {source: KubernetesMetrics, metricsServer: true, prometheus: {}}',
      [
        `${at}.metricsUtilization.metricsServer: expected it left out where source is KubernetesMetrics, got true`,
        `${at}.metricsUtilization.prometheus: expected it left out where source is KubernetesMetrics, got a query`,
      ],
    ],
    [
      'LowNodeUtilization',
      'thresholds: {cpu: 5}\ntargetThresholds: {cpu: 9}\nevictableNamespaces: {include: [a]}',
      [`${at}.evictableNamespaces.include: expected only exclude here, got include (a)`],
    ],
    [
      'HighNodeUtilization',
      'thresholds: {}\nevictionModes: [Some]',
      [
        `${at}.thresholds: expected a percent for at least one resource (cpu, memory, pods, …), got none`,
        `${at}.evictionModes[0]: expected OnlyThresholdingResources, got "Some"`,
      ],
    ],
    [
      'RemovePodsViolatingTopologySpreadConstraint',
      'constraints: [Never]\ntopologyBalanceNodeFit: 1',
      [
        `${at}.constraints[0]: expected one of DoNotSchedule, ScheduleAnyway, got "Never"`,
        `${at}.topologyBalanceNodeFit: expected true or false, got 1`,
      ],
    ],
    [
      'RemovePodsViolatingInterPodAntiAffinity',
      'labelSelector: {matchLabels: {"a b": c}, matchExpressions: [{key: a, operator: In}, {key: a, operator: Exists, values: [b]}, {key: a, operator: Like}]}',
      [
        `${at}.labelSelector.matchLabels["a b"]: expected a label key, got "a b"`,
        `${at}.labelSelector.matchExpressions[0].values: expected at least one value for operator In, got none`,
        `${at}.labelSelector.matchExpressions[1].values: expected no values for operator Exists, got b`,
        `${at}.labelSelector.matchExpressions[2].operator: expected one of In, NotIn, Exists, DoesNotExist, got "Like"`,
      ],
    ],
    ['RemovePodsViolatingNodeAffinity', 'nodeAffinityType: []', [`${at}.nodeAffinityType: expected at least 1 entries, got []`]],
    [
      'RemovePodsViolatingNodeAffinity',
      'nodeAffinityType: [required]',
      [
        `${at}.nodeAffinityType[0]: expected one of requiredDuringSchedulingIgnoredDuringExecution, preferredDuringSchedulingIgnoredDuringExecution, got "required"`,
      ],
    ],
    [
      'RemovePodsViolatingNodeTaints',
      'includedTaints: [a]\nexcludedTaints: [b]',
      [`${at}.excludedTaints: expected either includedTaints or excludedTaints, got both (a; b)`],
    ],
    [
      'RemovePodsHavingTooManyRestarts',
      'states: [Waiting]\npodRestartThreshold: 0',
      [
        `${at}.states[0]: expected one of Running, CrashLoopBackOff, got "Waiting"`,
        `${at}.podRestartThreshold: expected at least 1, got 0`,
      ],
    ],
    [
      'PodLifeTime',
      'ownerKinds: {include: [a], exclude: [b]}\nconditions: [{}]',
      [
        `${at}.ownerKinds: expected either include or exclude, got both (a; b)`,
        `${at}.conditions[0]: expected at least one of type, status, reason and minTimeSinceLastTransitionSeconds, got none`,
      ],
    ],
    [
      'PodLifeTime',
      'includingInitContainers: true',
      [`${at}: expected at least one of maxPodLifeTimeSeconds, states, conditions and exitCodes, got none`],
    ],
    [
      'RemoveFailedPods',
      'minPodLifetimeSeconds: -5\nexitCodes: [a]',
      [`${at}.minPodLifetimeSeconds: expected at least 0, got -5`, `${at}.exitCodes[0]: expected a number, got "a"`],
    ],
    [
      'DefaultEvictor',
      'priorityThreshold: {value: 1, name: x}\nminPodAge: 1d\nnoEvictionPolicy: Maybe',
      [
        `${at}.priorityThreshold: expected either value or name, got both (1; x)`,
        `${at}.minPodAge: expected a duration like 90s, 10m or 1h30m, got "1d"`,
        `${at}.noEvictionPolicy: expected one of Preferred, Mandatory, got "Maybe"`,
      ],
    ],
    [
      'DefaultEvictor',
      'evictDaemonSetPods: true\npodProtections: {defaultDisabled: [DaemonSetPods, DaemonSetPods], extraEnabled: [DaemonSetPods]}',
      [
        `${at}.evictDaemonSetPods: expected it left out where podProtections are given, got true`,
        `${at}.podProtections.defaultDisabled[1]: expected each protection once, got DaemonSetPods again`,
        `${at}.podProtections.extraEnabled[0]: expected one of PodsWithPVC, PodsWithoutPDB, PodsWithResourceClaims, got "DaemonSetPods"`,
      ],
    ],
  ]
  for (const [name, text, expected] of wrong)
    it(`${name}: ${text.split('\n').join(', ').slice(0, 60)}`, () => {
      const found = args(name, text)
      expect(found.map((line) => line.replace(/^p\.yaml:\d+:\d+ /, ''))).to.deep.equal(
        expected.map((line) => line.replace(/^7\.\.\. /, '')),
      )
      for (const line of found) expect(Number(/^p\.yaml:(\d+):\d+ /.exec(line)?.[1]), line).to.be.within(7, 10)
    })

  it('our own: schedule, windows, strategies, all at once', () => {
    const text = [
      'apiVersion: podmotion.io/v1alpha1',
      'kind: MigrationPolicy',
      'metadata: {name: x}',
      'spec:',
      '  schedule: sometimes',
      '  blackoutWindows: [{start: "25:00", end: "6", timeZone: "Mars/Olympus"}]',
      '  cooldownSeconds: -1',
      '  strategies:',
      '  - name: LowNodeUtilization',
      '    lowNodeUtilization: {thresholds: {cpu: 80}, targetThresholds: {cpu: 70}}',
      '  - name: PodLifeTime',
    ].join('\n')
    expect(problems(text)).to.deep.equal([
      'p.yaml:5:13 spec.schedule: expected a cron expression of 5 or 6 fields, got "sometimes"',
      'p.yaml:6:29 spec.blackoutWindows[0].start: expected HH:MM, got "25:00"',
      'p.yaml:6:43 spec.blackoutWindows[0].end: expected HH:MM, got "6"',
      'p.yaml:6:58 spec.blackoutWindows[0].timeZone: "Mars/Olympus" is no IANA time zone (Europe/Berlin)',
      'p.yaml:7:20 spec.cooldownSeconds: expected at least 0, got -1',
      'p.yaml:10:44 spec.strategies[0].lowNodeUtilization.thresholds.cpu: expected at most targetThresholds.cpu (70), got 80: pods would go back and forth',
      'p.yaml:11:5 spec.strategies[1].podLifeTime: expected at least one of maxPodLifeTimeSeconds, states, conditions and exitCodes, got none',
    ])
  })

  const folder = new URL('../../../policies/', import.meta.url)
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml')))
    it(`policies/${file} is read`, () => {
      expect(problems(readFileSync(new URL(file, folder), 'utf8'))).to.deep.equal([])
    })
})
