// host-local's address leases at home: an address that lives elsewhere must not be given to another pod when its old sandbox ends.
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import path from 'node:path'

export interface Lease {
  file: string
  content: string
}

/** host-local frees what has the sandbox's id in the first line; this owner is no sandbox. */
const ownerPrefix = 'podmotion:'

export class AddressLeases {
  readonly #folder: string

  constructor(cniStateDir: string) {
    this.#folder = path.join(cniStateDir, 'networks')
  }

  /** Takes the lease over, if a network of this node has leased the address. */
  async keep(ip: string): Promise<void> {
    const lease = await this.find(ip)
    if (lease && !isOurs(lease)) await replaceFile(lease.file, keptContent(ip, lease.content))
  }

  async restore(lease: Lease): Promise<void> {
    if (!isOurs(lease)) await replaceFile(lease.file, lease.content)
  }

  /** Frees every lease of ours whose address is not wanted any more. Returns them. */
  async freeUnwanted(wanted: ReadonlySet<string>): Promise<string[]> {
    const leases = await this.#ours()
    const unwanted = leases.filter((lease) => !wanted.has(path.basename(lease.file)))
    await Promise.all(unwanted.map((lease) => rm(lease.file, { force: true })))
    return unwanted.map((lease) => path.basename(lease.file))
  }

  async #ours(): Promise<Lease[]> {
    const networks = await namesIn(this.#folder)
    const files = await Promise.all(
      networks.map(async (network) =>
        (await namesIn(path.join(this.#folder, network))).map((name) => path.join(this.#folder, network, name)),
      ),
    )
    const leases = await Promise.all(files.flat().filter(isLeaseFile).map(readLease))
    return leases.filter((lease) => lease !== undefined && isOurs(lease)) as Lease[]
  }

  async find(ip: string): Promise<Lease | undefined> {
    const networks = await namesIn(this.#folder)
    const leases = await Promise.all(networks.map((network) => readLease(path.join(this.#folder, network, ip))))
    return leases.find((lease) => lease !== undefined)
  }
}

/** The interface name in the second line stays: host-local compares both. */
function keptContent(ip: string, content: string): string {
  const [, ...rest] = content.split(/\r?\n/)
  return [`${ownerPrefix}${ip}`, ...rest].join('\n')
}

function isOurs(lease: Lease): boolean {
  return lease.content.startsWith(ownerPrefix)
}

function isLeaseFile(file: string): boolean {
  return isIP(path.basename(file)) !== 0
}

async function readLease(file: string): Promise<Lease | undefined> {
  const content = await readFile(file, 'utf8').catch(() => undefined)
  return content === undefined ? undefined : { file, content }
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => [])
}

/** Beside the leases, host-local would take a temporary file for one: it lies one folder up. */
async function replaceFile(file: string, content: string): Promise<void> {
  const temporary = path.join(path.dirname(path.dirname(file)), `.podmotion-${path.basename(file)}`)
  await writeFile(temporary, content)
  await rename(temporary, file)
}
