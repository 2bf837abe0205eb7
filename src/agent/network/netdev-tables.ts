// Tables of nftables on single devices: each belongs to one move, and its name says to which address or device.
import { run } from '../run.ts'

export interface DeviceChain {
  /** As `ingress device "eth0" priority 0`. */
  hook: string
  rules: readonly string[]
}

/** As it should be, whatever it was: one transaction. Chains that are not named stay. */
export function deviceRuleSet(table: string, chains: Readonly<Record<string, DeviceChain>>): string {
  return [
    `table netdev ${table} {`,
    ...Object.entries(chains).map(([chain, { hook }]) => `  chain ${chain} { type filter hook ${hook}; policy accept; }`),
    '}',
    ...Object.entries(chains).flatMap(([chain, { rules }]) => [
      `flush chain netdev ${table} ${chain}`,
      ...rules.map((rule) => `add rule netdev ${table} ${chain} ${rule}`),
    ]),
    '',
  ].join('\n')
}

/** Declared before it is deleted, so that it never fails. */
export function closeRuleSet(tables: readonly string[]): string {
  return tables.map((table) => `table netdev ${table} {\n}\ndelete table netdev ${table}\n`).join('')
}

/** From `nft -j list tables netdev`. */
export function tablesIn(json: string, prefix: string): string[] {
  const { nftables } = JSON.parse(json) as { nftables: { table?: { name: string } }[] }
  return nftables.flatMap(({ table }) => (table?.name.startsWith(prefix) ? [table.name] : []))
}

/** None on a kernel without them. */
export async function tablesNow(prefix: string): Promise<string[]> {
  const { exitCode, stdout } = await run('nft', ['-j', 'list', 'tables', 'netdev'], { reject: false })
  return exitCode === 0 ? tablesIn(stdout, prefix) : []
}

/** What goes with it lets everything pass again. */
export async function closeTables(tables: readonly string[]): Promise<void> {
  if (tables.length > 0) await run('nft', ['-f', '-'], { input: closeRuleSet(tables), reject: false })
}
