// Inside the guest: one container, started and restored by the real runc, with pipes as its stdio, as containerd gives them.
import { execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { thaw } from '../../src/agent/runc/freezer.ts'
import { type RunningContainer, readContainer, runcRoot } from '../../src/agent/runc/state.ts'

export const run = promisify(execFile)

/** Its connections stay in here, as a pod's do. */
export const namespace = 'pod'
const startTimeoutMs = 120_000

export class Container {
  readonly id: string
  readonly #folder: string
  #commands: Awaited<ReturnType<typeof open>> | undefined

  constructor(id: string) {
    this.id = id
    this.#folder = `/run/guest/${id}`
  }

  async start(program: string, args: readonly string[]): Promise<void> {
    await this.#prepare(program, args)
    await this.#runc(['run', '--detach', '--bundle', this.#folder, this.id], {})
  }

  async restore(program: string, args: readonly string[], images: string, env: Record<string, string>): Promise<void> {
    await this.#prepare(program, args)
    const options = ['--tcp-established', '--manage-cgroups-mode', 'ignore', '--image-path', images, '--work-path', `${this.#folder}/work`]
    await this.#runc(['restore', '--detach', '--bundle', this.#folder, ...options, this.id], env)
  }

  async read(): Promise<RunningContainer> {
    return await readContainer('main', this.id)
  }

  /** A line to its standard input. */
  async tell(line: string): Promise<void> {
    await this.#commands?.write(`${line}\n`)
  }

  /** The line that its output has from `after` on, when it is whole. */
  async heard(pattern: RegExp, after = 0): Promise<string> {
    const deadlineMs = performance.now() + startTimeoutMs
    for (;;) {
      const line = this.output
        .slice(after)
        .split('\n')
        .slice(0, -1)
        .find((one) => pattern.test(one))
      if (line !== undefined) return line
      if (performance.now() > deadlineMs) throw new Error(`${this.id} never said ${pattern}: ${this.output.slice(-1500)}`)
      await sleep(20)
    }
  }

  get output(): string {
    return existsSync(`${this.#folder}/output`) ? readFileSync(`${this.#folder}/output`, 'utf8') : ''
  }

  async end(): Promise<void> {
    const freezer = await this.read().then(
      (container) => container.freezer,
      () => undefined,
    )
    if (freezer) await run('sh', ['-c', `for p in $(cat ${freezer.folder}/cgroup.procs); do kill -9 $p || true; done`])
    if (freezer) await thaw([freezer])
    await run('runc', ['--root', runcRoot, 'delete', '--force', this.id]).catch(() => undefined)
    await this.#commands?.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #prepare(program: string, args: readonly string[]): Promise<void> {
    await mkdir(`${this.#folder}/rootfs/tmp`, { recursive: true })
    await mkdir(`${this.#folder}/work`, { recursive: true })
    await copyFile(`/guest/${program}`, `${this.#folder}/rootfs/program`)
    await run('chmod', ['755', `${this.#folder}/rootfs/program`])
    await run('mkfifo', [`${this.#folder}/commands`])
    await run('runc', ['spec'], { cwd: this.#folder })
    const config = JSON.parse(await readFile(`${this.#folder}/config.json`, 'utf8'))
    Object.assign(config.process, { terminal: false, args: ['/program', ...args], rlimits: [] })
    config.mounts = config.mounts.filter(({ type }: { type: string }) => type !== 'cgroup')
    config.linux.cgroupsPath = `/guest/${this.id}`
    config.hostname = 'pod'
    config.root.readonly = false
    for (const one of config.linux.namespaces) if (one.type === 'network') one.path = `/run/netns/${namespace}`
    await writeFile(`${this.#folder}/config.json`, JSON.stringify(config))
  }

  /** Node's own pipes are sockets, which no container has as its stdio: a shell makes real ones. */
  async #runc(args: readonly string[], env: Record<string, string>): Promise<void> {
    const line = `cat commands | { runc --root ${runcRoot} "$@" 2>&1; echo $? > code; } | cat > output`
    spawn('sh', ['-c', line, 'sh', ...args], { cwd: this.#folder, stdio: 'ignore', env: { ...process.env, ...env } })
    this.#commands = await open(`${this.#folder}/commands`, 'w')
    const deadlineMs = performance.now() + startTimeoutMs
    while (!existsSync(`${this.#folder}/code`) || readFileSync(`${this.#folder}/code`, 'utf8') === '') {
      if (performance.now() > deadlineMs) throw new Error(`runc ${args[0]} ${this.id} did not end: ${this.output.slice(-1500)}`)
      await sleep(20)
    }
    const code = readFileSync(`${this.#folder}/code`, 'utf8').trim()
    if (code !== '0') throw new Error(`runc ${args[0]} ${this.id} exited ${code}: ${this.output.slice(-1500)}`)
  }
}
