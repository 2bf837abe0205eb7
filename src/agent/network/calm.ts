// While a pod is held on this node, what can wait a moment does: starting programs takes the processor from the move that it waits for.

const lookEveryMs = 50
/** A move that hangs must not keep the controller's wish from this node. */
const longestWaitMs = 3000

export class Calm {
  readonly #moves = new Set<string>()

  begin(uid: string): void {
    this.#moves.add(uid)
  }

  end(uid: string): void {
    this.#moves.delete(uid)
  }

  async wait(): Promise<void> {
    for (let waitedMs = 0; this.#moves.size > 0 && waitedMs < longestWaitMs; waitedMs += lookEveryMs)
      await new Promise((resolve) => setTimeout(resolve, lookEveryMs))
  }
}
