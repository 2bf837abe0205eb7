// Words that both ends of a file copy share: which folder is meant, the token that names it, the daemon's configuration.
import { z } from 'zod'

const podUid = z.string().regex(/^[0-9a-zA-Z][0-9a-zA-Z-]{0,63}$/)
const volumeName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
/** containerd's bundle: <state>/io.containerd.runtime.v2.task/<namespace>/<container id> */
const bundleFolder = z.string().regex(/^(\/[A-Za-z0-9._-]*[A-Za-z0-9_-])+\/[0-9a-zA-Z][0-9a-zA-Z_-]{0,127}$/)

/** A folder of the destination pod that may be written: nothing else ever is. */
export const StorageRoot = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('emptyDir'), podUid, volume: volumeName }),
  z.strictObject({ kind: z.literal('rootfs'), bundle: bundleFolder }),
])
export type StorageRoot = z.infer<typeof StorageRoot>

/** One word without blanks: it is the first line that the helper writes into the socket. */
export function tokenOf(root: StorageRoot): string {
  return Buffer.from(JSON.stringify(root)).toString('base64url')
}

export function parseToken(token: string): StorageRoot {
  const text = Buffer.from(token.trim(), 'base64url').toString()
  try {
    return StorageRoot.parse(JSON.parse(text))
  } catch (cause) {
    throw new Error(`Reading the token of a file copy: "${text.slice(0, 200)}" names no folder of a pod`, { cause })
  }
}

/** rsync splits this at blanks, so paths must not have any: ours do not. */
export function remoteShell(helper: string, socket: string, token: string): string {
  return `${helper} connect ${socket} ${token}`
}

/** One module named `root`, chrooted: uid and gid 0 because owners, devices (whiteouts) and xattrs have to be set. */
export function daemonConfiguration(folder: string, ioTimeoutSeconds: number): string {
  return [
    'use chroot = yes',
    'reverse lookup = no',
    'max verbosity = 0',
    'transfer logging = no',
    `timeout = ${ioTimeoutSeconds}`,
    '[root]',
    `  path = ${folder}`,
    '  uid = 0',
    '  gid = 0',
    '  numeric ids = yes',
    '  munge symlinks = no',
    '  read only = no',
    '  write only = yes',
    '  list = no',
    '',
  ].join('\n')
}
