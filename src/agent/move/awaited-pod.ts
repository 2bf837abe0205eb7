// The pod that a node was told to await: its folders, its stand-ins, and how its sandbox is attached, as CNI plugin and OCI wrapper left them.
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { AwaitRequest } from '../../api/agent-wire.ts'
import { CodedError } from '../../runtime/errors.ts'
import type { AgentConfig } from '../config.ts'
import { awaitedFolder, moveFolders } from '../context.ts'
import { type ContainerFolders, standInStatus } from '../criu/received-container.ts'
import type { Attached } from '../rooms.ts'

export class AwaitedPod {
  readonly pod: AwaitRequest['pod']
  readonly source: AwaitRequest['source']
  readonly #config: AgentConfig
  readonly #uid: string
  readonly #folder: string

  constructor(config: AgentConfig, uid: string, { pod, source }: AwaitRequest) {
    this.#config = config
    this.#uid = uid
    this.pod = pod
    this.source = source
    this.#folder = awaitedFolder(config, pod)
  }

  /** To CNI plugin and OCI wrapper. Before the pod object exists, or its containers would start afresh. */
  async announce(): Promise<void> {
    await Promise.all(this.pod.containers.map((name) => mkdir(path.join(this.#folder, name), { recursive: true, mode: 0o700 })))
    const ips = this.pod.ips.map((ip) => `ip=${ip}\n`)
    await writeFile(path.join(this.#folder, 'network'), `${ips.join('')}migration=${this.#uid}\n`)
  }

  /** From here the wrapper refuses to create its containers: the pod is only deleted, never started. */
  async revoke(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Why it does not stand yet. */
  async missing(): Promise<string | undefined> {
    if (!this.isAttached) return 'the sandbox has no network yet'
    const statuses = await Promise.all(this.pod.containers.map((name) => standInStatus(path.join(this.#folder, name))))
    const index = statuses.findIndex((status) => status !== 'waiting')
    return index < 0 ? undefined : `container ${this.pod.containers[index]} is ${statuses[index]}`
  }

  get isAttached(): boolean {
    return existsSync(path.join(this.#folder, 'attached'))
  }

  attached(): Attached {
    return parseAttached(readFileSync(path.join(this.#folder, 'attached'), 'utf8'))
  }

  /** By container. */
  async bundles(): Promise<Record<string, string>> {
    const standIns = path.join(this.#config.runDir, 'standins')
    const bundles: Record<string, string> = {}
    for (const id of await readdir(standIns).catch(() => [])) {
      const [, meeting = '', , bundle = ''] = readFileSync(path.join(standIns, id), 'utf8').split('\n')
      const name = path.basename(meeting)
      if (path.dirname(meeting) === this.#folder && this.pod.containers.includes(name)) bundles[name] = bundle
    }
    return bundles
  }

  folders(container: string): ContainerFolders {
    const { images, work } = moveFolders(this.#config, this.#uid, 'destination')
    return { meeting: path.join(this.#folder, container), images: path.join(images, container), work: path.join(work, container) }
  }
}

/** What podmotion-cni wrote: `key=value`, one a line. */
export function parseAttached(text: string): Attached {
  const values = new Map(
    text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).trim()] as const),
  )
  const need = (key: string): string => {
    const value = values.get(key)
    if (value) return value
    throw new CodedError(
      'NotAttached',
      `Reading how the sandbox is attached: ${key} is missing: is podmotion-cni the last plugin of the chain?`,
    )
  }
  return { hostVeth: need('hostveth'), podMac: need('podmac'), gateway: need('gateway'), netns: need('netns') }
}
