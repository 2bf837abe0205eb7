// The real stock descheduler, built once from its Go module into the cache.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'

const module = 'sigs.k8s.io/descheduler'
const version = 'v0.36.0'
const buildTimeoutMs = 20 * 60_000

/** Its path; building takes some minutes and one time only. Throws where there is no Go or no module proxy. */
export async function stockDescheduler(): Promise<string> {
  const folder = join(process.env.PODMOTION_CACHE ?? '/var/cache/podmotion-lab', 'stock-descheduler')
  const program = join(folder, `descheduler-${version}`)
  if (existsSync(program)) return program
  const env = { GOPATH: join(folder, 'go'), GOCACHE: join(folder, 'build'), GOFLAGS: '-modcacherw', GOBIN: folder }
  mkdirSync(folder, { recursive: true })
  // `go install` of a main package of another module: its own go.mod decides the versions of what it uses.
  await execa('go', ['install', '-p', '2', `${module}/cmd/descheduler@${version}`], { env, timeout: buildTimeoutMs })
  await execa('mv', [join(folder, 'descheduler'), program])
  return program
}
