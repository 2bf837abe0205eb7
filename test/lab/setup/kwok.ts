// Builds kwok, which keeps nodes and pods that exist in the API only as alive as a kubelet would; only the benches at scale need it.
import type { Step } from './step.ts'

const kwokVersion = 'v0.8.0'

export function kwokStep(): Step {
  return {
    name: 'kwok',
    inputs: [kwokVersion],
    build: async (out, run) => {
      await run('go', ['install', '-trimpath', '-ldflags=-s -w', `sigs.k8s.io/kwok/cmd/kwok@${kwokVersion}`], {
        env: { CGO_ENABLED: '0', GOBIN: out },
      })
    },
  }
}
