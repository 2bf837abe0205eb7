// Asks Prometheus how used each node is: a vector of samples labelled `instance`, each from 0 to 1.
import { readFile } from 'node:fs/promises'
import type { MetricsProvider } from '../api/descheduler-arguments.ts'
import type { KubeClient } from '../kube/client.ts'
import { secretPath } from '../kube/paths.ts'
import { CodedError, messageOf } from '../runtime/errors.ts'
import { sharesOf } from './stock/prometheus-answer.ts'

type Provider = NonNullable<MetricsProvider['prometheus']>

const timeoutMs = 10_000
const ownTokenFile = '/var/run/secrets/kubernetes.io/serviceaccount/token'
/** Under this key the stock descheduler looks for the token in the secret. */
const tokenKey = 'prometheusAuthToken'

export async function askPrometheus(client: KubeClient, provider: Provider, query: string): Promise<ReadonlyMap<string, number>> {
  const url = new URL('api/v1/query', provider.url?.endsWith('/') ? provider.url : `${provider.url}/`)
  url.searchParams.set('query', query)
  const token = await tokenFor(client, provider)
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs) })
    return sharesOf(await response.json())
  } catch (error) {
    throw new CodedError('NoMetrics', `Asking Prometheus at ${provider.url} "${query}": ${messageOf(error)}`, {
      retryable: true,
      cause: error,
    })
  }
}

/** Without a secret it is our own, where we run in a cluster. */
async function tokenFor(client: KubeClient, { authToken }: Provider): Promise<string | undefined> {
  const reference = authToken?.secretReference
  if (!reference?.name) return readFile(ownTokenFile, 'utf8').catch(() => undefined)
  const secret = await client.get<{ data?: Record<string, string> }>(secretPath(reference.namespace, reference.name))
  return Buffer.from(secret.data?.[tokenKey] ?? '', 'base64').toString('utf8')
}
