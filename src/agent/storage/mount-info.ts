// Reads /proc/<pid>/mountinfo: where a container's layers are, and which mounts of a process show a given folder.

export interface Mount {
  /** major:minor of the file system. */
  device: string
  /** Folder inside that file system that is mounted. */
  root: string
  mountPoint: string
  type: string
  options: string
}

export function parseMountInfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [before = '', after] = line.split(' - ')
    if (after === undefined) return []
    const [, , device = '', root = '', mountPoint = ''] = before.split(' ')
    const [type = '', , options = ''] = after.split(' ')
    return [{ device, root: unescaped(root), mountPoint: unescaped(mountPoint), type, options: unescaped(options) }]
  })
}

/** The kernel writes blank, tab, newline and backslash as octal. */
function unescaped(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

export interface Layers {
  upper: string
  /** Topmost first. */
  lowers: string[]
}

/** The layers of the overlay mounted there, undefined when it is none (another snapshotter). Paths are the host's. */
export function overlayLayers(mounts: readonly Mount[], mountPoint: string): Layers | undefined {
  const mount = mounts.findLast((candidate) => candidate.mountPoint === mountPoint)
  if (mount?.type !== 'overlay') return undefined
  const options = splitOptions(mount.options)
  const upper = options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length)
  const lowers = options
    .filter((option) => /^lowerdir\+?=/.test(option))
    .flatMap((option) => splitLayers(option.replace(/^lowerdir\+?=/, '')))
  return upper === undefined ? undefined : { upper: plain(upper), lowers: lowers.map(plain) }
}

/** Commas and colons inside paths are escaped by a backslash. */
function splitOptions(options: string): string[] {
  return options.split(/(?<!\\),/)
}

function splitLayers(layers: string): string[] {
  return layers.split(/(?<!\\):/).filter((layer) => layer !== '')
}

function plain(layer: string): string {
  return layer.replaceAll(/\\([:,\\])/g, '$1')
}
