// Where the API server is and how we prove who we are: KUBECONFIG or the pod's service account, credentials looked at again as they rotate.
import http from 'node:http'
import https from 'node:https'
import { KubeConfig } from '@kubernetes/client-node'
import { CodedError } from '../runtime/errors.ts'

export interface Connection {
  server: URL
  /** Agent and headers for the next request; `fresh` after a 401. */
  options(fresh?: boolean): Promise<https.RequestOptions>
}

// Service account tokens are replaced long before they expire, so half a minute of the old one is safe; reading files for each request is not free.
const credentialsForMs = 30_000
// Idle connections are closed by us before the API server (90 s) or a load balancer does it while we write.
const keepAlive = { keepAlive: true, timeout: 60_000 }

export function connectionFromDefault(): Connection {
  const config = new KubeConfig()
  config.loadFromDefault()
  return connectionFromConfig(config)
}

export function connectionFromConfig(config: KubeConfig): Connection {
  const cluster = config.getCurrentCluster()
  if (!cluster) {
    throw new CodedError(
      'NoCluster',
      `Connecting to Kubernetes: context "${config.getCurrentContext()}" names no cluster: set KUBECONFIG or --context`,
    )
  }
  return new ConfigConnection(config, new URL(cluster.server))
}

/** Plain HTTP without credentials: `kubectl proxy` and tests. */
export function connectionFromUrl(url: string): Connection {
  const agent = new http.Agent(keepAlive)
  return { server: new URL(url), options: async () => ({ agent }) }
}

class ConfigConnection implements Connection {
  readonly server: URL
  readonly #config: KubeConfig
  #cached: { options: https.RequestOptions; untilMs: number; identity: string } | undefined

  constructor(config: KubeConfig, server: URL) {
    this.#config = config
    this.server = server
  }

  async options(fresh = false): Promise<https.RequestOptions> {
    if (this.#cached && !fresh && Date.now() < this.#cached.untilMs) return this.#cached.options
    const found: https.RequestOptions = {}
    await this.#config.applyToHTTPSOptions(found)
    const identity = JSON.stringify([found.ca, found.cert, found.key].map(String))
    const agent = this.#cached?.identity === identity ? this.#cached.options.agent : this.#agentFor(found)
    const options = { headers: trimmed(found.headers), auth: found.auth, agent } as https.RequestOptions
    this.#cached = { options, untilMs: Date.now() + credentialsForMs, identity }
    return options
  }

  /** The library's agent does not keep connections alive, so it is used only when a proxy stands in between. */
  #agentFor({ agent, ca, cert, key, rejectUnauthorized, servername }: https.RequestOptions): https.RequestOptions['agent'] {
    if (this.#config.getCurrentCluster()?.proxyUrl) return agent
    if (this.server.protocol === 'http:') return new http.Agent(keepAlive)
    const identity = { ca, cert, key, rejectUnauthorized, servername }
    return new https.Agent({ ...keepAlive, ...Object.fromEntries(Object.entries(identity).filter(([, value]) => value !== undefined)) })
  }
}

/** Token files end with a newline often enough, and a header must not. */
function trimmed(headers: https.RequestOptions['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).trim()]))
}
