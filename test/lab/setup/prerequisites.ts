// What the machine must bring itself; everything missing is named at once.
import { existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'

export async function checkPrerequisites(): Promise<void> {
  const missing = [...machine(), ...programs(), ...(await goVersion())]
  if (missing.length > 0) {
    throw new Error(`Checking what the lab needs: missing\n${missing.map((line) => `  - ${line}`).join('\n')}`)
  }
}

function machine(): string[] {
  const missing: string[] = []
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    missing.push(`Linux on x86-64 (this is ${process.platform} on ${process.arch})`)
  }
  if (process.getuid?.() !== 0) missing.push('root: run it with sudo (namespaces, mounts and cgroups are made)')
  const major = Number(process.versions.node.split('.')[0])
  if (major < 20) missing.push(`Node 20 or newer (this is ${process.versions.node})`)
  // The nodes get a cgroup of their own in each hierarchy.
  if (!existsSync('/sys/fs/cgroup/freezer')) {
    missing.push('cgroup v1 hierarchies in /sys/fs/cgroup (boot with systemd.unified_cgroup_hierarchy=0)')
  }
  return missing
}

function programs(): string[] {
  const hints = {
    gcc: 'apt-get install gcc libc6-dev',
    go: 'Go 1.26 or newer in PATH',
    'apt-get': 'a Debian or Ubuntu machine',
    nsenter: 'apt-get install util-linux',
  }
  return Object.entries(hints)
    .filter(([program]) => !isProgram(program))
    .map(([program, hint]) => `${program} (${hint})`)
}

export function isProgram(name: string): boolean {
  const folders = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter)
  return folders.some((folder) => statSync(join(folder, name), { throwIfNoEntry: false })?.isFile())
}

async function goVersion(): Promise<string[]> {
  if (!isProgram('go')) return []
  const { stdout } = await execa('go', ['env', 'GOVERSION'], { reject: false })
  const [major = 0, minor = 0] = stdout.replace('go', '').split('.').map(Number)
  return major > 1 || minor >= 26 ? [] : [`Go 1.26 or newer (this is ${stdout})`]
}
