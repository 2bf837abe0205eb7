// How a command gets into the namespaces of the lab or of one of its hosts.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Layout } from '../layout.ts'

export type Command = { readonly file: string; readonly args: string[]; readonly env: Record<string, string> }

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/18/bin'

export function hostPid(layout: Layout, host: string): number {
  const file = join(layout.hosts, host, 'pid')
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    throw new Error(`Entering ${host}: it is not running (no ${file}); \`lab status\` lists the hosts`)
  }
}

export function isNodeUp(layout: Layout, host: string): boolean {
  return existsSync(join(layout.hosts, host, 'pid'))
}

export function entersHost(pid: number, command: string, args: readonly string[]): Command {
  return {
    file: 'nsenter',
    args: ['-t', String(pid), '-m', '-n', '-p', '-u', '-i', '-C', '--', command, ...args],
    env: { PATH: path, HOME: '/root', LC_ALL: 'C.UTF-8', TERM: process.env['TERM'] ?? 'dumb' },
  }
}

// The machine's own files and programs, on the host's network.
export function entersNetwork(pid: number, command: string, args: readonly string[]): Command {
  return { file: 'nsenter', args: ['-t', String(pid), '-n', '--', command, ...args], env: {} }
}

export function entersLab(init: number, command: string, args: readonly string[]): Command {
  return { file: 'nsenter', args: ['-t', String(init), '-m', '-n', '-p', '--', command, ...args], env: {} }
}
