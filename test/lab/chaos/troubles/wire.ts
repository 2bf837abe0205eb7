// Packets that do not arrive: between the two agents, or on the way to the API server; and an API server that starts anew.
import { setTimeout as sleep } from 'node:timers/promises'
import { control, node as hostOf } from '../../hosts.ts'
import type { Machine } from '../../machine.ts'
import type { Scene, Struck, Trouble } from '../scene.ts'

const agentPort = 8090
const apiPort = 6443
const shortestMs = 200
const longestMs = 15_000
const resetMs = 1000

export const wireTroubles: Trouble[] = [
  { name: 'packets cut between the agents', strike: (scene) => cutAgents(scene, ['prerouting', 'output']) },
  { name: 'packets cut from source to destination agent', strike: (scene) => cutAgents(scene, ['output']) },
  { name: 'packets cut from destination to source agent', strike: (scene) => cutAgents(scene, ['prerouting']) },
  { name: 'packets cut from all nodes to the API server', strike: cutApi },
  { name: 'the API server starts anew', strike: restartApi },
]

/** On the source's node, for a while. */
async function cutAgents({ source, destination, dice }: Scene, hooks: ('prerouting' | 'output')[]): Promise<Struck> {
  const address = addressOf(destination)
  const chains = hooks.map((hook) => {
    const end = hook === 'output' ? 'daddr' : 'saddr'
    return chain(hook, [`ip ${end} ${address} tcp dport ${agentPort} drop`, `ip ${end} ${address} tcp sport ${agentPort} drop`])
  })
  return await cut([source], chains, dice.integer(shortestMs, longestMs))
}

/**
 * All of a sudden, and only for a moment: whatever asks the other agent then fails at once.
 * `still`: processes that stand still until it is so, because a move goes on for some milliseconds while the rule is made.
 */
export async function resetAgents({ source, destination }: Scene, still: readonly number[]): Promise<Struck> {
  for (const pid of still) process.kill(pid, 'SIGSTOP')
  const rule = `ip daddr ${addressOf(destination)} tcp dport ${agentPort} reject with tcp reset`
  const struck = await cut([source], [chain('output', [rule])], resetMs)
  for (const pid of still) process.kill(pid, 'SIGCONT')
  return struck
}

async function cutApi({ world, dice }: Scene): Promise<Struck> {
  const rule = `ip daddr ${control.address} tcp dport ${apiPort} drop`
  return await cut(world.lab.nodes, [chain('output', [rule]), chain('forward', [rule])], dice.integer(shortestMs, longestMs))
}

async function cut(machines: Machine[], chains: string[], awayMs: number): Promise<Struck> {
  const rules = `table ip chaos {\n${chains.join('\n')}\n}\n`
  await Promise.all(machines.map((machine) => machine.run('nft', ['-f', '-'], { input: rules })))
  const undo = async (): Promise<void> => {
    await sleep(awayMs)
    await Promise.all(machines.map((machine) => machine.run('nft', ['delete', 'table', 'ip', 'chaos'], { reject: false })))
  }
  return { text: `cut on ${machines.map(({ name }) => name).join(', ')} for ${awayMs} ms`, undo }
}

// After kube-proxy has put the API server's own address in.
function chain(hook: string, rules: string[]): string {
  return `chain ${hook} { type filter hook ${hook} priority 10; ${rules.join('; ')}; }`
}

function addressOf({ name }: Machine): string {
  return hostOf(Number(name.replace('node-', ''))).address
}

async function restartApi({ world }: Scene): Promise<Struck> {
  await world.lab.control.run('systemctl', ['kill', 'kube-apiserver'])
  return { text: 'kube-apiserver killed, its supervisor starts it again', undo: () => world.lab.waitApi() }
}
