// Reads what we need from `containerd config dump`, which is regular TOML: one key a line, tables in brackets.

export interface ContainerdSettings {
  /** Patterns of drop-in files that containerd reads. */
  imports: string[]
  cniBinaryFolders: string[]
  cniConfigurationFolder: string
  snapshotter: string
  /** Of the default runtime: ours must put containers into the same cgroups. */
  systemdCgroup: boolean
  /** BinaryName of each runtime, by runtime name. */
  runtimes: Record<string, string>
  /** pod_annotations of our runtime. */
  podAnnotations: string[]
}

const runtimePlugin = 'plugins.io.containerd.cri.v1.runtime'
const imagesPlugin = 'plugins.io.containerd.cri.v1.images'

export function parseDump(text: string): ContainerdSettings {
  const values = flatten(text)
  const at = (key: string): string => values.get(key) ?? ''
  const runtimes = `${runtimePlugin}.containerd.runtimes.`
  const defaultRuntime = plain(at(`${runtimePlugin}.containerd.default_runtime_name`)) || 'runc'
  const names = [...values.keys()].filter((key) => key.startsWith(runtimes)).map((key) => key.slice(runtimes.length).split('.')[0] ?? '')
  return {
    imports: strings(at('imports')),
    cniBinaryFolders: [...strings(at(`${runtimePlugin}.cni.bin_dirs`)), ...strings(at(`${runtimePlugin}.cni.bin_dir`))],
    cniConfigurationFolder: plain(at(`${runtimePlugin}.cni.conf_dir`)),
    snapshotter: plain(at(`${imagesPlugin}.snapshotter`)),
    systemdCgroup: at(`${runtimes}${defaultRuntime}.options.SystemdCgroup`) === 'true',
    runtimes: Object.fromEntries([...new Set(names)].map((name) => [name, plain(at(`${runtimes}${name}.options.BinaryName`))])),
    podAnnotations: strings(at(`${runtimes}podmotion.pod_annotations`)),
  }
}

/** `[a.'b.c'.d]` and `key = value` to `a.b.c.d.key` → value. */
export function flatten(text: string): Map<string, string> {
  const values = new Map<string, string>()
  let table = ''
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    const heading = /^\[([^[].*)\]$/.exec(line)?.[1]
    if (heading !== undefined) table = `${heading.replaceAll(/['"]/g, '')}.`
    const [, key, value] = /^([\w-]+) = (.*)$/.exec(line) ?? []
    if (key !== undefined && value !== undefined) values.set(`${table}${key}`, value)
  }
  return values
}

/** What differs between two dumps, apart from our own runtime and the list of files read. */
export function foreignChanges(before: string, after: string): string[] {
  const [old, now] = [flatten(before), flatten(after)]
  const keys = new Set([...old.keys(), ...now.keys()])
  return [...keys].filter((key) => key !== 'imports' && !key.includes('.runtimes.podmotion.') && old.get(key) !== now.get(key))
}

function plain(value: string): string {
  return value.replaceAll(/^['"]|['"]$/g, '')
}

function strings(value: string): string[] {
  return [...value.matchAll(/'([^']*)'|"([^"]*)"/g)].map(([, single, double]) => single ?? double ?? '').filter((text) => text !== '')
}
