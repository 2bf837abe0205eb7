// How one rsync of the source reaches the destination's folder: a remote shell that is a unix socket, and a confined rsync daemon.
//
// Source:      rsync … --rsh=`remoteShell(helper, socket, token)` FILES peer::root/
//              podmotion-helper connects to the socket, writes `<token>\n`, then copies stdin and stdout. The agent that serves the socket
//              reads that first line, turns it into a StorageRoot with `parseToken`, and pipes the rest to the peer.
// Destination: `fileStream` reads that line, `serve` receives what follows; resolves when that rsync, or stream of patches, has ended.
//
// rsync's daemon protocol is used over that pipe: the arguments travel inside the protocol and rsync itself confines them to one
// folder by chroot, so no argument list of the peer ever reaches a command line here, and a symlink inside the pod's files leads nowhere.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { AgentConfig } from '../config.ts'
import { keepAlike } from '../priority.ts'
import { daemonConfiguration, parseToken, type StorageRoot } from './daemon-configuration.ts'
import { patchPrefix, receivePatches } from './patch-stream.ts'
import { resolveRoot } from './roots.ts'

export type { StorageRoot } from './daemon-configuration.ts'

/** An rsync that says nothing for this long has lost its peer. */
const ioTimeoutSeconds = 60
/** Longer than any command line or module name needs: an rsync that complains endlessly must not fill memory. */
const stderrLimit = 4000

export interface FileStream {
  root: StorageRoot
  /** Rejects with rsync's own words when it fails. */
  serve: (config: AgentConfig, stream: Duplex) => Promise<void>
}

/** Destination: what the first line of a stream asks for. */
export function fileStream(line: string): FileStream {
  if (!line.startsWith(patchPrefix)) {
    const root = parseToken(line)
    return { root, serve: async (config, stream) => await serveRsync(config, stream, root) }
  }
  const root = parseToken(line.slice(patchPrefix.length))
  return { root, serve: async (config, stream) => await receivePatches(stream, await resolveRoot(config, root), config.helper) }
}

async function serveRsync(config: AgentConfig, stream: Duplex, root: StorageRoot): Promise<void> {
  const folder = await resolveRoot(config, root)
  const file = path.join(config.runDir, 'rsync', `${randomUUID()}.conf`)
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  try {
    await writeFile(file, daemonConfiguration(folder, ioTimeoutSeconds), { mode: 0o600 })
    await pipeToRsync(stream, file)
  } finally {
    await rm(file, { force: true })
  }
}

async function pipeToRsync(stream: Duplex, configFile: string): Promise<void> {
  const child = spawn('rsync', ['--server', '--daemon', `--config=${configFile}`, '.'], { stdio: 'pipe' })
  // One of them waits for the freeze; which is not known yet.
  keepAlike(child)
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-stderrLimit)
  })
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 128))
  })
  const killChild = (): boolean => child.kill()
  stream.once('close', killChild)
  // A peer that goes away ends the copy with an error; what counts is how rsync itself ended.
  const copies = [pipeline(stream, child.stdin), pipeline(child.stdout, stream)].map((copy) => copy.catch(() => undefined))
  const code = await ended
  stream.off('close', killChild)
  await Promise.race(copies)
  if (code !== 0) throw new Error(`Receiving files: rsync exited ${code} (${said.trim() || 'it said nothing'})`)
}
