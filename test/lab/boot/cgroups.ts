// The cgroups of a lab, seen from the machine: who is in them, and their removal.
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const hierarchies = '/sys/fs/cgroup'

export function cgroupOf(name: string): string {
  return `podmotion-lab-${name}`
}

function roots(cgroup: string): string[] {
  return readdirSync(hierarchies)
    .map((hierarchy) => join(hierarchies, hierarchy, cgroup))
    .filter((folder) => existsSync(folder))
}

// Children before parents.
function treeOf(folder: string): string[] {
  return [...foldersIn(folder).flatMap((name) => treeOf(join(folder, name))), folder]
}

/** Of one that its owner has just removed: none. */
function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  } catch {
    return []
  }
}

function allFolders(cgroup: string): string[] {
  return roots(cgroup).flatMap(treeOf)
}

export function processesIn(cgroup: string): number[] {
  const pids = allFolders(cgroup).flatMap((folder) => readLines(join(folder, 'cgroup.procs')).map(Number))
  return [...new Set(pids)].filter((pid) => pid > 0)
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean)
  } catch {
    return []
  }
}

// A frozen process does not die, not even of SIGKILL, until it is thawed; killed before, it runs not one instruction more. Again until nobody is left.
export async function endProcessesIn(cgroup: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const pids = processesIn(cgroup)
    if (pids.length === 0) return
    for (const pid of pids) kill(pid)
    thaw(cgroup)
    await sleep(50)
  }
  throw new Error(`Ending the processes of ${cgroup}: ${processesIn(cgroup).join(', ')} do not end`)
}

function thaw(cgroup: string): void {
  // Parents first: a child thaws only under a thawed parent.
  for (const folder of allFolders(cgroup).reverse()) {
    writeIfThere(join(folder, 'freezer.state'), 'THAWED')
    writeIfThere(join(folder, 'cgroup.freeze'), '0')
  }
}

function writeIfThere(file: string, text: string): void {
  if (!existsSync(file)) return
  try {
    writeFileSync(file, text)
  } catch {
    // The cgroup went away, or is a hierarchy's root.
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Ended meanwhile.
  }
}

export async function removeCgroups(cgroup: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    for (const folder of allFolders(cgroup)) tryRmdir(folder)
    if (roots(cgroup).length === 0) return
    await sleep(50)
  }
  throw new Error(`Removing the cgroups ${roots(cgroup).join(', ')}: they are still in use`)
}

function tryRmdir(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Its processes are still being buried: the next attempt takes it.
  }
}
