// Installs with apt what set-up and the tests run on this machine.
import { existsSync } from 'node:fs'
import { isProgram } from './prerequisites.ts'
import type { Run } from './step.ts'

const packageOf: Record<string, string> = {
  mmdebstrap: 'mmdebstrap',
  ip: 'iproute2',
  openssl: 'openssl',
  tar: 'tar',
  make: 'make',
  nft: 'nftables',
  conntrack: 'conntrack',
  rsync: 'rsync',
  patchelf: 'patchelf',
  python3: 'python3-minimal',
}

const packageOfHeader: Record<string, string> = { 'lz4.h': 'liblz4-dev' }

export function missingPackages(): string[] {
  const programs = Object.entries(packageOf).filter(([program]) => !isProgram(program))
  const headers = Object.entries(packageOfHeader).filter(([header]) => !existsSync(`/usr/include/${header}`))
  return [...programs, ...headers].map(([, name]) => name)
}

export async function installPackages(names: string[], run: Run): Promise<void> {
  const install = ['install', '-y', '--no-install-recommends', ...names]
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  // Package lists may be missing or stale: only then pay for an update.
  if (await run('apt-get', install, { env, mayFail: true })) return
  await run('apt-get', ['update'], { env })
  await run('apt-get', install, { env })
}
