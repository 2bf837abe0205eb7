// `lab test-programs`: criu and runc of the node image as programs of this machine, for the native tests; prints their environment.
import { copyFile, mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'
import { cacheDir } from '../layout.ts'
import type { SetUp } from './set-up.ts'

/** The node's root file system is newer than this machine's C library: the programs get its loader and libraries. */
export async function realPrograms({ nodeLowers }: SetUp): Promise<Record<string, string>> {
  const [, node = '', base = ''] = nodeLowers.split(':')
  const libraries = [node, base].map((root) => join(root, 'usr', 'lib', 'x86_64-linux-gnu')).join(':')
  const loader = join(base, 'usr', 'lib', 'x86_64-linux-gnu', 'ld-linux-x86-64.so.2')
  const folder = join(cacheDir(), 'test-programs')
  await mkdir(folder, { recursive: true })
  const adapt = async (name: string): Promise<string> => {
    const path = join(folder, name)
    await copyFile(join(node, 'usr', 'sbin', name), `${path}.new`)
    // Not by calling the loader: runc starts itself again through /proc/self/exe. RPATH, unlike RUNPATH, holds for libraries of libraries.
    await execa('patchelf', ['--set-interpreter', loader, '--force-rpath', '--set-rpath', libraries, `${path}.new`])
    await rename(`${path}.new`, path)
    return path
  }
  return { PODMOTION_TEST_RUNC: await adapt('runc'), PODMOTION_TEST_CRIU: await adapt('criu') }
}
