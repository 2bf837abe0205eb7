// Reads what pgbench says: progress, its closing report, and the per-transaction log from which client-seen gaps are computed. Pure.

export interface PgbenchReport {
  transactions: number
  /** Serialization and deadlock failures that pgbench counts itself. */
  failedTransactions: number
  /** Clients that gave up because their connection broke: each one is a failure that pgbench does not count. */
  abortedClients: number
  tps: number
}

/** The closing report of `pgbench`, out of its stdout and stderr together. */
export function parsePgbenchReport(output: string): PgbenchReport {
  return {
    transactions: number(output, /number of transactions actually processed: (\d+)/),
    failedTransactions: number(output, /number of failed transactions: (\d+)/),
    abortedClients: new Set([...output.matchAll(/client (\d+) (?:script \d+ )?aborted/g)].map((match) => match[1])).size,
    tps: number(output, /tps = ([\d.]+)/),
  }
}

function number(output: string, pattern: RegExp): number {
  return Number(pattern.exec(output)?.[1] ?? 0)
}

/** Transactions per second out of a line of `pgbench -P`, or undefined when the line is another one. */
export function parseProgress(line: string): number | undefined {
  const rate = /^progress: [\d.]+ s, ([\d.]+) tps/.exec(line)?.[1]
  return rate === undefined ? undefined : Number(rate)
}

export interface Transaction {
  client: number
  endMs: number
}

/** Lines of `pgbench --log`: client, transaction, latency (us), script, epoch s, epoch us. */
export function parsePgbenchLog(text: string): Transaction[] {
  const transactions: Transaction[] = []
  for (const line of text.split('\n')) {
    const fields = line.split(' ')
    if (fields.length < 6) continue
    transactions.push({ client: Number(fields[0]), endMs: Number(fields[4]) * 1000 + Number(fields[5]) / 1000 })
  }
  return transactions
}

/** The longest time any one client waited between two of its transactions, in ms. */
export function worstGapMs(transactions: readonly Transaction[]): number {
  const lastEndMs = new Map<number, number>()
  let worst = 0
  for (const { client, endMs } of transactions.toSorted((left, right) => left.endMs - right.endMs)) {
    const previous = lastEndMs.get(client)
    if (previous !== undefined) worst = Math.max(worst, endMs - previous)
    lastEndMs.set(client, endMs)
  }
  return Math.round(worst)
}

/** Transactions per slice of `sliceMs`, from `fromMs` to `toMs`. */
export function ratePerSlice(transactions: readonly Transaction[], fromMs: number, toMs: number, sliceMs: number): number[] {
  const slices = Array.from({ length: Math.max(0, Math.ceil((toMs - fromMs) / sliceMs)) }, () => 0)
  for (const { endMs } of transactions) {
    const index = Math.floor((endMs - fromMs) / sliceMs)
    if (index >= 0 && index < slices.length) slices[index] = (slices[index] ?? 0) + 1
  }
  return slices
}
