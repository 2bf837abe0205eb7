// One pass over one migration: ask, look, decide, tell what is new, write the status once, then perform. Every await may be the last line that runs.
import type { PodMigration } from '../api/pod-migration.ts'
import type { ControllerDeps } from '../controller-deps.ts'
import { isConflict, isNotFound } from '../kube/client.ts'
import { podMigrationPath } from '../kube/paths.ts'
import { CodedError } from '../runtime/errors.ts'
import { log } from '../runtime/log.ts'
import type { Agents } from './agents.ts'
import type { Decision, Effect } from './decision.ts'
import { decide } from './machine.ts'
import { measure } from './measure.ts'
import { ask, look, takesTurns } from './observe.ts'
import type { Migration, Observed } from './observed.ts'
import { perform } from './perform.ts'
import { mergePatchOf } from './status-patch.ts'

const conflictRetryMs = 50

export interface Pass {
  requeueAfterMs?: number
}

export class Reconciler {
  readonly #deps: ControllerDeps
  readonly #agents: Agents
  /** Passes that look at other migrations go one after the other, so that each sees what the one before has written. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(deps: ControllerDeps, agents: Agents) {
    this.#deps = deps
    this.#agents = agents
  }

  async reconcile(namespace: string, name: string): Promise<Pass> {
    const found = this.#deps.caches.migrations.get(namespace, name)
    if (!found) return {}
    const migration: Migration = { ...found, status: found.status ?? {} }
    try {
      return await this.#pass(migration)
    } catch (error) {
      // Somebody wrote first, or the object went: the watch brings what is true now.
      if (isConflict(error) || isNotFound(error)) return { requeueAfterMs: conflictRetryMs }
      throw error
    }
  }

  async #pass(migration: Migration): Promise<Pass> {
    const asked = await ask(this.#deps, this.#agents, migration)
    const settle = async () => {
      const observed = look(this.#deps, migration, asked)
      const decision = decide(migration, observed, this.#deps.clock.nowMs())
      for (const news of decision.news) await perform(this.#deps, this.#agents, migration, news)
      return { observed, decision, written: await this.#write(migration, decision) }
    }
    const { observed, decision, written } = takesTurns(migration) ? await this.#oneAtATime(settle) : await settle()
    return this.#perform(written, observed, decision)
  }

  #oneAtATime<T>(settle: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(settle)
    this.#turn = mine.catch(() => undefined)
    return mine
  }

  async #perform(migration: Migration, observed: Observed, decision: Decision): Promise<Pass> {
    for (const effect of decision.effects) {
      try {
        await perform(this.#deps, this.#agents, migration, effect)
      } catch (error) {
        return this.#refused(migration, observed, effect, error)
      }
    }
    return decision.requeueAfterMs === undefined ? {} : { requeueAfterMs: decision.requeueAfterMs }
  }

  /** What will fail every time is told to the machine, which gives up if it still may; everything else is tried again later. */
  async #refused(migration: Migration, observed: Observed, effect: Effect, error: unknown): Promise<Pass> {
    if (!(error instanceof CodedError) || error.retryable) throw error
    const refusedEffect = { kind: effect.kind, code: error.code, message: error.message }
    const decision = decide(migration, { ...observed, refusedEffect }, this.#deps.clock.nowMs())
    if (migration.status.phase === 'RollingBack' || decision.status.phase !== 'RollingBack') throw error
    log.warn({ migration: migration.metadata.name, effect: effect.kind, code: error.code }, 'an effect was refused, going back')
    const written = await this.#write(migration, decision)
    for (const next of decision.effects) await perform(this.#deps, this.#agents, written, next)
    return { requeueAfterMs: 0 }
  }

  async #write(migration: Migration, decision: Decision): Promise<Migration> {
    const patch = mergePatchOf(migration.status, decision.status)
    if (!patch) return migration
    const { namespace, name, resourceVersion } = migration.metadata
    const body = { metadata: { resourceVersion }, status: patch }
    const written = await this.#deps.client.mergePatch<PodMigration>(podMigrationPath(namespace, name, 'status'), body)
    this.#deps.caches.migrations.upsert(written)
    measure(migration, decision.status, this.#deps.clock.nowMs())
    return { ...written, status: written.status ?? {} }
  }
}
