// Each migration's changes one after the other, and none after it was undone: a step that comes late would be taken back by nobody.
import { Turn } from './turn.ts'

/** Requests are minutes old at most; of migrations there may be any number. */
const remembered = 1000

export class UndoneMoves {
  readonly #turns = new Map<string, Turn>()
  readonly #undone = new Set<string>()

  /** Refused when the migration was undone before its turn came. */
  change<T>(uid: string, work: () => Promise<T>): Promise<T> {
    return this.#turnOf(uid).take(() => {
      if (this.#undone.has(uid)) throw new Error(`Changing this node's network for migration ${uid}: it was undone here meanwhile`)
      return work()
    })
  }

  undo(uid: string, work: () => Promise<void>): Promise<void> {
    this.#undone.add(uid)
    for (const old of [...this.#undone].slice(0, -remembered)) this.#undone.delete(old)
    return this.end(uid, work)
  }

  end(uid: string, work: () => Promise<void>): Promise<void> {
    return this.#turnOf(uid)
      .take(work)
      .finally(() => this.#turns.delete(uid))
  }

  #turnOf(uid: string): Turn {
    const turn = this.#turns.get(uid) ?? new Turn()
    this.#turns.set(uid, turn)
    return turn
  }
}
