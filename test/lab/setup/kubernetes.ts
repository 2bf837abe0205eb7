// Builds all of Kubernetes as one binary, and Helm, from pinned Go modules: one module for both, so that what they share is compiled once.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { labSource } from '../layout.ts'
import type { Step } from './step.ts'

const kubernetesVersion = 'v1.36.3'
const source = join(labSource, 'kubernetes')
/** Nobody debugs these: a compiler that writes no DWARF and collects its garbage late takes an eighth less time. */
export const packageFlags = ['-trimpath', '-buildvcs=false', '-gcflags=all=-dwarf=false']
export const compilerEnvironment = { CGO_ENABLED: '0', GOGC: '400' }

export const components = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy', 'kubectl']

export async function kubernetesStep(): Promise<Step> {
  const files = await sources('go.mod', 'go.sum', 'main.go')
  // Without these clients see v0.0.0 and refuse to talk.
  const variables = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((where) => [
    `-X ${where}.gitVersion=${kubernetesVersion}`,
    `-X ${where}.gitMajor=1`,
    `-X ${where}.gitMinor=36`,
  ])
  const flags = [...packageFlags, '-ldflags', `-s -w ${variables.join(' ')}`]
  return {
    name: 'kubernetes',
    inputs: [...files, ...flags],
    build: async (out, run) => {
      await run('go', ['build', ...flags, '-o', join(out, 'kube-all'), '.'], { cwd: source, env: compilerEnvironment })
    },
  }
}

/** Its version stands in go.mod, as a tool. */
export async function helmStep(): Promise<Step> {
  const flags = [...packageFlags, '-ldflags=-s -w']
  return {
    name: 'helm',
    inputs: [...(await sources('go.mod', 'go.sum')), ...flags],
    build: async (out, run) => {
      await run('go', ['build', ...flags, '-o', join(out, 'helm'), 'helm.sh/helm/v4/cmd/helm'], { cwd: source, env: compilerEnvironment })
    },
  }
}

async function sources(...names: string[]): Promise<string[]> {
  return await Promise.all(names.map((name) => readFile(join(source, name), 'utf8')))
}
