"""The whole path with the real runc and criu: checkpoint through the proxy, stand-in, gate, abort, go, end."""
import json, os, signal, socket, subprocess, unittest
from support import Case, Lines, be_subreaper, exit_status, program, read, run, wait_for, FIXTURES

RUNC, CRIU = os.environ.get('PODMOTION_TEST_RUNC'), os.environ.get('PODMOTION_TEST_CRIU')
POD, GATEWAY, CLIENT = '10.99.0.2', '169.254.1.1', '10.99.0.1'
ID_A, ID_B = 'pmtest-a', 'pmtest-b'


def mac_of(device, netns=None):
    where = ['ip', '-n', netns] if netns else ['ip']
    return json.loads(run(*where, '-j', 'link', 'show', device).stdout)[0]['address']


def make_netns(name):
    """A pod's namespace, attached point-to-point, not routed to yet."""
    run('ip', 'netns', 'add', name)
    run('ip', 'link', 'add', 'h' + name, 'type', 'veth', 'peer', 'eth0', 'netns', name)
    run('ip', 'link', 'set', 'h' + name, 'up')
    for words in ('link set lo up', 'link set eth0 up', f'addr add {POD}/32 dev eth0', f'route add {GATEWAY} dev eth0 scope link',
                  f'route add default via {GATEWAY} dev eth0', f'neigh add {GATEWAY} lladdr {mac_of("h" + name)} dev eth0 nud permanent'):
        run('ip', '-n', name, *words.split())
    run('ip', 'netns', 'exec', name, 'sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=8')
    run('sysctl', '-qw', f'net.ipv4.neigh.h{name}.mcast_solicit=200')


def release(name):
    """Ends the hold: what the kernel queued for the address goes in, in order."""
    run('ip', 'neigh', 'replace', POD, 'lladdr', mac_of('eth0', name), 'dev', 'h' + name, 'nud', 'permanent')


def route_to(name):
    run('ip', 'route', 'replace', POD + '/32', 'dev', 'h' + name, 'src', CLIENT)


