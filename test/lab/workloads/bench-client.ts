// pgbench on the client host, outside the cluster: started, followed while it runs, judged when it ends.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Lab } from '../lab.ts'
import { type Said, said } from '../said.ts'
import { type PgbenchReport, parsePgbenchLog, parsePgbenchReport, parseProgress, type Transaction } from './pgbench.ts'

const pgbench = '/usr/lib/postgresql/18/bin/pgbench'
const psql = '/usr/lib/postgresql/18/bin/psql'

export interface BenchOptions {
  address: string
  seconds: number
  clients?: number
  /** A folder of its own for the per-transaction logs. */
  logFolder: string
}

export interface BenchResult extends PgbenchReport {
  exitCode: number
  transactionsLog: Transaction[]
  output: string
}

/** Makes the tables; retries until PostgreSQL answers. */
export async function initializePgbench(lab: Lab, address: string, scale = 5): Promise<void> {
  const args = ['-h', address, '-U', 'postgres', '-i', '-q', '-s', String(scale), 'postgres']
  let last = ''
  for (let attempt = 0; attempt < 60; attempt++) {
    const result = await said(lab.client.run(pgbench, args, { reject: false, all: true }))
    if (result.exitCode === 0) return
    last = result.all
    await sleep(500)
  }
  throw new Error(`Filling PostgreSQL at ${address}: pgbench -i kept failing (${last.slice(-300)})`)
}

/** All of the accounts in the shared buffers, as after hours of use. */
export async function warmPgbench(lab: Lab, address: string): Promise<void> {
  const sql = "CREATE EXTENSION IF NOT EXISTS pg_prewarm; SELECT pg_prewarm('pgbench_accounts')"
  await said(lab.client.run(psql, ['-h', address, '-U', 'postgres', '-qAt', '-c', sql, 'postgres']))
}

export class BenchClient {
  readonly #lab: Lab
  readonly #options: BenchOptions
  readonly #ended: Promise<Said>
  readonly #progress: AsyncIterable<string>

  /** Starts `pgbench -c 8 -j 8 -P 1` and returns at once. */
  static async start(lab: Lab, options: BenchOptions): Promise<BenchClient> {
    await lab.client.run('sh', ['-c', 'rm -rf "$1" && mkdir -p "$1"', 'sh', options.logFolder])
    return new BenchClient(lab, options)
  }

  private constructor(lab: Lab, options: BenchOptions) {
    this.#lab = lab
    this.#options = options
    const clients = String(options.clients ?? 8)
    const args = ['-h', options.address, '-U', 'postgres', '-n', '-c', clients, '-j', clients, '-P', '1', '-T', String(options.seconds)]
    const log = ['--log', `--log-prefix=${options.logFolder}/log`, '--max-tries=1', 'postgres']
    const known = ['-c', 'echo $$ > "$0/pid"; exec "$@"', options.logFolder, pgbench]
    const process = lab.client.run('sh', [...known, ...args, ...log], { reject: false, all: true })
    this.#ended = said(process)
    this.#progress = process.iterable({ from: 'stderr' })
  }

  /** Transactions in each second, as pgbench counts them, until it ends. */
  async *rates(): AsyncIterable<number> {
    for await (const line of this.#progress) {
      const rate = parseProgress(line)
      if (rate !== undefined) yield rate
    }
  }

  /** What the clients have finished so far. */
  async transactions(): Promise<Transaction[]> {
    const read = ['-c', 'cat "$1"/log* 2>/dev/null', 'sh', this.#options.logFolder]
    const { stdout } = await said(this.#lab.client.run('sh', read, { reject: false, maxBuffer: 1 << 28 }))
    return parsePgbenchLog(stdout)
  }

  /** Ends pgbench before its time, in order: to it, its own alarm says that the seconds are over. */
  async end(): Promise<void> {
    await this.#lab.client.run('sh', ['-c', 'kill -ALRM "$(cat "$0/pid")"', this.#options.logFolder], { reject: false })
  }

  async finish(): Promise<BenchResult> {
    const { all: output, exitCode } = await this.#ended
    return { ...parsePgbenchReport(output), exitCode, transactionsLog: await this.transactions(), output }
  }
}

/** Everything a user would call a failure: failed transactions, clients that lost their connection, a pgbench that gave up. */
export function failures(result: BenchResult): number {
  const gaveUp = result.exitCode !== 0 && result.abortedClients === 0 ? 1 : 0
  return result.failedTransactions + result.abortedClients + gaveUp
}
