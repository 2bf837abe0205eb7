// The pod stands still where it is, for as long as a move takes: what its clients wait beyond that is the machine's and their own, not the move's.
import type { World } from '../product/world.ts'
import { movedApp } from './objects.ts'
import type { MoveTimes } from './summary.ts'

const script = `
set -e
folder=$(find /sys/fs/cgroup/freezer -type d -name "pod$1" | head -n 1)
date +%s%3N
echo FROZEN > "$folder/freezer.state"
until [ "$(cat "$folder/freezer.state")" = FROZEN ]; do :; done
sleep "$2"
echo THAWED > "$folder/freezer.state"
date +%s%3N
`

/** From before the freeze until after the thaw, as with a move. */
export async function standStill(world: World, forMs: number): Promise<MoveTimes> {
  const pod = await world.pod(movedApp)
  const node = world.lab.node(pod.spec?.nodeName ?? '')
  const { stdout } = await node.run('sh', ['-c', script, 'sh', pod.metadata?.uid ?? '', String(forMs / 1000)])
  const [fromMs = 0, untilMs = 0] = String(stdout).trim().split('\n').map(Number)
  return { fromMs, untilMs, freezeMs: untilMs - fromMs, relayed: 0 }
}
