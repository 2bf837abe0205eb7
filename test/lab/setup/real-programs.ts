// `lab test-programs`: criu and runc of the node image as programs of this machine, for the native tests; prints their environment.
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cacheDir } from '../layout.ts'
import type { SetUp } from './set-up.ts'

/** The node's root file system is newer than this machine's C library: each program gets its own loader and libraries. */
export async function realPrograms({ nodeLowers }: SetUp): Promise<Record<string, string>> {
  const roots = nodeLowers.split(':')
  const [, node = '', base = ''] = roots
  const libraries = [node, base].map((root) => join(root, 'usr', 'lib', 'x86_64-linux-gnu')).join(':')
  const loader = join(base, 'usr', 'lib', 'x86_64-linux-gnu', 'ld-linux-x86-64.so.2')
  const folder = join(cacheDir(), 'test-programs')
  await mkdir(folder, { recursive: true })
  const write = async (name: string): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, `#!/bin/sh\nexec ${loader} --library-path ${libraries} ${join(node, 'usr', 'sbin', name)} "$@"\n`)
    await chmod(path, 0o755)
    return path
  }
  return { PODMOTION_TEST_RUNC: await write('runc'), PODMOTION_TEST_CRIU: await write('criu') }
}
