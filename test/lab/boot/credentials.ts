// All certificates and kubeconfigs of a lab, by the names that its hosts know them by.
import { generateKeyPairSync } from 'node:crypto'
import { flannelKubeconfig } from '../config/flannel.ts'
import { kubeconfig } from '../config/kubeconfig.ts'
import { apiServer } from '../config/services.ts'
import { apiServiceAddress, control, type Host } from '../hosts.ts'
import { type Authority, createAuthority, type KeyPair, type Subject } from './pki.ts'

// Path inside the host, content.
export type Files = Record<string, string>

const folder = '/etc/kubernetes'

export type Credentials = {
  readonly admin: string
  readonly ca: KeyPair
  readonly control: Files
  node(host: Host): Promise<Files>
}

export async function createCredentials(): Promise<Credentials> {
  const authority = await createAuthority('podmotion-lab')
  return {
    admin: await kubeconfigOf(authority, { name: 'admin', groups: ['system:masters'] }),
    ca: authority.pair,
    control: await controlFiles(authority),
    node: (host) => nodeFiles(authority, host),
  }
}

async function controlFiles(authority: Authority): Promise<Files> {
  const frontProxy = await createAuthority('podmotion-lab-front-proxy')
  return {
    ...pairFiles('ca', authority.pair),
    ...pairFiles('front-proxy-ca', frontProxy.pair),
    ...pairFiles('front-proxy-client', await frontProxy.issue({ name: 'front-proxy-client' })),
    ...pairFiles('apiserver', await authority.issue({ name: 'kube-apiserver' }, apiServerAddresses)),
    ...pairFiles('kubelet-client', await authority.issue({ name: 'kube-apiserver-kubelet-client', groups: ['system:masters'] })),
    ...serviceAccountKeys(),
    [`${folder}/controller-manager.conf`]: await kubeconfigOf(authority, { name: 'system:kube-controller-manager' }),
    [`${folder}/scheduler.conf`]: await kubeconfigOf(authority, { name: 'system:kube-scheduler' }),
    [`${folder}/kube-proxy.conf`]: await kubeconfigOf(authority, { name: 'system:kube-proxy' }),
    [`${folder}/admin.conf`]: await kubeconfigOf(authority, { name: 'admin', groups: ['system:masters'] }),
  }
}

const apiServerAddresses = {
  ips: [control.address, apiServiceAddress, '127.0.0.1'],
  names: ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local', 'localhost', control.name],
}

async function nodeFiles(authority: Authority, host: Host): Promise<Files> {
  const subject = { name: `system:node:${host.name}`, groups: ['system:nodes'] }
  const serving = await authority.issue(subject, { ips: [host.address], names: [host.name] })
  return {
    [`${folder}/pki/ca.crt`]: authority.pair.certificate,
    ...pairFiles('kubelet', serving),
    [`${folder}/kubelet.conf`]: await kubeconfigOf(authority, subject),
    [`${folder}/kube-proxy.conf`]: await kubeconfigOf(authority, { name: 'system:kube-proxy' }),
    [flannelKubeconfig]: await kubeconfigOf(authority, { name: 'flannel', groups: ['system:masters'] }),
  }
}

async function kubeconfigOf(authority: Authority, subject: Subject): Promise<string> {
  const pair = await authority.issue(subject)
  return kubeconfig({ user: subject.name, server: apiServer, ca: authority.pair.certificate, ...pair })
}

function pairFiles(name: string, pair: KeyPair): Files {
  return { [`${folder}/pki/${name}.crt`]: pair.certificate, [`${folder}/pki/${name}.key`]: pair.key }
}

function serviceAccountKeys(): Files {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    [`${folder}/pki/service-accounts.pub`]: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    [`${folder}/pki/service-accounts.key`]: privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
  }
}
