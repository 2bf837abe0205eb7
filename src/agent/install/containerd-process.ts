// How the node's containerd was started: another configuration file than the usual one has to be asked for.
import { readdir, readFile, readlink } from 'node:fs/promises'

export interface Command {
  command: string
  args: string[]
}

export async function containerdCommand(): Promise<Command> {
  const hostMounts = await mountNamespaceOf('1')
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    // One inside a container (a cluster in a cluster) is not the node's.
    if (isContainerd(words) && (await mountNamespaceOf(pid)) === hostMounts) return configurationOf(words)
  }
  return { command: 'containerd', args: [] }
}

function mountNamespaceOf(pid: string): Promise<string | undefined> {
  return readlink(`/proc/${pid}/ns/mnt`).catch(() => undefined)
}

function isContainerd([program = '']: readonly string[]): boolean {
  return program === 'containerd' || program.endsWith('/containerd')
}

/** `containerd --config F`, `-c F`, `--config=F`. */
export function configurationOf([program = 'containerd', ...words]: readonly string[]): Command {
  const at = words.findIndex((word) => word === '--config' || word === '-c')
  const file = words[at + 1]
  const joined = words.find((word) => /^(--config|-c)=/.test(word))
  if (at >= 0 && file !== undefined) return { command: program, args: ['--config', file] }
  return { command: program, args: joined === undefined ? [] : ['--config', joined.replace(/^[^=]*=/, '')] }
}
