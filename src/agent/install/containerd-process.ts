// How the node's containerd was started: another configuration file than the usual one has to be asked for.
import { readdir, readFile } from 'node:fs/promises'

export interface Command {
  command: string
  args: string[]
}

export async function containerdCommand(): Promise<Command> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
    if (isContainerd(words)) return configurationOf(words)
  }
  return { command: 'containerd', args: [] }
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
