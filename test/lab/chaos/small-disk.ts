// Gives each node's agent a small disk of its own, so that it can be filled; it outlives the node's power, as a disk does.
import { join } from 'node:path'
import { execa } from 'execa'
import { entersLab } from '../boot/enter.ts'
import { readRecord } from '../boot/record.ts'
import type { Lab } from '../lab.ts'
import { said } from '../said.ts'

const disk = '/var/lib/podmotion'
/** While the node is off: what is on the disk so far moves along. */
const swap = `
set -e
folder=$1
mkdir -p "$folder" "$folder.small"
mount -t tmpfs -o size=64m,mode=755 tmpfs "$folder.small"
cp -a "$folder/." "$folder.small/"
mount --move "$folder.small" "$folder"`

export async function giveSmallDisks(lab: Lab): Promise<void> {
  const record = readRecord(lab.options.name)
  if (!record) throw new Error(`Giving the nodes of lab ${lab.options.name} small disks: it is not up`)
  for (const node of lab.nodes) {
    const { stdout: type } = await said(node.run('stat', ['-f', '-c', '%T', disk]))
    if (type === 'tmpfs') continue
    await lab.killNode(node.name)
    const { file, args } = entersLab(record.init.pid, 'sh', ['-c', swap, 'sh', join(lab.layout.hosts, node.name, 'data', 'podmotion')])
    await execa(file, args)
    await lab.startNode(node.name)
  }
}
