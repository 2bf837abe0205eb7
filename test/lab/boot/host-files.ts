// The files that make a host what it is, written into its own layer before it boots.
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { cniConflist } from '../config/cni.ts'
import { containerdConfiguration } from '../config/containerd.ts'
import { flannelFiles, isFlannel, podMtu } from '../config/flannel.ts'
import { kubeletConfiguration } from '../config/kubelet.ts'
import { networkScript } from '../config/network.ts'
import { nodeSize, podCidrsOf } from '../config/nodes.ts'
import { schedulerConfiguration } from '../config/scheduler.ts'
import { controlServices, nodeServices, type Services, schedulerFolder, serviceScript, startedLater } from '../config/services.ts'
import { client, control, type Host, nodes } from '../hosts.ts'
import { imageNames } from '../images/base-images.ts'
import type { LabOptions } from '../options.ts'
import type { Credentials, Files } from './credentials.ts'

export async function hostFiles(host: Host, options: LabOptions, credentials: Credentials): Promise<Files> {
  if (host.kind === 'client') return commonFiles(host, options, {})
  if (host.kind === 'control') {
    return {
      ...commonFiles(host, options, controlServices(options)),
      ...credentials.control,
      [`${schedulerFolder}/config.yaml`]: schedulerConfiguration(),
    }
  }
  return {
    ...commonFiles(host, options, nodeServices(host, options)),
    ...(await credentials.node(host)),
    '/etc/kubernetes/kubelet.yaml': kubeletConfiguration(nodeSize(host, totalmem())),
    '/etc/containerd/config.toml': containerdConfiguration(imageNames.pause),
    '/etc/cni/net.d/10-lab.conflist': cniConflist(podCidrsOf(host, options), podMtu(options)),
    ...(isFlannel(options) ? flannelFiles(options) : {}),
  }
}

function commonFiles(host: Host, options: LabOptions, services: Services): Files {
  const files: Files = {
    '/etc/hostname': `${host.name}\n`,
    '/etc/hosts': hostsFile(options),
    '/etc/resolv.conf': '# There are no names to resolve in the lab.\n',
    '/etc/machine-id': `${crypto.randomUUID().replaceAll('-', '')}\n`,
    '/etc/lab/network': networkScript(host, options),
  }
  for (const [name, command] of Object.entries(services)) {
    files[`/etc/lab/services/${name}`] = serviceScript(command)
    if (startedLater.includes(name)) files[`/etc/lab/started-later/${name}`] = ''
  }
  return files
}

function hostsFile(options: LabOptions): string {
  const known = [control, client, ...nodes(options.nodes)]
  return ['127.0.0.1 localhost', ...known.map((host) => `${host.address} ${host.name}`), ''].join('\n')
}

export async function writeFiles(root: string, files: Files): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content, path.endsWith('.key') ? { mode: 0o600 } : {})
    if (path.startsWith('/etc/lab/services/')) await chmod(file, 0o755)
  }
}
