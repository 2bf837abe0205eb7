// A kubeconfig with everything inside, so that it can be copied anywhere.
import { stringify } from 'yaml'

export type KubeconfigInput = {
  readonly user: string
  readonly server: string
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

export function kubeconfig({ user, server, ca, certificate, key }: KubeconfigInput): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: user, user: { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user } }],
    'current-context': 'lab',
  })
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
