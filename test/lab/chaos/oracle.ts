// The oracle outside of the cluster: 8 connections that live as long as the chaos run, and what they saw.
import { readFileSync } from 'node:fs'
import type { Lab } from '../lab.ts'

const script = readFileSync(new URL('oracle.py', import.meta.url), 'utf8')

/** Since the last look. */
export interface Seen {
  requests: number
  /** The longest wait for one answer. */
  worstMs: number
  ended: { kind: 'direct' | 'service'; atMs: number; waitedMs: number; error: string }[]
  /** Numbers that came twice or went back, answers of an older copy, damaged memory. */
  wrong: string[]
  open: number
  /** For how long one waits now. */
  waitingMs: number
  /** How often the program was started so far. */
  starts: number
}

export interface Addresses {
  direct: string
  service: string
}

export class Oracle {
  readonly #process: ReturnType<typeof startProgram>
  readonly #lines: AsyncIterator<string>

  static start(lab: Lab, addresses: Addresses): Oracle {
    return new Oracle(lab, addresses)
  }

  private constructor(lab: Lab, addresses: Addresses) {
    this.#process = startProgram(lab)
    this.#lines = this.#process.iterable()[Symbol.asyncIterator]() as AsyncIterator<string>
    this.tell(addresses)
  }

  /** Connections that are made from now on go there. */
  tell(addresses: Addresses): void {
    this.#order(addresses)
  }

  /** What has waited for long is closed: the node that carried it was destroyed, so its end was told to the pod alone, if to anybody. */
  abandon(kind: 'direct' | 'service'): void {
    this.#order({ abandon: kind })
  }

  async look(): Promise<Seen> {
    this.#order({ mark: true })
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('Asking the oracle: it has ended')
    return JSON.parse(value)
  }

  async end(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#process
  }

  #order(order: object): void {
    this.#process.stdin.write(`${JSON.stringify(order)}\n`)
  }
}

function startProgram(lab: Lab) {
  return lab.client.run('python3', ['-c', script], { reject: false, stdio: ['pipe', 'pipe', 'inherit'] })
}
