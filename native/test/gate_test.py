"""podmotion-criu with a fake criu: what reaches it, the gate's answers, deaths of each side."""
import array, json, os, signal, socket, stat, subprocess, sys, time
from support import Case, Lines, program, read, wait_for

# A criu that notifies as it is told and logs what it got. FAKE_SCRIPT: words like post-restore, and !code to exit early.
FAKE_CRIU = f'''#!{sys.executable}
import array, json, os, socket, sys, time
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
from gate_test import varint, field, fields
if sys.argv[1:] != ['swrk', '3']:
    print('criu', *sys.argv[1:]); sys.exit(7)
log = open(os.environ['FAKE_LOG'], 'a', buffering=1)
s = socket.socket(fileno=3)
request = s.recv(1 << 20)
if not request:
    print('eof', file=log); sys.exit(1)
top = fields(request); opts = fields(top.get(2, b''))
peer = array.array('i', s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
where = {{n: os.readlink(f'/proc/{{peer}}/fd/{{opts[n]}}') for n in (1, 17) if n in opts and opts[n] < 1 << 31}}
extra = os.readlink('/proc/self/fd/5') if os.path.exists('/proc/self/fd/5') else None
print('request', json.dumps([top[1], opts.get(64), where, extra, os.readlink('/proc/self/fd/1'), os.environ.get('LD_PRELOAD')]), file=log)
first = int(os.environ.get('FAKE_FIRST') or os.getpid())
for word in os.environ.get('FAKE_SCRIPT', '').split():
    if word[0] == '!':
        os._exit(int(word[1:]))
    if word == 'hang':
        time.sleep(30)
    message = field(1, 6) + field(2, 1) + field(5, field(1, word.encode()) + field(2, first))
    if word == 'orphan-pts-master':
        socket.send_fds(s, [message], [1])
    else:
        s.send(message)
    answer = s.recv(4096)
    print(word, fields(answer).get(3) if answer else 'eof', file=log)
    if not answer or not fields(answer).get(3):
        if answer: s.send(field(1, top[1]) + field(2, 0))
        sys.exit(1)
s.send(field(1, top[1]) + field(2, 1))
sys.exit(0)
'''
DUMP, RESTORE = 1, 2
ALL = 'pre-restore setup-namespaces post-setup-namespaces post-restore network-unlock pre-resume post-resume'


def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    return varint(number << 3) + varint(value) if isinstance(value, int) else varint(number << 3 | 2) + varint(len(value)) + value


def fields(message):
    out, i = {}, 0

    def number():
        nonlocal i
        n = shift = 0
        while True:
            b = message[i]
            i += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n
    while i < len(message):
        tag = number()
        value = number()
        if tag & 7 == 2:
            value, i = message[i:i + value], i + value
        out[tag >> 3] = value
    return out


