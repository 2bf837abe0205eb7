// Leader election by a Lease: one replica leads, and stops leading before another one may start.
import { setMaxListeners } from 'node:events'
import type { V1Lease, V1LeaseSpec } from '@kubernetes/client-node'
import { type Clock, realClock } from '../runtime/clock.ts'
import { CodedError } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import { leading } from '../runtime/metrics.ts'
import { isAlreadyExists, isConflict, isNotFound, type KubeClient } from './client.ts'
import { leasePath } from './paths.ts'

export interface LeaseOptions {
  namespace: string
  name: string
  identity: string
  clock?: Clock
}

// As in every Kubernetes controller: others wait 15 s for a silent leader, which itself gives up after 10 s without a renewal; 5 s are left
// for what it still does to end.
const leaseSeconds = 15
const renewWithinMs = 10_000
const retryMs = 2000
const endWithinMs = 5000

/** Runs `lead` whenever this replica leads; its signal aborts when leadership is lost or `signal` aborts. Ends when `signal` aborts. */
export async function runAsLeader(
  client: KubeClient,
  options: LeaseOptions,
  signal: AbortSignal,
  lead: (leaderSignal: AbortSignal) => Promise<void>,
): Promise<void> {
  const candidate = new Candidate(client, options)
  while (!signal.aborted) {
    if (await candidate.tryHold()) await candidate.serve(signal, lead)
    else await candidate.rest(signal)
  }
}

class Candidate {
  readonly #client: KubeClient
  readonly #options: LeaseOptions
  readonly #clock: Clock
  /** The other's last sign of life by our clock: clocks of nodes differ, so times inside the Lease are not compared. */
  #seen: { renewal: string; atMs: number } | undefined

  constructor(client: KubeClient, options: LeaseOptions) {
    this.#client = client
    this.#options = options
    this.#clock = options.clock ?? realClock
  }

  rest(signal: AbortSignal): Promise<void> {
    return this.#clock.sleep(retryMs, signal)
  }

  /** Takes, keeps or renews the lease; false: somebody else has it, or the API server does not answer. */
  async tryHold(): Promise<boolean> {
    try {
      const lease = await this.#read()
      if (!lease) return await this.#create()
      return this.#mayTake(lease) && (await this.#take(lease))
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) log.warn({ err: error }, 'leader election could not use its lease')
      return false
    }
  }

  async serve(signal: AbortSignal, lead: (leaderSignal: AbortSignal) => Promise<void>): Promise<void> {
    const term = new AbortController()
    setMaxListeners(0, term.signal)
    const stop = () => term.abort(signal.reason)
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) stop()
    this.#announce(true)
    const work = lead(term.signal).finally(() => term.abort())
    const outcome = work.then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
    await this.#renewUntilEnd(term)
    await this.#endedInTime(outcome)
    signal.removeEventListener('abort', stop)
    this.#announce(false)
    await this.#release()
    await work
  }

  /** Renews until the term ends, and ends it when no renewal succeeded for too long. */
  async #renewUntilEnd(term: AbortController): Promise<void> {
    let renewedAtMs = this.#clock.nowMs()
    while (!term.signal.aborted) {
      await this.#clock.sleep(retryMs, term.signal)
      if (term.signal.aborted) return
      const askedAtMs = this.#clock.nowMs()
      if (await this.#holdWithin(renewedAtMs + renewWithinMs - askedAtMs)) renewedAtMs = askedAtMs
      else if (this.#clock.nowMs() - renewedAtMs >= renewWithinMs) term.abort(new Error('the lease could not be renewed'))
    }
  }

  /** A request that hangs must not keep us leading longer than the others wait. */
  async #holdWithin(ms: number): Promise<boolean> {
    const answered = new AbortController()
    const late = this.#clock.sleep(ms, answered.signal).then(() => false)
    const held = await Promise.race([this.tryHold(), late])
    answered.abort()
    return held
  }

  /** Somebody else may lead from here on: a handler that does not stop is more dangerous than a restart of the program. */
  async #endedInTime(outcome: Promise<unknown>): Promise<void> {
    const ended = new AbortController()
    const late = this.#clock.sleep(endWithinMs, ended.signal).then(() => 'late')
    const first = await Promise.race([outcome, late])
    ended.abort()
    if (first === 'late') {
      throw new CodedError(
        'LeaderDidNotStop',
        `Giving up leadership: work did not stop within ${endWithinMs} ms: the program ends so that nobody leads twice`,
      )
    }
  }

  #mayTake({ spec }: V1Lease): boolean {
    const holder = spec?.holderIdentity
    if (!holder || holder === this.#options.identity) return true
    const renewal = `${holder} ${String(spec.renewTime)} ${spec.leaseTransitions}`
    if (this.#seen?.renewal !== renewal) this.#seen = { renewal, atMs: this.#clock.nowMs() }
    return this.#clock.nowMs() - this.#seen.atMs >= (spec.leaseDurationSeconds ?? leaseSeconds) * 1000
  }

  async #read(): Promise<V1Lease | undefined> {
    try {
      return await this.#client.get<V1Lease>(this.#path())
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  async #create(): Promise<boolean> {
    const { namespace, name } = this.#options
    const spec = this.#spec(0, this.#now())
    await this.#client.create<unknown>(leasePath(namespace), {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace },
      spec,
    })
    return true
  }

  async #take(lease: V1Lease): Promise<boolean> {
    const own = lease.spec?.holderIdentity === this.#options.identity
    const transitions = lease.spec?.leaseTransitions ?? 0
    const acquiredAt = own ? String(lease.spec?.acquireTime) : this.#now()
    const spec = this.#spec(own ? transitions : transitions + 1, acquiredAt)
    await this.#client.replace<unknown>(this.#path(), { ...lease, spec })
    return true
  }

  /** Lets the other replica lead at once instead of after the lease's time. */
  async #release(): Promise<void> {
    try {
      const lease = await this.#read()
      if (lease?.spec?.holderIdentity !== this.#options.identity) return
      const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: this.#now() }
      await this.#client.replace<unknown>(this.#path(), { ...lease, spec })
    } catch (error) {
      log.info({ err: error }, 'lease was not released, the next leader waits for its end')
    }
  }

  #spec(
    leaseTransitions: number,
    acquireTime: string,
  ): Record<keyof Pick<V1LeaseSpec, 'holderIdentity'>, string> & Record<string, unknown> {
    return {
      holderIdentity: this.#options.identity,
      leaseDurationSeconds: leaseSeconds,
      acquireTime,
      renewTime: this.#now(),
      leaseTransitions,
    }
  }

  #announce(leads: boolean): void {
    leading.set(leads ? 1 : 0)
    log.info({ identity: this.#options.identity }, leads ? 'leads' : 'leads no more')
  }

  /** MicroTime: the API server takes only fractions of six digits. */
  #now(): string {
    return new Date(this.#clock.nowMs()).toISOString().replace('Z', '000Z')
  }

  #path(): string {
    return leasePath(this.#options.namespace, this.#options.name)
  }
}
