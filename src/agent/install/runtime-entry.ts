// The runtime entry that containerd needs, as a drop-in file or as lines that a person adds.
import path from 'node:path'

export const dropInName = '99-podmotion.toml'
const runtimeTable = `plugins."io.containerd.cri.v1.runtime".containerd.runtimes.podmotion`

export function runtimeEntry(binary: string, systemdCgroup: boolean): string {
  return `[${runtimeTable}]
  runtime_type = "io.containerd.runc.v2"
  pod_annotations = ["podmotion.io/*"]

[${runtimeTable}.options]
  BinaryName = "${binary}"
  SystemdCgroup = ${systemdCgroup}
`
}

export function dropIn(binary: string, systemdCgroup: boolean): string {
  return `# Written by podmotion's agent; taken away by its uninstall.\nversion = 3\n\n${runtimeEntry(binary, systemdCgroup)}`
}

/** The file that containerd will read, by its `imports`; undefined: none of them is a folder of drop-ins. */
export function dropInFile(imports: readonly string[]): string | undefined {
  const folder = imports.find((pattern) => pattern.startsWith('/') && /^\*(\.toml)?$/.test(path.basename(pattern)))
  return folder === undefined ? undefined : path.join(path.dirname(folder), dropInName)
}
