// How long the pod may still be frozen: over its budget nothing is worth waiting for.
import { CodedError } from '../../runtime/errors.ts'
import { nowMs } from '../moves.ts'

export class FreezeBudget {
  readonly #budgetMs: number
  readonly #frozenAtMs: () => number

  /** `frozenAtMs` is asked from the freeze on. */
  constructor(budgetMs: number, frozenAtMs: () => number) {
    this.#budgetMs = budgetMs
    this.#frozenAtMs = frozenAtMs
  }

  leftMs(): number {
    return this.#budgetMs - (nowMs() - this.#frozenAtMs())
  }

  /** Ends with the budget, not the work. A dump is waited for even so: stopping criu in the middle of it costs more than its end. */
  async within<T>(work: Promise<T>): Promise<T> {
    work.catch(() => undefined)
    let timer: NodeJS.Timeout | undefined
    const over = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(overBudget(this.#budgetMs)), Math.max(0, this.leftMs()))
    })
    return await Promise.race([work, over]).finally(() => clearTimeout(timer))
  }
}

function overBudget(budgetMs: number): CodedError {
  const message = `Moving: the pod was frozen for longer than its budget of ${budgetMs} ms before the destination could commit: raise freezeWindowBudgetMs or move it when it is idle`
  return new CodedError('FreezeBudgetExceeded', message)
}
