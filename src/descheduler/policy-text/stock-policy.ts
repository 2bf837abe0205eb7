// Policies of the stock descheduler (descheduler/v1alpha2), read as they are; every problem is told at once.
import { z } from 'zod'
import { type DefaultEvictorArguments, MetricsProvider } from '../../api/descheduler-arguments.ts'
import { type StrategyName, strategyNames } from '../../api/migration-policy.ts'
import { listOf, recordOf } from '../stock/argument-rules.ts'
import { schema as defaultEvictorSchema } from '../stock/default-evictor/schema.ts'
import { parseLabelQuery } from '../stock/label-query.ts'
import { strategies } from '../strategies/index.ts'
import { type Problem, problemsOf } from './problems.ts'
import { metricsProblems } from './stock-metrics.ts'

export const stockApiVersion = 'descheduler/v1alpha2'

const uint = z.int().min(0).optional()
const PluginSet = z.strictObject({ enabled: z.array(z.string()).optional(), disabled: z.array(z.string()).optional() }).optional()

const StockProfile = z.strictObject({
  name: z.string().default(''),
  pluginConfig: z.array(z.strictObject({ name: z.string(), args: z.unknown().optional() })).default([]),
  plugins: z
    .strictObject({
      presort: PluginSet,
      sort: PluginSet,
      deschedule: PluginSet,
      balance: PluginSet,
      filter: PluginSet,
      preevictionfilter: PluginSet,
    })
    .default({}),
})

const StockPolicyText = z.strictObject({
  apiVersion: z.literal(stockApiVersion),
  kind: z.literal('DeschedulerPolicy'),
  profiles: z.array(StockProfile).default([]),
  nodeSelector: z.string().optional(),
  maxNoOfPodsToEvictPerNode: uint,
  maxNoOfPodsToEvictPerNamespace: uint,
  maxNoOfPodsToEvictTotal: uint,
  evictionFailureEventNotification: z.boolean().optional(),
  metricsCollector: z.strictObject({ enabled: z.boolean().optional() }).optional(),
  metricsProviders: z.array(MetricsProvider).default([]),
  gracePeriodSeconds: z.int().min(0).optional(),
})
export type StockPolicyText = z.infer<typeof StockPolicyText>

export interface StockStep {
  strategy: StrategyName
  wish: unknown
}

export interface StockRun {
  name: string
  evictor: DefaultEvictorArguments
  /** Where its arguments are in the policy; undefined: it has none. */
  evictorPath: (string | number)[] | undefined
  deschedule: StockStep[]
  balance: StockStep[]
}

export interface StockPolicy extends Omit<StockPolicyText, 'profiles'> {
  kind: 'DeschedulerPolicy'
  profiles: StockRun[]
}

export function parseStockPolicy(value: unknown): { policy: StockPolicy } | { problems: Problem[] } {
  const parsed = StockPolicyText.safeParse(value)
  const problems = parsed.success ? [] : problemsOf(parsed.error.issues, value)
  const profiles = listOf(recordOf(value).profiles)
  const runs = profiles.map((profile, index) => readProfile(recordOf(profile), index, value, problems))
  problems.push(...metricsProblems(value), ...selectorProblems(value))
  if (!parsed.success || problems.length > 0) return { problems }
  return { policy: { ...parsed.data, profiles: runs } }
}

function selectorProblems(value: unknown): Problem[] {
  const { nodeSelector } = recordOf(value)
  const query = parseLabelQuery(typeof nodeSelector === 'string' ? nodeSelector : '')
  if (!('wrong' in query)) return []
  return [{ path: ['nodeSelector'], message: `expected requirements like pool=a,disk in (ssd,nvme), got "${query.wrong}"` }]
}

type Raw = Readonly<Record<string, unknown>>

/** Reads what it can of a profile that is wrong elsewhere: all problems are told at once. */
function readProfile(profile: Raw, index: number, root: unknown, problems: Problem[]): StockRun {
  const path = ['profiles', index]
  const configs = listOf(profile.pluginConfig).map(recordOf)
  const wishes = readArguments(configs, path, root, problems)
  const plugins = recordOf(profile.plugins)
  const steps = (point: 'deschedule' | 'balance') => enabledSteps(namesAt(plugins, point), point, wishes, path, problems)
  for (const point of ['filter', 'preevictionfilter']) checkEvictorPoint(namesAt(plugins, point), point, path, problems)
  const evictorIndex = configs.findIndex(({ name }) => name === 'DefaultEvictor')
  return {
    name: typeof profile.name === 'string' ? profile.name : '',
    evictor: (wishes.get('DefaultEvictor') ?? defaultEvictorSchema.parse({})) as DefaultEvictorArguments,
    evictorPath: evictorIndex < 0 ? undefined : [...path, 'pluginConfig', evictorIndex, 'args'],
    deschedule: steps('deschedule'),
    balance: steps('balance'),
  }
}

function namesAt(plugins: Raw, point: string): string[] {
  return listOf(recordOf(plugins[point]).enabled).map(String)
}

/** Of several configurations of one plugin the first counts. */
function readArguments(configs: readonly Raw[], path: (string | number)[], root: unknown, problems: Problem[]): Map<string, unknown> {
  const wishes = new Map<string, unknown>()
  for (const [index, { name, args }] of configs.entries()) {
    const own = [...path, 'pluginConfig', index]
    if (typeof name !== 'string') continue
    const schema = name === 'DefaultEvictor' ? defaultEvictorSchema : isStrategy(name) ? strategies[name].schema : undefined
    if (!schema) {
      problems.push({ path: [...own, 'name'], message: `expected DefaultEvictor or one of ${strategyNames.join(', ')}, got "${name}"` })
      continue
    }
    const parsed = schema.safeParse(withoutType(args ?? {}))
    if (!parsed.success) problems.push(...problemsOf(parsed.error.issues, root, [...own, 'args']))
    if (!wishes.has(name)) wishes.set(name, parsed.data)
  }
  return wishes
}

/** Arguments may say what they are (`kind: PodLifeTimeArgs`), as every Kubernetes object may. */
function withoutType(args: unknown): unknown {
  if (typeof args !== 'object' || args === null || Array.isArray(args)) return args
  const { apiVersion: _apiVersion, kind: _kind, ...rest } = args as Record<string, unknown>
  return rest
}

function enabledSteps(
  names: readonly string[],
  point: 'deschedule' | 'balance',
  wishes: ReadonlyMap<string, unknown>,
  path: (string | number)[],
  problems: Problem[],
): StockStep[] {
  return names.flatMap((name, index) => {
    const own = [...path, 'plugins', point, 'enabled', index]
    if (!isStrategy(name) || strategies[name].extensionPoint !== point) {
      const known = strategyNames.filter((one) => strategies[one].extensionPoint === point)
      problems.push({ path: own, message: `expected one of ${known.join(', ')}, got "${name}"` })
      return []
    }
    if (!wishes.has(name)) problems.push({ path: own, message: `expected a pluginConfig named ${name} in this profile, got none` })
    return [{ strategy: name, wish: wishes.get(name) }]
  })
}

function checkEvictorPoint(names: readonly string[], point: string, path: (string | number)[], problems: Problem[]): void {
  for (const [index, name] of names.entries())
    if (name !== 'DefaultEvictor')
      problems.push({ path: [...path, 'plugins', point, 'enabled', index], message: `expected DefaultEvictor, got "${name}"` })
}

function isStrategy(name: string): name is StrategyName {
  return (strategyNames as readonly string[]).includes(name)
}
