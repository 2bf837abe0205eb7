// Does every strategy choose the pods that the real stock descheduler chooses? Random clusters and policies; the last line counts.
// ARGS: --cases N (default 200), --documents N clusters for each policy of its documentation (default 3), --seed N (one case alone, with details).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { V1Pod } from '@kubernetes/client-node'
import type { Snapshot } from '../src/cli/snapshot.ts'
import { readPolicy } from '../src/descheduler/policy-text/read-policy.ts'
import type { Victim } from '../src/descheduler/stock/evictor.ts'
import { runStockPolicy } from '../src/descheduler/stock/run-policy.ts'
import { difference } from './stock-descheduler/compare.ts'
import { servePicture } from './stock-descheduler/picture-api.ts'
import { documentedPolicies, stockDescheduler } from './stock-descheduler/program.ts'
import { Dice } from './stock-descheduler/random.ts'
import { randomCluster } from './stock-descheduler/random-cluster.ts'
import { randomPolicy, randomStrategies } from './stock-descheduler/random-policy.ts'
import { kubeconfigFor, runStock, type StockVictim } from './stock-descheduler/run-stock.ts'

const { values } = parseArgs({
  options: { cases: { type: 'string', default: '200' }, documents: { type: 'string', default: '3' }, seed: { type: 'string' } },
})
const seeds = values.seed ? [Number(values.seed)] : Array.from({ length: Number(values.cases) }, (_none, number) => number + 1)

const api = await servePicture()
const folder = mkdtempSync(join(tmpdir(), 'stock-descheduler-'))
const kubeconfig = join(folder, 'kubeconfig')
writeFileSync(kubeconfig, kubeconfigFor(api.url))
const stock = { program: await stockDescheduler(), kubeconfig }

let cases = 0
let same = 0
let victims = 0
const withVictims: Record<string, number> = {}
try {
  for (const seed of seeds) {
    const dice = new Dice(seed)
    const strategy = randomStrategies[seed % randomStrategies.length] ?? ''
    const cluster = randomCluster(dice, Date.now())
    await runCase(`seed ${seed} ${strategy}`, strategy, randomPolicy(dice, strategy), cluster)
  }
  if (!values.seed) await runDocuments(Number(values.documents))
} finally {
  await api.close()
  rmSync(folder, { recursive: true, force: true })
}
console.log(`cases with victims: ${JSON.stringify(withVictims)}`)
console.log(`stock-descheduler: ${cases} cases · ${same} the same · ${cases - same} different · ${victims} victims`)
process.exitCode = same === cases ? 0 : 1

/** Each policy of its documentation on some clusters; without what is no YAML there and what needs a Prometheus. */
async function runDocuments(clusters: number): Promise<void> {
  for (const [name, policy] of documentedPolicies())
    for (let seed = 1; seed <= clusters && !/\[\.\.\.\]|source: Prometheus/.test(policy); seed++)
      await runCase(`${name}, seed ${seed}`, name, policy, randomCluster(new Dice(1000 + seed), Date.now()))
}

async function runCase(title: string, kind: string, policy: string, cluster: Snapshot): Promise<void> {
  cases++
  api.show(cluster)
  const theirs = await runStock(stock, policy)
  const read = readPolicy(policy, 'policy')
  if ('problems' in read || !('stock' in read.policy)) throw new Error(`${title}: ${JSON.stringify(read)}`)
  const ours = runStockPolicy(read.policy.stock, cluster, Date.now())
  if ('problems' in ours) throw new Error(`${title}: ${JSON.stringify(ours.problems)}`)
  if (theirs.choices[0]?.length) withVictims[kind] = (withVictims[kind] ?? 0) + 1
  const verdict = await judge(policy, ours.victims, theirs.choices, cluster.pods)
  if (verdict === undefined) same++
  else console.log(`${title}: ${verdict}`, values.seed ? [policy, theirs.errors, ours.notes] : '')
}

/** A choice that depends on the order of a Go map is looked at often enough to see ours among them. */
async function judge(
  policy: string,
  ours: readonly Victim[],
  choices: StockVictim[][],
  pods: readonly V1Pod[],
): Promise<string | undefined> {
  if (choices.length === 0) return 'the stock descheduler did not run'
  victims += choices[0]?.length ?? 0
  const own = ours.map(({ pod, strategy }) => ({ namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '', strategy }))
  const verdicts = (list: StockVictim[][]) => list.map((theirs) => difference(own, theirs, pods))
  const first = verdicts(choices)
  if (first.includes(undefined)) return undefined
  const more = verdicts((await runStock(stock, policy, 30)).choices)
  return more.includes(undefined)
    ? undefined
    : `${first[0]} (${new Set([...first, ...more]).size} different choices in ${first.length + more.length} cycles)`
}
