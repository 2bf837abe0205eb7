// Builds all of Kubernetes as one binary, and Helm, from pinned Go modules.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labSource } from '../layout.ts'
import type { Step } from './step.ts'

const kubernetesVersion = 'v1.36.3'
const helmVersion = 'v4.3.1'

export const components = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'kubectl']

export async function kubernetesStep(): Promise<Step> {
  const source = join(labSource, 'kubernetes')
  const files = await Promise.all(['go.mod', 'go.sum', 'main.go'].map((name) => readFile(join(source, name), 'utf8')))
  // Without these clients see v0.0.0 and refuse to talk.
  const variables = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((where) => [
    `-X ${where}.gitVersion=${kubernetesVersion}`,
    `-X ${where}.gitMajor=1`,
    `-X ${where}.gitMinor=36`,
  ])
  const flags = ['-trimpath', '-buildvcs=false', '-ldflags', `-s -w ${variables.join(' ')}`]
  return {
    name: 'kubernetes',
    inputs: [...files, ...flags],
    build: async (out, run) => {
      await run('go', ['build', ...flags, '-o', join(out, 'kube-all'), '.'], { cwd: source, env: { CGO_ENABLED: '0' } })
    },
  }
}

export function helmStep(): Step {
  return {
    name: 'helm',
    inputs: [helmVersion],
    build: async (out, run) => {
      await run('go', ['install', '-trimpath', '-ldflags=-s -w', `helm.sh/helm/v4/cmd/helm@${helmVersion}`], {
        env: { CGO_ENABLED: '0', GOBIN: out },
      })
    },
  }
}
