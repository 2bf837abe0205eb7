// The lab's command line: up, down, status, shell, exec, kubectl, helm, images, logs, power, scheduler-config.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Command } from 'commander'
import { execa } from 'execa'
import { isNodeUp } from './boot/enter.ts'
import { schedulerFolder } from './config/services.ts'
import { Lab } from './lab.ts'
import { layoutOf } from './layout.ts'
import { labOptions, type Masquerade, type ProxyMode, podNetworkOf, podNetworks, stackOf, stacks } from './options.ts'
import { realPrograms } from './setup/real-programs.ts'
import { prepareHost, setUp } from './setup/set-up.ts'

// `lab … | head` is no failure.
process.stdout.on('error', () => process.exit())

const program = new Command('lab').description('A real Kubernetes in namespaces of this machine').enablePositionalOptions()
program.option('--name <name>', 'which lab (default: $LAB_NAME or "lab")')

const name = () => labOptions(program.opts()).name
const interactive = { stdio: 'inherit', reject: false } as const

type UpFlags = { nodes: string; proxy: ProxyMode; masquerade: Masquerade; network?: string; stack?: string }

program
  .command('up')
  .description('set up what is missing and boot')
  .option('--nodes <count>', 'worker nodes', '3')
  .option('--proxy <mode>', 'kube-proxy mode: nftables or iptables', 'nftables')
  .option('--masquerade <where>', 'pods take the node address towards: outside, fabric (also inside), none', 'outside')
  .option('--network <kind>', `pod network: ${podNetworks.join(', ')} (default: $LAB_NETWORK or "routed")`)
  .option('--stack <families>', `addresses: ${stacks.join(' or ')} (default: $LAB_STACK or "ipv4")`)
  .action(async ({ nodes, proxy, masquerade, network, stack }: UpFlags) => {
    const podNetwork = network === undefined ? {} : { podNetwork: podNetworkOf(network) }
    const families = stack === undefined ? {} : { stack: stackOf(stack) }
    const lab = await Lab.up({ name: name(), nodes: Number(nodes), proxyMode: proxy, masquerade, ...podNetwork, ...families })
    console.log(usage(lab))
  })

program
  .command('setup')
  .description('only fill the cache')
  .action(async () => console.log(`lab: ${(await setUp()).versions}`))

program.command('host-packages').description('only install what this machine lacks').action(prepareHost)

program
  .command('test-programs')
  .description('where the native tests find a real runc and criu')
  .action(async () => {
    for (const [name, path] of Object.entries(await realPrograms(await setUp()))) console.log(`${name}=${path}`)
  })

program
  .command('down')
  .description('end the lab, or take away what a dead one left')
  .action(async () => {
    await Lab.remove(name())
    console.log(`lab: ${name()} is gone`)
  })

program
  .command('status')
  .description('hosts and nodes')
  .action(async () => {
    const lab = Lab.attach(name())
    console.log(`lab ${lab.options.name}: process ${lab.outerPid}, kubeconfig ${lab.kubeconfigPath}, ${lab.versions}`)
    for (const machine of [lab.control, lab.client, ...lab.nodes]) {
      console.log(`  ${machine.name}: ${isNodeUp(lab.layout, machine.name) ? `pid ${machine.pid}` : 'off'}`)
    }
    await exitWith(lab.kubectl(['get', 'nodes', '-o', 'wide'], interactive))
  })

program
  .command('shell')
  .description('a shell on a host')
  .argument('[host]', 'node-1…, control, client', 'node-1')
  .action(async (host: string) => {
    await exitWith(
      Lab.attach(name())
        .host(host)
        .run('bash', [], { ...interactive, env: { PS1: `${host}# ` } }),
    )
  })

passThrough('exec', 'run a command on a host: lab exec node-1 -- ip route').action(async ([host = '', ...command]: string[]) => {
  const [file = 'bash', ...args] = command[0] === '--' ? command.slice(1) : command
  await exitWith(Lab.attach(name()).host(host).run(file, args, interactive))
})

passThrough('kubectl', 'kubectl as admin').action(async (args: string[]) => exitWith(Lab.attach(name()).kubectl(args, interactive)))

passThrough('helm', 'helm as admin').action(async (args: string[]) => exitWith(Lab.attach(name()).helm(args, interactive)))

program
  .command('images')
  .description('import the product images, as built now, into all nodes')
  .action(async () => {
    const names = await Lab.attach(name()).loadImages()
    console.log(names.length > 0 ? `lab: loaded ${names.join(', ')}` : 'lab: no bundles in dist/ yet')
  })

program
  .command('logs')
  .description("a service's log: lab logs node-1 kubelet")
  .argument('<host>')
  .argument('[service]')
  .option('-f', 'follow')
  .action(async (host: string, service: string | undefined, { f }: { f?: boolean }) => {
    const folder = join(layoutOf(name()).logs, host)
    if (!service) return console.log(readdirSync(folder).join('\n'))
    await exitWith(execa('tail', ['-n', '200', ...(f ? ['-f'] : []), join(folder, `${service}.log`)], interactive))
  })

program
  .command('power-off')
  .description('pull the plug of a node')
  .argument('<node>')
  .action(async (node: string) => Lab.attach(name()).killNode(node))

program
  .command('power-on')
  .description('plug it in again')
  .argument('<node>')
  .action(async (node: string) => Lab.attach(name()).startNode(node))

program
  .command('scheduler-config')
  .description(`restart kube-scheduler with this configuration; further files go to ${schedulerFolder}`)
  .argument('<configuration>')
  .argument('[files...]')
  .action(async (configuration: string, files: string[]) => {
    const contents = files.map((file) => [`${schedulerFolder}/${basename(file)}`, readFileSync(file, 'utf8')])
    await Lab.attach(name()).restartScheduler(readFileSync(configuration, 'utf8'), Object.fromEntries(contents))
  })

function passThrough(command: string, description: string): Command {
  return program.command(command).description(description).argument('[args...]').passThroughOptions().allowUnknownOption().helpOption(false)
}

async function exitWith(subprocess: PromiseLike<unknown>): Promise<void> {
  const { exitCode } = (await subprocess) as { exitCode?: number }
  process.exitCode = exitCode ?? 1
}

function usage(lab: Lab): string {
  return [
    '',
    `The lab is up: ${lab.versions}.`,
    '  make kubectl ARGS="get pods -A"      kubectl as admin',
    '  make lab-shell NODE=node-1           a shell on a node (or control, client)',
    '  make images                          import the product images after a change',
    '  make lab-down                        end it',
  ].join('\n')
}

try {
  await program.parseAsync()
} catch (error) {
  console.error(`lab: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