class Containers(Case):
    """A source and a destination on one machine, each with a network namespace and the same address."""
    fixture, arguments = 'echo', []

    def setUp(self):
        super().setUp()
        be_subreaper()
        os.symlink(program('criu'), self.dir + '/libexec/criu')
        self.env.update(PODMOTION_RUNC=RUNC, PODMOTION_CRIU=CRIU)
        self.addCleanup(self.clean)
        run('gcc', '-static', '-O2', '-o', self.dir + '/echo', f'{FIXTURES}/{self.fixture}.c')
        run('ip', 'addr', 'add', CLIENT + '/32', 'dev', 'lo')
        for name in ('pa', 'pb'):
            make_netns(name)
        release('pa')
        route_to('pa')

    def clean(self):
        for i in (ID_A, ID_B):
            self.thaw(check=False)
            run(RUNC, '--root', self.dir + '/root', 'delete', '--force', i, check=False)
            self.end_processes(i)
        for name in ('pa', 'pb'):
            run('ip', 'netns', 'del', name, check=False)
        for base in os.listdir('/sys/fs/cgroup'):
            try:
                os.rmdir(f'/sys/fs/cgroup/{base}/pmtest')
            except OSError:
                pass
        run('ip', 'link', 'del', 'hpa', check=False)
        run('ip', 'link', 'del', 'hpb', check=False)
        run('ip', 'addr', 'del', CLIENT + '/32', 'dev', 'lo', check=False)

    def end_processes(self, i):
        """A test that failed must not fail the next: runc restores into an empty cgroup only."""
        try:
            for pid in read(self.cgroup(i) + '/cgroup.procs').split():
                os.kill(int(pid), signal.SIGKILL)
        except OSError:
            pass

    def runc(self, *words, check=True, **kw):
        return run(program('runc'), '--root', self.dir + '/root', '--log', self.dir + '/log.json', '--log-format', 'json', *words, env=self.env, check=check, **kw)

    def bundle(self, i, netns, annotations):
        b = f'{self.dir}/bundle-{i}'
        os.makedirs(b + '/rootfs/tmp')  # criu needs it for its pivot where the root is read-only
        run('cp', self.dir + '/echo', b + '/rootfs/echo')
        run(RUNC, 'spec', cwd=b)
        c = json.loads(read(b + '/config.json'))
        c['process'].update(terminal=False, args=['/echo', *self.arguments], rlimits=[])
        c['mounts'] = [m for m in c['mounts'] if m['type'] != 'cgroup']
        c['linux']['cgroupsPath'] = '/pmtest/' + i
        c['hostname'] = 'p'
        for n in c['linux']['namespaces']:
            if n['type'] == 'network':
                n['path'] = '/var/run/netns/' + netns if os.path.exists('/var/run/netns/' + netns) else '/run/netns/' + netns
        cri = 'io.kubernetes.cri.'
        c['annotations'] = {cri + 'sandbox-namespace': 'shop', cri + 'sandbox-name': i, cri + 'sandbox-uid': 'uid-' + i,
                            cri + 'container-name': 'echo', cri + 'container-type': 'container', **annotations}
        self.write(b + '/config.json', json.dumps(c))
        return b

    def create(self, i, netns, annotations):
        """As the shim does: with pipes as the container's stdio. Returns the pid and the read end of stdout."""
        b = self.bundle(i, netns, annotations)
        r, w = os.pipe()
        done = subprocess.run([program('runc'), '--root', self.dir + '/root', '--log', self.dir + '/log.json', '--log-format', 'json', 'create',
                               '--bundle', b, '--pid-file', b + '/pid', i], stdin=subprocess.DEVNULL, stdout=w, stderr=w, env=self.env, timeout=30)
        os.close(w)
        os.set_blocking(r, False)
        if done.returncode:
            raise AssertionError(f'create {i}: {done.returncode} {os.read(r, 4096)}')
        return int(read(b + '/pid')), r

    def try_connect(self):
        try:
            return socket.create_connection((POD, 7000), timeout=10)
        except OSError:
            return None

    def cgroup(self, i):
        v1 = '/sys/fs/cgroup/freezer/pmtest/' + i
        return v1 if os.path.isdir(v1) else '/sys/fs/cgroup/pmtest/' + i

    def freeze(self):
        run(program('helper'), 'freeze', self.cgroup(ID_A))

    def thaw(self, check=True):
        run(program('helper'), 'thaw', self.cgroup(ID_A), check=check)

    def sockets(self, pid):
        found = json.loads(run(program('helper'), 'sockets', pid).stdout)
        self.assertEqual(found['reasons'], [])
        key = lambda s: (s['state'], s['local'], s['remote'] or '')
        return sorted(({k: v for k, v in s.items() if k != 'inode'} for s in found['sockets']), key=key)

    def checkpoint(self):
        """Freeze, numbers, dump; the source stays frozen."""
        self.freeze()
        self.before = self.sockets(self.source)
        self.dump()

    def dump(self, **more):
        env = dict(self.env, PATH=self.dir + '/libexec:' + os.environ['PATH'], **more)
        done = run(RUNC, '--root', self.dir + '/root', 'checkpoint', '--leave-running', '--tcp-established', '--manage-cgroups-mode', 'ignore',
                   '--image-path', self.dir + '/images', '--work-path', self.dir + '/work', ID_A, env=env, check=False)
        if done.returncode:
            raise AssertionError(done.stderr + read(self.dir + '/work/dump.log')[-3000:])

    def receive(self, lazy=0):
        """Stand-in up, restore ordered, at the gate."""
        self.stand_in()
        self.agent.say(f'restore {self.dir}/images {self.dir}/rwork {lazy}')
        self.reach_the_gate()

    def stand_in(self):
        self.d = f'{self.run_dir}/awaited/shop_{ID_B}/echo'
        os.makedirs(self.d)
        self.standin, self.out = self.create(ID_B, 'pb', {'podmotion.io/migration': 'm-1'})
        self.assertEqual(self.runc('start', ID_B).returncode, 0)
        self.assertEqual(json.loads(self.runc('state', ID_B).stdout)['pid'], self.standin)
        self.agent = Lines(self.d + '/standin.sock')
        self.assertEqual(self.agent.ask('status'), 'waiting')

    def what_went_wrong(self):
        log = self.dir + '/rwork/restore.log'
        return (read(log)[-3000:] if os.path.exists(log) else 'criu has written no log\n') + read(self.dir + '/log.json')[-3000:]

    def reach_the_gate(self):
        self.gate = Lines(self.d + '/gate.sock')
        self.events = []
        while 'post-restore' not in self.events:
            word = self.gate.hear().split()
            self.assertEqual(word[:1], ['event'], self.what_went_wrong())
            self.events.append(word[1])
        self.restored = int(read(self.d + '/gate.pid'))


