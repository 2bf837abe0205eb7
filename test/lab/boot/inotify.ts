// Every node's containerd, kubelet and criu watch files: a machine that allows 128 watchers for all of them is too small for two labs.
import { readFileSync, writeFileSync } from 'node:fs'

const file = '/proc/sys/fs/inotify/max_user_instances'
const enough = 1024

/** Raises the machine's limit if it is lower; it is never lowered. containerd's CRI plugin does not load without a watcher. */
export function allowInotify(): void {
  if (Number(readFileSync(file, 'utf8')) < enough) writeFileSync(file, `${enough}\n`)
}
