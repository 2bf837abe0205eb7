// The command lines of each host's services.
import { control, type Host, node, podCidr, podCidr6, serviceCidr, serviceCidr6 } from '../hosts.ts'
import type { LabOptions } from '../options.ts'
import { flannelService, isFlannel } from './flannel.ts'

export const apiServer = `https://${control.address}:6443`
export const schedulerFolder = '/etc/kubernetes/scheduler'

const pki = '/etc/kubernetes/pki'

export type Services = Record<string, readonly string[]>

export function controlServices(options: LabOptions): Services {
  return {
    etcd: etcd(),
    'kube-apiserver': kubeApiserver(options),
    'kube-controller-manager': kubeControllerManager(),
    'kube-scheduler': ['kube-scheduler', `--config=${schedulerFolder}/config.yaml`, ...ownAuthentication('scheduler'), '--v=1'],
    // No Node object is called control, and kube-proxy waits half a minute for one: it takes the first node's.
    'kube-proxy': kubeProxy(node(1), options),
  }
}

export function nodeServices(host: Host, options: LabOptions): Services {
  return {
    containerd: ['containerd'],
    kubelet: [
      'kubelet',
      '--config=/etc/kubernetes/kubelet.yaml',
      '--kubeconfig=/etc/kubernetes/kubelet.conf',
      `--hostname-override=${host.name}`,
      `--node-ip=${inStack(options, host.address, host.address6)}`,
      '--v=1',
    ],
    'kube-proxy': kubeProxy(host, options),
    ...(isFlannel(options) ? { flanneld: flannelService(host) } : {}),
  }
}

// Those that would only fail and back off before the API server answers.
export const startedLater = ['flanneld', 'kubelet', 'kube-proxy', 'kube-controller-manager', 'kube-scheduler']

// On a tmpfs and without fsync: a lab's history is worth nothing.
function etcd(): string[] {
  return [
    'etcd',
    '--data-dir=/run/etcd',
    '--unsafe-no-fsync',
    '--listen-client-urls=http://127.0.0.1:2379',
    '--advertise-client-urls=http://127.0.0.1:2379',
    '--listen-peer-urls=http://127.0.0.1:2380',
    '--log-level=warn',
  ]
}

/** As the components list what has one value a family. */
function inStack({ stack }: LabOptions, ipv4: string, ipv6: string): string {
  return stack === 'dual' ? `${ipv4},${ipv6}` : ipv4
}

function kubeApiserver(options: LabOptions): string[] {
  return [
    'kube-apiserver',
    '--etcd-servers=http://127.0.0.1:2379',
    `--bind-address=0.0.0.0`,
    `--advertise-address=${control.address}`,
    '--secure-port=6443',
    `--client-ca-file=${pki}/ca.crt`,
    `--tls-cert-file=${pki}/apiserver.crt`,
    `--tls-private-key-file=${pki}/apiserver.key`,
    `--kubelet-certificate-authority=${pki}/ca.crt`,
    `--kubelet-client-certificate=${pki}/kubelet-client.crt`,
    `--kubelet-client-key=${pki}/kubelet-client.key`,
    '--kubelet-preferred-address-types=InternalIP',
    `--requestheader-client-ca-file=${pki}/front-proxy-ca.crt`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-username-headers=X-Remote-User',
    `--proxy-client-cert-file=${pki}/front-proxy-client.crt`,
    `--proxy-client-key-file=${pki}/front-proxy-client.key`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${pki}/service-accounts.pub`,
    `--service-account-signing-key-file=${pki}/service-accounts.key`,
    `--service-cluster-ip-range=${inStack(options, serviceCidr, serviceCidr6)}`,
    '--v=1',
  ]
}

function kubeControllerManager(): string[] {
  return [
    'kube-controller-manager',
    '--kubeconfig=/etc/kubernetes/controller-manager.conf',
    ...ownAuthentication('controller-manager'),
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${pki}/service-accounts.key`,
    `--root-ca-file=${pki}/ca.crt`,
    `--cluster-signing-cert-file=${pki}/ca.crt`,
    `--cluster-signing-key-file=${pki}/ca.key`,
    // Ranges are written into the Node objects by the lab: node-N has 10.244.N.0/24, always.
    '--allocate-node-cidrs=false',
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
    // The defaults would space the start of its controllers out over seconds.
    '--kube-api-qps=200',
    '--kube-api-burst=400',
    '--v=1',
  ]
}

function ownAuthentication(name: string): string[] {
  return [`--authentication-kubeconfig=/etc/kubernetes/${name}.conf`, `--authorization-kubeconfig=/etc/kubernetes/${name}.conf`]
}

function kubeProxy(host: Host, options: LabOptions): string[] {
  return [
    'kube-proxy',
    '--kubeconfig=/etc/kubernetes/kube-proxy.conf',
    `--hostname-override=${host.name}`,
    `--proxy-mode=${options.proxyMode}`,
    `--cluster-cidr=${inStack(options, podCidr, podCidr6)}`,
    // These sysctls belong to the whole machine.
    '--conntrack-max-per-core=0',
    '--conntrack-min=0',
    '--conntrack-tcp-timeout-established=0',
    '--conntrack-tcp-timeout-close-wait=0',
    '--v=1',
  ]
}

// exec: the supervisor must know the service's own process.
export function serviceScript(command: readonly string[]): string {
  return `#!/bin/sh\nexec ${command.join(' \\\n  ')}\n`
}
