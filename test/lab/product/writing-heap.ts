// The heap of a describe's tests: deployed before them, among pods of the product that never crashed, and taken away after them.
import { expect } from 'chai'
import type { PodMigration } from '../../../src/api/pod-migration.ts'
import { HeapPod, heapApp } from '../workloads/heap.ts'
import { freshPods } from './own-pods.ts'
import { sharedWorld } from './shared-lab.ts'
import type { World } from './world.ts'

export class WritingHeap {
  readonly #sizeMB: number
  #world: World | undefined
  #pod: HeapPod | undefined

  constructor(sizeMB: number) {
    this.#sizeMB = sizeMB
    before(async () => {
      this.#world = await sharedWorld()
      await freshPods(this.#world)
      this.#pod = await HeapPod.start(this.#world, 'heap', [String(sizeMB), 'private'])
    })
    after(async () => {
      await this.#pod?.close()
      if (!this.#world) return
      await HeapPod.remove(this.#world)
      await this.#world.remove('podmigrations', '--all')
    })
  }

  get world(): World {
    if (!this.#world) throw new Error('Asking for the world: no test has begun')
    return this.#world
  }

  async ask(line: string): Promise<string> {
    if (!this.#pod) throw new Error(`Asking the heap to ${line}: it is not there`)
    return await this.#pod.ask(line)
  }

  async expectWhole(): Promise<void> {
    expect(await this.ask('verify')).to.equal(`ok ${this.#sizeMB * 256}`)
  }

  /** The one connection is asked before, during and after. */
  async moveWhileItWrites(spec: Record<string, unknown>): Promise<PodMigration> {
    await this.ask('dirty -1')
    const moved = await this.move(spec)
    expect(Number(await this.ask('written'))).to.be.greaterThan(0)
    await this.ask('dirty 0')
    await this.expectWhole()
    return moved
  }

  async move(spec: Record<string, unknown>): Promise<PodMigration> {
    const { name = '' } = (await this.world.pod(heapApp)).metadata ?? {}
    return await this.world.migrate(name, spec)
  }
}