@unittest.skipUnless(RUNC and CRIU, 'set PODMOTION_TEST_RUNC and PODMOTION_TEST_CRIU to real ones')
class Restore(Containers):
    def setUp(self):
        super().setUp()
        self.start_source()

    def start_source(self):
        self.source, self.source_out = self.create(ID_A, 'pa', {})
        self.runc('start', ID_A)
        self.clients = []
        for k in range(5):
            c = wait_for(self.try_connect)
            self.clients.append((c, c.makefile('r')))
        self.count = 0
        self.talk()

    def leave_an_answer_unacknowledged(self, k):
        """The client's acknowledgement is lost on its way: the pod must take the answer along."""
        rule = f'table ip lost {{\n chain o {{\n type filter hook output priority 0;\n ip daddr {POD} tcp flags & (psh | ack) == ack drop\n }}\n}}\n'
        subprocess.run(['nft', '-f', '-'], input=rule, text=True, check=True)
        s, f = self.clients[k]
        s.sendall(b'mmmmmmmmmm\n')
        self.count += 1
        self.assertEqual(f.readline(), f'{self.count} mmmmmmmmmm\n')
        self.addCleanup(run, 'nft', 'delete', 'table', 'ip', 'lost', check=False)

    def talk(self):
        for k, (s, f) in enumerate(self.clients):
            s.sendall(b'hello %d\n' % k)
            self.count += 1
            self.assertEqual(f.readline(), f'{self.count} hello {k}\n')

    def test_moves_every_connection_and_mirrors_the_end(self):
        self.leave_an_answer_unacknowledged(1)
        self.freeze()
        self.clients[0][0].sendall(b'unread\n')
        route_to('pb')
        self.clients[2][0].sendall(b'held\n')
        self.checkpoint()
        queues = lambda name: sorted(s[name] for s in self.before if name in s)
        self.assertEqual((queues('rcvQueue')[-2:], queues('sndQueue')[-2:]), ([0, 7], [0, 13]))
        self.receive()
        self.assertEqual(Lines(self.d + '/standin.sock').ask('status'), 'restoring')
        after = self.sockets(self.restored)
        self.assertEqual(len([s for s in after if s['state'] == 'ESTABLISHED']), 5)
        again = self.sockets(self.restored)
        self.assertEqual(after, again)
        self.gate.close()
        run('nft', 'delete', 'table', 'ip', 'lost')
        self.gate = Lines(self.d + '/gate.sock')  # an agent that restarted
        self.assertEqual([self.gate.hear().split()[1] for _ in self.events], self.events)
        self.assertEqual(self.gate.ask('go'), 'decided go')
        self.gate.say('abort')
        heard = [self.gate.hear() for _ in range(3)]
        self.assertIn('decided go', heard)
        while not any('pre-resume' in h for h in heard):
            heard.append(self.gate.hear())
        self.gate.say('resume')
        self.assertEqual(self.agent.hear(), f'running {self.restored}')
        heard += self.gate.f.read().splitlines()
        after_go = [h.split()[1] for h in heard if h.startswith('event')]
        self.assertEqual(self.events + after_go, ['pre-restore', 'setup-namespaces', 'post-setup-namespaces', 'post-restore', 'network-unlock', 'pre-resume', 'post-resume'])
        self.assertEqual(read(self.d + '/gate.decision'), 'go\n')
        self.assertTrue(os.path.exists(f'{self.state_dir}/restored/shop_{ID_B}/echo'))
        self.assertEqual(self.before, after)
        release('pb')
        answers = sorted(self.clients[k][1].readline() for k in (0, 2))
        self.assertEqual([a.split()[0] for a in answers], [str(self.count + 1), str(self.count + 2)])
        self.assertEqual(sorted(a.split()[1] for a in answers), ['held', 'unread'])
        self.count += 2
        for _ in range(3):
            self.talk()
        self.assertRaises(BlockingIOError, os.read, self.out, 10)  # nothing was printed, nothing started afresh
        self.assertEqual(int(json.loads(self.runc('state', ID_B).stdout)['pid']), self.restored)
        self.assertEqual(self.runc('kill', ID_B, 'KILL').returncode, 0)
        self.assertEqual(exit_status(self.standin), signal.SIGKILL)
        self.runc('delete', ID_B)
        self.assertFalse(os.path.exists(f'{self.run_dir}/standins/{ID_B}'))
        self.assertFalse(os.path.exists(self.dir + '/root/' + ID_B))

    def test_restores_lazily(self):
        self.checkpoint()
        route_to('pb')
        os.mkdir(self.dir + '/rwork')
        pages = subprocess.Popen([CRIU, 'lazy-pages', '--images-dir', self.dir + '/images', '--work-dir', self.dir + '/rwork'])
        self.addCleanup(pages.wait)
        self.addCleanup(pages.kill)
        wait_for(lambda: os.path.exists(self.dir + '/rwork/lazy-pages.socket'))
        self.receive(lazy=1)
        self.gate.say('go')
        self.gate.say('resume')
        self.assertEqual(self.agent.hear(), f'running {self.restored}')
        release('pb')
        self.talk()

    def test_abort_at_the_gate_leaves_nothing_and_the_source_goes_on(self):
        self.checkpoint()
        self.receive()
        self.assertEqual(self.gate.ask('abort'), 'decided abort')
        self.assertRegex(self.agent.hear(), r'^failed [1-9]')
        self.assertFalse(os.path.exists(f'/proc/{self.restored}/fd/0'))
        self.assertFalse(os.path.exists(self.dir + '/root/' + ID_B))
        self.assertFalse(os.path.exists(f'{self.state_dir}/restored/shop_{ID_B}/echo'))
        self.agent.say('quit')
        self.assertEqual(os.waitstatus_to_exitcode(exit_status(self.standin)), 1)
        self.assertEqual(self.runc('delete', '--force', ID_B).returncode, 0)
        self.thaw()
        self.talk()

    def test_killed_stand_in_at_the_gate_aborts(self):
        self.checkpoint()
        self.receive()
        os.kill(self.standin, signal.SIGKILL)
        exit_status(self.standin)
        wait_for(lambda: not os.path.exists(f'/proc/{self.restored}/fd/0'))
        wait_for(lambda: read(self.d + '/gate.decision') == 'abort\n')
        self.assertEqual(self.runc('kill', ID_B, 'KILL', check=False).returncode, 1)
        self.assertEqual(self.runc('delete', ID_B).returncode, 0)
        self.assertFalse(os.path.exists(self.dir + '/root/' + ID_B))
        self.assertTrue(os.path.exists(f'{self.dir}/bundle-{ID_B}/rootfs/echo'))  # not deleted through a left-over mount
        self.thaw()
        self.talk()

    def test_killed_stand_in_after_the_restore_takes_the_restored_process_by_delete(self):
        self.checkpoint()
        route_to('pb')
        self.receive()
        self.gate.say('go')
        self.gate.say('resume')
        self.assertEqual(self.agent.hear(), f'running {self.restored}')
        release('pb')
        self.talk()
        os.kill(self.standin, signal.SIGKILL)
        exit_status(self.standin)
        self.talk()
        self.assertEqual(self.runc('delete', ID_B).returncode, 0)  # containerd gives no --force
        wait_for(lambda: not os.path.exists(f'/proc/{self.restored}/fd/0'))

    def test_killed_proxy_at_the_gate_fails_the_restore(self):
        self.checkpoint()
        self.receive()
        proxies = [p for p in os.listdir('/proc') if p.isdigit() and self.is_proxy(p)]
        self.assertEqual(len(proxies), 1)
        os.kill(int(proxies[0]), signal.SIGKILL)
        self.assertRegex(self.agent.hear(), r'^failed [1-9]')
        wait_for(lambda: not os.path.exists(f'/proc/{self.restored}/fd/0'))
        self.thaw()
        self.talk()

    def test_criu_killed_after_the_gate_ends_the_connections_with_a_word_to_their_peers(self):
        self.checkpoint()
        route_to('pb')
        self.receive()
        with open(self.d + '/gate.decision', 'w') as decision:  # what the gate writes before it tells criu
            decision.write('go\n')
        release('pb')
        self.clients[0][0].sendall(b'nobody reads this\n')
        # Stopped first: a runc that sees its criu go may kill the container by itself, before the stand-in hears of anything.
        stopped = self.kill_below(self.standin, RUNC, signal.SIGSTOP)
        self.assertEqual(len(stopped), 1)
        wait_for(lambda: ') T ' in read(f'/proc/{stopped[0]}/stat'))
        self.assertTrue(self.kill_below(self.standin, 'criu'))
        self.assertTrue(self.kill_below(self.standin, RUNC))
        self.assertRegex(self.agent.hear(), r'^failed [1-9]')
        wait_for(lambda: not os.path.exists(f'/proc/{self.restored}/fd/0'))
        for s, _ in self.clients:
            s.settimeout(5)
            try:
                self.assertEqual(s.recv(100), b'')
            except ConnectionResetError:
                pass

    def kill_below(self, pid, command, how=signal.SIGKILL):
        killed = [p for p in self.below(pid) if read(f'/proc/{p}/cmdline').startswith(command)]
        # Children first: a criu whose proxy is gone ends what it restored by itself, in the instant before it is killed too.
        for p in reversed(killed):
            os.kill(p, how)
        return killed

    def below(self, pid):
        children = [int(p) for task in os.listdir(f'/proc/{pid}/task') for p in read(f'/proc/{pid}/task/{task}/children').split()]
        return children + [p for child in children for p in self.below(child)]

    def is_proxy(self, pid):
        try:
            return os.path.realpath(f'/proc/{pid}/exe') == os.path.realpath(program('criu'))
        except OSError:
            return False
