// The lab itself: boots, behaves like a cluster, and leaves nothing behind, not even after a crash.
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node'
import { expect } from 'chai'
import { execa } from 'execa'
import { cgroupOf, processesIn } from './boot/cgroups.ts'
import { schedulerConfiguration } from './config/scheduler.ts'
import { Lab } from './lab.ts'
import { layoutOf } from './layout.ts'
import { said } from './said.ts'

const name = 'lab-test'
const runcRoot = '/run/containerd/runc/k8s.io'

const web = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    nodeName: 'node-2',
    securityContext: { runAsUser: 1000 },
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'main',
        image: 'podmotion.local/app:1',
        imagePullPolicy: 'Never',
        command: ['python3', '-u', '-m', 'http.server', '8000', '--directory', '/etc/alternatives'],
        readinessProbe: { tcpSocket: { port: 8000 }, periodSeconds: 1 },
      },
    ],
  },
}

const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { type: 'NodePort', clusterIP: '10.96.7.7', selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8000, nodePort: 30077 }] },
}

describe('lab', function () {
  // The first boot on a machine fills the cache.
  this.timeout(15 * 60_000)
  let lab: Lab

  before(async () => {
    await Lab.remove(name)
    lab = await Lab.up({ name, nodes: 2 })
    await lab.kubectl(['apply', '-f', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [web, service] }) })
    await lab.kubectl(['wait', '--for=condition=Ready', '--timeout=60s', 'pod/web'])
  })

  after(() => Lab.remove(name))

  const text = async (command: Parameters<typeof said>[0]) => (await said(command)).stdout
  const containerId = async () => {
    const id = await text(lab.kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.status.containerStatuses[0].containerID}']))
    return id.replace('containerd://', '')
  }

  it('gives each node the range that its pods have', async () => {
    const ranges = await text(lab.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[*].spec.podCIDR}']))
    expect(ranges).to.equal('10.244.1.0/24 10.244.2.0/24')
    expect(await text(lab.kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}']))).to.match(/^10\.244\.2\./)
  })

  it('reaches kubelets by TLS: exec and logs', async () => {
    expect(await text(lab.kubectl(['exec', 'web', '--', 'id', '-u']))).to.equal('1000')
    const refused = await lab.client.run('curl', ['-sk', '-o', '/dev/null', '-w', '%{http_code}', 'https://172.30.0.2:10250/pods'])
    expect(refused.stdout).to.equal('401')
  })

  it('brings the API server to clients of this process, with its real certificate', async () => {
    const proxy = await lab.apiProxy()
    const config = new KubeConfig()
    config.loadFromString(proxy.kubeconfig)
    const { items } = await config.makeApiClient(CoreV1Api).listNode()
    await proxy.close()
    expect(items.map((item) => item.metadata?.name)).to.deep.equal(['node-1', 'node-2'])
  })

  for (const host of ['client', 'control', 'node-1', 'node-2']) {
    it(`reaches pods, Services and node ports from ${host}`, async () => {
      const pod = await text(lab.kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.status.podIP}']))
      // Each host hears by itself of a Service that has just got its endpoint.
      const soon = ['--retry', '10', '--retry-connrefused', '--retry-delay', '1']
      for (const url of [`http://${pod}:8000/`, 'http://10.96.7.7/', 'http://172.30.0.1:30077/']) {
        const answer = await lab.host(host).run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '5', ...soon, url])
        expect(answer.stdout, url).to.equal('200')
      }
    })
  }

  it('gives pods the address of their node towards the outside only', async () => {
    const server = lab.client.run('python3', ['-u', '-m', 'http.server', '8080'], { reject: false })
    const ask = ['exec', 'web', '--', 'curl', '-s', '-o', '/dev/null', '--retry', '5', '--retry-connrefused', '--retry-delay', '1']
    await lab.kubectl([...ask, 'http://198.51.100.10:8080/?outside'])
    await lab.kubectl([...ask, 'http://172.30.0.250:8080/?fabric'])
    await lab.client.run('sh', ['-c', 'kill $(ss -Hltnp sport = :8080 | grep -oE "pid=[0-9]+" | cut -d= -f2)'])
    const { stderr } = await server
    expect(stderr).to.match(/172\.30\.0\.2 .*outside/)
    expect(stderr).to.match(/10\.244\.2\.\d+ .*fabric/)
  })

  it('restarts containerd like systemd would, and pods go on', async () => {
    const machine = lab.node('node-2')
    const before = await text(machine.run('systemctl', ['show', 'containerd', '-p', 'MainPID', '--value']))
    await machine.run('systemctl', ['restart', 'containerd'])
    const after = await text(machine.run('systemctl', ['show', 'containerd', '-p', 'MainPID', '--value']))
    expect(after).not.to.equal(before)
    expect(await text(lab.kubectl(['exec', 'web', '--', 'echo', 'still here']))).to.equal('still here')
    expect(await text(lab.kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.status.containerStatuses[0].restartCount}']))).to.equal('0')
  })

  it('starts a service again that was killed', async () => {
    await lab.node('node-1').run('systemctl', ['kill', 'kubelet'])
    for (let attempt = 0; attempt < 50; attempt++) {
      if ((await lab.node('node-1').run('systemctl', ['is-active', 'kubelet'], { reject: false })).exitCode === 0) return
      await sleep(100)
    }
    expect.fail('kubelet did not come back')
  })

  it('checkpoints a container of another user', async () => {
    const flags = ['--leave-running', '--tcp-established', '--manage-cgroups-mode', 'ignore', '--image-path', '/run/image']
    await lab.node('node-2').run('runc', ['--root', runcRoot, 'checkpoint', ...flags, await containerId()])
    expect(await text(lab.node('node-2').run('ls', ['/run/image']))).to.include('inventory.img')
  })

  it('swaps the configuration of the scheduler, and says what is wrong with a wrong one', async () => {
    await lab.restartScheduler(schedulerConfiguration())
    const error = await lab.restartScheduler('kind: Nonsense').then(
      () => undefined,
      (thrown: Error) => thrown.message,
    )
    expect(error).to.include('Nonsense')
    await lab.restartScheduler(schedulerConfiguration())
  })

  it('powers a node off and on again', async () => {
    await lab.killNode('node-1')
    expect(() => lab.node('node-1').pid).to.throw('not running')
    await lab.startNode('node-1')
    await lab.node('node-1').run('systemctl', ['is-active', 'kubelet'])
    const answer = await lab
      .node('node-1')
      .run('curl', [
        '-s',
        '-o',
        '/dev/null',
        '-w',
        '%{http_code}',
        '--retry',
        '20',
        '--retry-all-errors',
        '--retry-delay',
        '1',
        '--max-time',
        '30',
        'http://10.96.7.7/',
      ])
    expect(answer.stdout).to.equal('200')
  })

  it('is wholly gone after a crash with a frozen pod', async () => {
    await lab.node('node-2').run('runc', ['--root', runcRoot, 'pause', await containerId()])
    process.kill(lab.outerPid, 'SIGKILL')
    await sleep(500)
    expect(Lab.isUp(name)).to.equal(false)
    await Lab.remove(name)
    expect(processesIn(cgroupOf(name))).to.deep.equal([])
    expect(existsSync(layoutOf(name).state)).to.equal(false)
    const { stdout: mounts } = await execa('cat', ['/proc/self/mountinfo'])
    expect(mounts).not.to.include(layoutOf(name).state)
    const { stdout: cgroups } = await execa('find', ['/sys/fs/cgroup', '-maxdepth', '2', '-name', cgroupOf(name)])
    expect(cgroups).to.equal('')
  })
})