class Gate(Case):
    def setUp(self):
        super().setUp()
        self.criu = self.write(self.dir + '/criu', FAKE_CRIU)
        os.chmod(self.criu, 0o755)
        self.log, self.gate = self.dir + '/fake.log', self.dir + '/gate.sock'
        self.env.update(PODMOTION_CRIU=self.criu, FAKE_LOG=self.log, PYTHONDONTWRITEBYTECODE='1')

    def start(self, kind, script='', **env):
        """Stands in for runc: the socketpair, two more descriptors, the request."""
        self.us, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.us.settimeout(10)
        self.folder = os.open(self.dir, os.O_RDONLY)
        extra = os.open(self.dir + '/libexec', os.O_RDONLY)
        # The numbers must be 3, 4, 5 whatever this process has open.
        moves = f'exec 3<&{theirs.fileno()} 4<&{extra} 5<&{extra}; exec "$0" swrk 3'
        self.out = open(self.dir + '/out', 'w')
        self.proxy = subprocess.Popen(['bash', '-c', moves, program('criu')], env={**self.env, 'FAKE_SCRIPT': script, **env}, stdout=self.out, stderr=subprocess.PIPE,
                                      pass_fds=[theirs.fileno(), extra])
        self.addCleanup(self.proxy.wait)
        self.addCleanup(self.proxy.kill)
        theirs.close()
        os.close(extra)
        opts = field(1, self.folder) + field(17, self.folder) + field(13, b'/root') + field(64, 1)
        self.us.send(field(1, kind) + field(2, opts))

    def serve_one(self):
        script = fields(fields(self.us.recv(4096))[5])[1].decode()
        self.us.send(field(1, 6) + field(3, 1))
        return script

    def serve(self):
        """Answers notifications as runc does, up to the end; the scripts seen."""
        seen = []
        while True:
            message, fds, _, _ = socket.recv_fds(self.us, 1 << 16, 4)
            if not message:
                return seen + ['eof']
            top = fields(message)
            if top[1] != 6:
                return seen + [('response', top[2])]
            seen.append(fields(top[5])[1].decode() + (f'+{len(fds)}fd' if fds else ''))
            self.us.send(field(1, 6) + field(3, 1))

    def end(self):
        self.assertEqual(self.proxy.wait(10), self.proxy.returncode)
        err = self.proxy.stderr.read().decode()
        self.proxy.stderr.close()
        self.assertNotIn('Sanitizer', err)
        return self.proxy.returncode

    def fake_log(self):
        return read(self.log).splitlines() if os.path.exists(self.log) else []

    def at_gate(self, **env):
        self.start(RESTORE, ALL, PODMOTION_GATE=self.gate, **env)
        agent = Lines(self.gate)
        for script in ALL.split()[:3]:
            self.assertEqual(fields(fields(self.us.recv(4096))[5])[1].decode(), script)
            self.us.send(field(1, 6) + field(3, 1))
        names = [agent.hear().split() for _ in range(4)]
        self.assertEqual([n[1] for n in names], ALL.split()[:4])
        self.assertTrue(all(abs(int(n[2]) / 1e9 - time.time()) < 60 for n in names))
        return agent

    def silent(self):
        self.us.settimeout(.2)
        self.assertRaises(TimeoutError, self.us.recv, 10)
        self.us.settimeout(10)

    def test_passes_other_uses_to_criu(self):
        done = subprocess.run([program('criu'), '--version', 'x'], env=self.env, capture_output=True, text=True)
        self.assertEqual((done.stdout, done.returncode), ('criu --version x\n', 7))

    def test_carries_a_dump_both_ways(self):
        self.start(DUMP, 'pre-dump network-lock orphan-pts-master post-dump network-unlock some-new-word')
        self.assertEqual(self.serve(), ['pre-dump', 'network-lock', 'orphan-pts-master+1fd', 'post-dump', 'network-unlock', 'some-new-word', ('response', 1)])
        self.assertEqual(self.end(), 0)
        got = json.loads(self.fake_log()[0][8:])
        self.assertEqual(got, [DUMP, 3, {'1': self.dir, '17': self.dir}, self.dir + '/libexec', self.dir + '/out', None])

    def test_restores_without_a_gate(self):
        self.start(RESTORE, ALL)
        self.assertEqual(self.serve(), ALL.split() + [('response', 1)])
        self.assertEqual(self.end(), 0)

    def test_mirrors_exit_status_and_does_not_hang_when_criu_dies(self):
        self.start(RESTORE, 'pre-restore !9')
        self.assertEqual(self.serve(), ['pre-restore', 'eof'])
        self.assertEqual(self.end(), 9)

    def test_large_requests(self):
        self.us, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.us.settimeout(10)
        self.proxy = subprocess.Popen(['bash', '-c', f'exec 3<&{theirs.fileno()}; exec "$0" swrk 3', program('criu')], env=self.env, pass_fds=[theirs.fileno()], stderr=subprocess.PIPE)
        theirs.close()
        mounts = b''.join(field(37, b'mnt[/some/long/path/%d]:x' % n) for n in range(3000))
        self.us.send(field(1, DUMP) + field(2, mounts))
        self.assertEqual(self.serve(), [('response', 1)])
        self.assertEqual(self.end(), 0)

    def test_go(self):
        agent = self.at_gate()
        self.silent()
        self.assertEqual(stat.S_IMODE(os.stat(self.gate).st_mode), 0o600)
        self.assertTrue(int(read(self.dir + '/gate.pid')) > 1)
        self.assertFalse(os.path.exists(self.dir + '/gate.decision'))
        self.assertEqual(agent.ask('dance'), 'unknown order')
        self.assertEqual(agent.ask('go'), 'decided go')
        self.assertEqual(read(self.dir + '/gate.decision'), 'go\n')
        self.assertEqual(agent.ask('abort'), 'decided go')
        agent.say('resume')
        self.assertEqual(self.serve(), ALL.split()[3:] + [('response', 1)])
        self.assertEqual([agent.hear().split()[1] for _ in range(3)], ALL.split()[4:])
        self.assertEqual(agent.hear(), '')
        self.assertEqual(self.end(), 0)
        self.assertFalse(os.path.exists(self.gate))
        self.assertEqual([l for l in self.fake_log()[1:]], [w + ' 1' for w in ALL.split()])

    def test_abort(self):
        agent = self.at_gate()
        self.assertEqual(agent.ask('abort'), 'decided abort')
        self.assertEqual(agent.ask('go'), 'decided abort')
        self.assertEqual(self.serve(), [('response', 0)])  # runc never hears of post-restore
        self.assertEqual(self.end(), 1)
        self.assertEqual(read(self.dir + '/gate.decision'), 'abort\n')
        self.assertEqual(self.fake_log()[-1], 'post-restore 0')

    def test_agent_reconnects(self):
        self.at_gate().close()
        self.silent()
        agent = Lines(self.gate)
        self.assertEqual([agent.hear().split()[1] for _ in range(4)], ALL.split()[:4])
        agent.say('go')
        agent.say('resume')
        self.assertEqual(self.serve()[-1], ('response', 1))
        self.assertEqual(self.end(), 0)

    def test_early_orders(self):
        self.start(RESTORE, ALL, PODMOTION_GATE=self.gate)
        agent = Lines(self.gate)
        self.assertEqual(agent.hear().split()[1], 'pre-restore')
        self.assertEqual(agent.ask('go'), 'early')
        self.assertEqual(agent.ask('abort'), 'decided abort')
        self.assertEqual(self.serve(), ['pre-restore', ('response', 0)])
        self.assertEqual(self.end(), 1)

    def test_resume_is_not_waited_for_without_an_agent(self):
        agent = self.at_gate()
        agent.ask('go')
        agent.close()
        start = time.time()
        self.assertEqual(self.serve()[-1], ('response', 1))
        self.assertLess(time.time() - start, 1)
        self.assertEqual(self.end(), 0)

    def test_resume_is_waited_for_two_seconds(self):
        agent = self.at_gate()
        agent.ask('go')
        start = time.time()
        self.assertEqual(self.serve()[-1], ('response', 1))
        self.assertTrue(1.9 < time.time() - start < 3)
        self.assertEqual(self.end(), 0)

    def test_death_of_runc_at_the_gate_aborts(self):
        self.at_gate()
        self.us.close()
        self.assertEqual(self.end(), 1)
        self.assertEqual(read(self.dir + '/gate.decision'), 'abort\n')
        self.assertEqual(self.fake_log()[-1], 'post-restore 0')

    def test_death_of_criu_at_the_gate_ends_it(self):
        self.at_gate()
        os.kill(int(read(self.dir + '/gate.pid')), signal.SIGKILL)
        self.assertEqual(self.serve(), ['eof'])
        self.assertEqual(self.end(), -signal.SIGKILL)
        self.assertFalse(os.path.exists(self.dir + '/gate.decision'))

    def test_a_criu_that_waits_for_a_dying_container_is_ended(self):
        first = subprocess.Popen(['sleep', '60'])
        self.start(RESTORE, 'post-restore hang', PODMOTION_GATE=self.gate, FAKE_FIRST=str(first.pid))
        agent = Lines(self.gate)
        self.assertEqual(agent.hear().split()[1], 'post-restore')
        self.assertEqual(agent.ask('go'), 'decided go')
        self.assertEqual(self.serve_one(), 'post-restore')
        time.sleep(1.5)
        self.assertIsNone(self.proxy.poll())  # it lives, so criu has its time
        first.kill()  # and is a zombie: nobody waits for it
        self.assertEqual(self.serve(), ['eof'])
        self.assertEqual(self.end(), -signal.SIGKILL)
        first.wait()

    def test_death_of_the_proxy_is_seen_by_both(self):
        self.at_gate()
        self.proxy.kill()
        self.assertEqual(self.serve(), ['eof'])
        wait_for(lambda: self.fake_log()[-1] == 'post-restore eof')

    def test_what_was_released_is_never_restored_again(self):
        self.write(self.dir + '/gate.decision', 'go\n')
        self.start(RESTORE, ALL, PODMOTION_GATE=self.gate)
        self.assertEqual(self.serve(), ['eof'])
        self.assertEqual(self.end(), 1)
        self.assertEqual(self.fake_log(), [])

    def test_what_was_aborted_may_be_tried_again(self):
        self.write(self.dir + '/gate.decision', 'abort\n')
        agent = self.at_gate()
        self.assertFalse(os.path.exists(self.dir + '/gate.decision'))
        self.assertEqual(agent.ask('go'), 'decided go')

    def test_undecidable_without_a_place_to_write(self):
        agent = self.at_gate()
        os.mkdir(self.dir + '/gate.decision')
        self.write(self.dir + '/gate.decision/x', '')
        self.assertTrue(agent.ask('go').startswith('error'))
        self.silent()

    def test_holds_a_dump(self):
        self.start(DUMP, 'pre-dump', PODMOTION_HOLD_DUMP=self.dir + '/hold.sock')
        agent = Lines(self.dir + '/hold.sock')
        self.assertEqual(agent.hear().split()[1], 'held')
        self.silent()
        self.assertEqual(self.fake_log(), [])
        self.assertTrue(self.has_event())
        self.assertEqual(agent.ask('go'), 'decided go')
        self.assertEqual(self.serve(), ['pre-dump', ('response', 1)])
        self.assertEqual(self.end(), 0)

    def has_event(self):
        """Of perf: without one the kernel makes criu wait at its first breakpoint."""
        folder = f'/proc/{self.proxy.pid}/fd'
        return 'anon_inode:[perf_event]' in [os.readlink(f'{folder}/{fd}') for fd in os.listdir(folder)]

    def test_gives_up_a_held_dump(self):
        for how in ('abort', 'death of runc'):
            self.start(DUMP, 'pre-dump', PODMOTION_HOLD_DUMP=self.dir + '/hold.sock')
            agent = Lines(self.dir + '/hold.sock')
            if how == 'abort':
                self.assertEqual(agent.ask('abort').split()[0], 'event')
                self.assertEqual(agent.hear(), 'decided abort')
                self.assertEqual(self.serve(), [('response', 0)])
            else:
                self.us.close()
            self.assertEqual(self.end(), 1)
            self.assertEqual(self.fake_log()[-1], 'eof')

    def test_holds_a_restore_until_all_is_ready(self):
        self.start(RESTORE, ALL, PODMOTION_GATE=self.gate, PODMOTION_HOLD_RESTORE='1')
        agent = Lines(self.gate)
        self.assertEqual(agent.hear().split()[1], 'held')
        self.silent()
        self.assertEqual(self.fake_log(), [])  # criu runs, and knows nothing
        self.assertEqual(agent.ask('go'), 'early')
        self.assertEqual(agent.ask('ready'), 'released')
        for script in ALL.split()[:3]:
            self.assertEqual(fields(fields(self.us.recv(4096))[5])[1].decode(), script)
            self.us.send(field(1, 6) + field(3, 1))
        self.assertEqual([agent.hear().split()[1] for _ in range(4)], ALL.split()[:4])
        self.silent()  # the gate is where it always was
        self.assertEqual(agent.ask('ready'), 'released')
        self.assertEqual(agent.ask('go'), 'decided go')
        agent.say('resume')
        self.assertEqual(self.serve()[-1], ('response', 1))
        self.assertEqual(self.end(), 0)

    def test_gives_up_a_held_restore(self):
        for how in ('abort', 'death of runc'):
            self.start(RESTORE, ALL, PODMOTION_GATE=self.gate, PODMOTION_HOLD_RESTORE='1')
            agent = Lines(self.gate)
            self.assertEqual(agent.hear().split()[1], 'held')
            if how == 'abort':
                self.assertEqual(agent.ask('abort'), 'decided abort')
                self.assertEqual(self.serve(), [('response', 0)])
            else:
                self.us.close()
            self.assertEqual(self.end(), 1)
            self.assertEqual(read(self.dir + '/gate.decision'), 'abort\n')
            self.assertEqual(self.fake_log()[-1], 'eof')

    def test_ready_means_nothing_where_nothing_is_held(self):
        agent = self.at_gate()
        self.assertEqual(agent.ask('ready'), 'unknown order')

    def preload_of(self, kind, **env):
        """What criu finds in LD_PRELOAD."""
        self.start(kind, **env)
        self.assertEqual(self.serve(), [('response', 1)])
        self.assertEqual(self.end(), 0)
        return json.loads(self.fake_log()[-1][8:])[5]

    def test_criu_gets_the_preload_for_every_dump_and_for_memory_that_comes_by_itself(self):
        skip, pages = {'PODMOTION_SKIP': self.dir}, {'PODMOTION_PAGES': self.dir + '/pages.sock'}
        self.assertEqual(self.preload_of(DUMP, **skip), None)  # not installed: a full dump
        ours = self.library(self.dir + '/libexec/podmotion-criu-pages.so')
        other = self.library(self.dir + '/other.so')
        self.assertEqual(self.preload_of(DUMP, **skip), ours)
        self.assertEqual(self.preload_of(DUMP), ours)
        self.assertEqual(self.preload_of(RESTORE, **pages), ours)
        self.assertEqual(self.preload_of(DUMP, **skip, LD_PRELOAD=other, ASAN_OPTIONS='verify_asan_link_order=0'), other + ':' + ours)
        self.assertEqual(self.preload_of(DUMP, **pages), None)
        self.assertEqual(self.preload_of(RESTORE, **skip), None)
        self.assertEqual(self.preload_of(RESTORE, PODMOTION_PAGES=''), None)

    def library(self, path):
        subprocess.run(['gcc', '-shared', '-o', path, '-xc', '/dev/null'], check=True)
        return path

    def test_a_restore_that_needs_the_preload_is_refused_without_it(self):
        self.start(RESTORE, ALL, PODMOTION_PAGES=self.dir + '/pages.sock')
        self.assertEqual(self.serve(), ['eof'])
        self.proxy.wait()
        self.assertIn('podmotion-criu-pages.so, which is not there', self.proxy.stderr.read().decode())
        self.assertEqual(self.fake_log(), [])
