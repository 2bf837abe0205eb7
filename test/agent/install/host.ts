// A host in a folder: its /etc, its containerd, and the agent's own folders.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type AgentConfig, readConfig } from '../../../src/agent/config.ts'

const fixtures = path.join(import.meta.dirname, 'fixtures')

export const conflist = `{
    "cniVersion": "1.0.0",
    "name": "lab",
    "plugins": [{"type": "bridge", "bridge": "cni0"}, {"type": "portmap"}]
}
`

export const containerdToml = (imports: string): string => `version = 3
imports = [${imports}]
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/usr/lib/cni']
  conf_dir = '/etc/cni/net.d'
[plugins.'io.containerd.cri.v1.runtime'.containerd]
  default_runtime_name = 'runc'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = ''
  SystemdCgroup = true
`

export class Host {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'podmotion-install-'))
  readonly #environment = { PATH: process.env.PATH, FAKE_HOST: process.env.FAKE_HOST, FAKE_MERGE: process.env.FAKE_MERGE }

  constructor(imports = "'/etc/containerd/conf.d/*.toml'") {
    this.write('/etc/cni/net.d/10-lab.conflist', conflist)
    this.write('/etc/containerd/config.toml', containerdToml(imports))
    for (const name of ['runc', 'criu', 'cni', 'helper', 'pages', 'criu-pages.so']) this.#addNative(`podmotion-${name}`)
    process.env.FAKE_HOST = this.folder
    process.env.PATH = `${fixtures}:${process.env.PATH}`
  }

  get config(): AgentConfig {
    return readConfig({
      NODE_NAME: 'a',
      NODE_IP: '192.0.2.1',
      HOST_ROOT: this.folder,
      NATIVE_DIR: path.join(this.folder, 'app/native'),
      OPT_DIR: path.join(this.folder, 'opt/podmotion'),
      STATE_DIR: path.join(this.folder, 'var/lib/podmotion'),
      CNI_STATE_DIR: path.join(this.folder, 'var/lib/cni'),
    })
  }

  write(file: string, content: string): void {
    mkdirSync(path.dirname(path.join(this.folder, file)), { recursive: true })
    writeFileSync(path.join(this.folder, file), content)
  }

  read(file: string): string | undefined {
    const place = path.join(this.folder, file)
    return existsSync(place) ? readFileSync(place, 'utf8') : undefined
  }

  /** Every file below with its content, to compare before and after. */
  everything(folder = ''): Record<string, string> {
    const entries = readdirSync(path.join(this.folder, folder), { withFileTypes: true })
    return Object.assign(
      {},
      ...entries.map((entry) => {
        const name = path.join(folder, entry.name)
        return entry.isDirectory() ? this.everything(name) : { [name]: this.read(name) ?? '' }
      }),
    )
  }

  inode(file: string): number {
    return statSync(path.join(this.folder, file)).ino
  }

  close(): void {
    for (const [name, value] of Object.entries(this.#environment)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    rmSync(this.folder, { recursive: true, force: true })
  }

  #addNative(name: string): void {
    this.write(`/app/native/${name}`, `#!/bin/sh\n# ${name}\n`)
    chmodSync(path.join(this.folder, 'app/native', name), 0o755)
  }
}
