// One timer per policy, kept in line with the policies' schedules; a run that is still going is not started again.
import cron, { type ScheduledTask } from 'node-cron'

const gapsLookedAt = 10
/** Between the time of a schedule and the time that the run is said to have been at. */
const startedLateMs = 30_000

interface Entry {
  schedule: string
  task: ScheduledTask
}

export class Timetable {
  readonly #entries = new Map<string, Entry>()
  readonly #run: (name: string) => Promise<void>

  constructor(run: (name: string) => Promise<void>) {
    this.#run = run
  }

  get names(): string[] {
    return [...this.#entries.keys()]
  }

  /** False: the schedule is no cron expression; nothing runs under this name then. */
  set(name: string, schedule: string): boolean {
    if (this.#entries.get(name)?.schedule === schedule) return true
    this.delete(name)
    if (!cron.validate(schedule)) return false
    const task = cron.schedule(schedule, () => this.#run(name), { name, timezone: 'UTC', noOverlap: true, suppressMissedWarning: true })
    this.#entries.set(name, { schedule, task })
    return true
  }

  /** Was a run due since the last one, while nobody led? Schedules are uneven, so the widest gap of the next runs counts. */
  hasMissed(name: string, lastRunMs: number): boolean {
    const runs = this.#entries.get(name)?.task.getNextRuns(gapsLookedAt + 1) ?? []
    const [next] = runs
    if (!next) return false
    const gaps = runs.slice(1).map((run, index) => run.getTime() - (runs[index]?.getTime() ?? 0))
    return lastRunMs < next.getTime() - Math.max(0, ...gaps) - startedLateMs
  }

  delete(name: string): void {
    const entry = this.#entries.get(name)
    this.#entries.delete(name)
    void entry?.task.destroy()
  }

  clear(): void {
    for (const name of this.names) this.delete(name)
  }
}
