"""podmotion-pages track: what arrives at the destination is what the frozen processes have, page for page."""
import json, os, re, signal, socket, struct, subprocess, threading, time, unittest
from support import Case, program, read, run, wait_for, FIXTURES

PAGE = 4096
DATA, ZERO, POPULATED, SEGMENT, SEGMENT_MAP, GONE, SYNC, FINAL = range(1, 9)
SEGMENT_OWNER = 0x80000000
FREEZER = '/sys/fs/cgroup/freezer' if os.path.isdir('/sys/fs/cgroup/freezer') else '/sys/fs/cgroup'
V1 = FREEZER.endswith('freezer')


class Receiver:
    """The store's end of the wire, in Python: keeps every page, forgets what it is told to."""

    def __init__(self, path, drop=None):
        self.pages, self.populated, self.segments, self.segment_maps, self.gone = {}, {}, {}, {}, []
        self.drop = drop  # (owner, page number) that is thrown away
        self.error = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        self.stream = connection.makefile('rwb')
        try:
            while header := self.stream.read(24):
                self.take(*struct.unpack('<IIQQ', header), header)
        except Exception as e:  # seen by the test, which joins
            self.error = e
        connection.close()

    def take(self, kind, owner, address, length, header):
        body = self.stream.read(length) if kind in (DATA, POPULATED, SEGMENT_MAP) else None
        if kind in (DATA, ZERO):
            assert address % PAGE == 0 and length % PAGE == 0 and length, (kind, address, length)
            for at in range(0, length, PAGE):
                if (owner, (address + at) // PAGE) != self.drop:
                    self.pages[owner, (address + at) // PAGE] = body[at:at + PAGE] if body else bytes(PAGE)
        elif kind == POPULATED:
            self.populated[owner] = self.pairs(body)
        elif kind == SEGMENT_MAP:
            self.segment_maps[owner] = self.pairs(body)
        elif kind == SEGMENT:
            assert self.stream.read(256) == bytes(256)
            self.segments[owner] = (address, length)
        elif kind == GONE:
            self.gone.append(owner)
            self.pages = {k: v for k, v in self.pages.items() if k[0] != owner}
        else:
            missing = self.missing() if kind == FINAL else 0
            self.stream.write(struct.pack('<IIQQ', kind, owner, missing, 0))
            self.stream.flush()

    @staticmethod
    def pairs(body):
        pairs = list(struct.iter_unpack('<QQ', body))
        assert all(a < b for a, b in pairs) and all(x[1] <= y[0] for x, y in zip(pairs, pairs[1:])), 'not ascending'
        return pairs

    def missing(self):
        return sum((owner, p) not in self.pages for maps in (self.populated, self.segment_maps) for owner, pairs in maps.items()
                   for a, b in pairs for p in range(a // PAGE, b // PAGE))


class Tracker:
    def __init__(self, folder, freezer, drop=None, minimum=65536):
        self.skip = folder + '/skip'
        if os.path.exists(folder + '/stream.sock'):
            os.unlink(folder + '/stream.sock')
        self.receiver = Receiver(folder + '/stream.sock', drop)
        self.process = subprocess.Popen([program('pages'), 'track', '--freezer', freezer, '--stream', folder + '/stream.sock', '--skip', self.skip, '--minimum', str(minimum)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f'the tracker ended ({self.process.wait()})')
        return json.loads(line)

    def __call__(self, command):
        self.send(command)
        return self.hear()

    def final(self):
        listed = self('final')
        return listed, self.hear() if 'listed' in listed else None

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(10)
        self.process.stdout.close()


class Tracking(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.build = '/tmp/podmotion-track-test'
        os.makedirs(cls.build, exist_ok=True)
        run('gcc', '-static', '-O2', '-pthread', '-o', cls.build + '/memory', FIXTURES + '/memory.c')

    def setUp(self):
        super().setUp()
        self.cgroup = FREEZER + '/' + os.path.basename(self.dir)
        os.mkdir(self.cgroup)
        self.addCleanup(self.clean)
        self.started = []

    def clean(self):
        self.thaw()
        for p in self.started:
            p.kill()
        wait_for(self.all_killed)
        for p in self.started:
            p.communicate()
        for inner in os.listdir(self.cgroup):
            if os.path.isdir(f'{self.cgroup}/{inner}'):
                os.rmdir(f'{self.cgroup}/{inner}')
        os.rmdir(self.cgroup)

    def all_killed(self):
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not self.pids()

    def pids(self):
        return [int(x) for folder, _, _ in os.walk(self.cgroup) for x in read(folder + '/cgroup.procs').split()]

    def start(self, *words, cgroup=None):
        """In a pid namespace of its own, as a container has it."""
        def join():
            with open((cgroup or self.cgroup) + '/cgroup.procs', 'w') as f:
                f.write('0')
        p = subprocess.Popen(['unshare', '--pid', '--fork', '--kill-child', *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        child = wait_for(lambda: read(f'/proc/{p.pid}/task/{p.pid}/children').split())
        with open((cgroup or self.cgroup) + '/cgroup.procs', 'w') as f:
            f.write(child[0])
        self.started.append(p)
        return p

    def memory(self, *words):
        """All its processes are in the cgroup before it makes any: the shell waits to be moved."""
        p = self.start('sh', '-c', f'read go; exec {self.build}/memory ' + ' '.join(map(str, words)))
        p.stdin.write('go\n')
        p.stdin.flush()
        self.assertEqual(p.stdout.readline(), 'up\n')
        return p

    def say(self, p, line):
        p.stdin.write(line + '\n')
        p.stdin.flush()
        return p.stdout.readline()

    def tracker(self, **kw):
        t = Tracker(self.dir, self.cgroup, **kw)
        self.addCleanup(t.close)
        return t

    def freeze(self):
        with open(self.cgroup + ('/freezer.state' if V1 else '/cgroup.freeze'), 'w') as f:
            f.write('FROZEN' if V1 else '1')
        wait_for(lambda: read(self.cgroup + '/freezer.state') == 'FROZEN\n' if V1 else 'frozen 1' in read(self.cgroup + '/cgroup.events'))

    def thaw(self):
        with open(self.cgroup + ('/freezer.state' if V1 else '/cgroup.freeze'), 'w') as f:
            f.write('THAWED' if V1 else '0')

    def is_frozen(self):
        return read(self.cgroup + '/freezer.state') != 'THAWED\n' if V1 else 'frozen 1' in read(self.cgroup + '/cgroup.events')

    def owner(self, pid):
        return int(re.search(r'NSpid:.*\s(\d+)\n', read(f'/proc/{pid}/status')).group(1))

    def check_private(self, t, pid):
        """Every page of the listed ranges, against the frozen process: (pages that are populated, wrong ones)."""
        owner, r = self.owner(pid), t.receiver
        have = {p for a, b in r.populated[owner] for p in range(a // PAGE, b // PAGE)}
        wrong, listed = 0, 0
        with open(f'/proc/{pid}/mem', 'rb', 0) as mem:
            for line in read(f'{t.skip}/{pid}').splitlines():
                start, end = (int(x, 16) for x in line.split())
                for page in range(start // PAGE, end // PAGE):
                    listed += page in have
                    content = os.pread(mem.fileno(), PAGE, page * PAGE)
                    wrong += content != (r.pages.get((owner, page)) if page in have else bytes(PAGE))
        self.assertEqual(listed, len(have), 'populated pages outside of what is listed')
        return len(have), wrong

    def check_segment(self, t, owner, pid):
        r = t.receiver
        inode, size = r.segments[owner]
        m = re.search(rf'^(\S+) \S+ \S+ \S+ {inode} ', read(f'/proc/{pid}/maps'), re.M)
        have = {p for a, b in r.segment_maps[owner] for p in range(a // PAGE, b // PAGE)}
        fd = os.open(f'/proc/{pid}/map_files/' + '-'.join(x.lstrip('0') for x in m.group(1).split('-')), os.O_RDONLY)
        try:
            self.assertEqual(os.fstat(fd).st_size, size)
            wrong = sum(os.pread(fd, PAGE, p * PAGE) != (r.pages.get((owner, p)) if p in have else bytes(PAGE)) for p in range(size // PAGE))
        finally:
            os.close(fd)
        return len(have), wrong

    def check_all(self, t, pid):
        """Everything that criu would leave out; the number of pages, private and shared."""
        self.assertIsNone(t.receiver.error)
        private = [self.check_private(t, int(n)) for n in os.listdir(t.skip) if n.isdigit()]
        self.assertEqual(sum(w for _, w in private), 0, 'wrong private pages')
        shared = [self.check_segment(t, owner, pid) for owner, (inode, _) in t.receiver.segments.items() if os.path.exists(f'{t.skip}/shm-{inode}')]
        self.assertEqual(sum(w for _, w in shared), 0, 'wrong shared pages')
        return sum(n for n, _ in private), sum(n for n, _ in shared)

    def first_pid(self):
        return min(self.pids(), key=self.owner)

    def move(self, p):
        """Rounds, then the end, then everything compared; what the end said."""
        t = self.tracker()
        for number in range(4):
            done = t('round')
            self.assertEqual(done['round'], number, done)
            self.assertGreaterEqual(done['processes'], 3)
            self.assertGreaterEqual(done['segments'], 3)
            self.assertFalse(self.is_frozen())
            time.sleep(.2)
        self.freeze()
        listed, final = t.final()
        self.assertTrue(self.is_frozen(), 'final thaws nothing')
        self.assertEqual((listed['listed'], final['final'], final['missing']), (True, True, 0))
        private, shared = self.check_all(t, self.first_pid())
        self.assertGreater(private, 3 * 32 * 8)
        self.assertGreater(shared, 32 * 256)
        t.close()
        self.thaw()
        self.assertRegex(self.say(p, 'verify'), '^ok ')
        return final

    def test_a_busy_program_arrives_as_it_stood_still(self):
        """No process comes or goes: scanning alone tells what was written, nothing is compared."""
        self.assertEqual(self.move(self.memory(32, 3000, 3, 'churn'))['compared'], 0)

    def test_what_short_lived_children_wrote_arrives_too(self):
        """A child that writes and ends between two looks leaves no page table to scan."""
        self.assertGreater(self.move(self.memory(32, 3000, 3, 'churn', 'forks'))['compared'], 0)

    def test_a_page_that_never_came_is_missing_and_a_stale_one_is_seen(self):
        """That the checks of these tests can fail."""
        self.memory(8, 0, 1)
        pid = self.first_pid()
        t = self.tracker()
        t('round')
        owner = max(t.receiver.segments, key=lambda o: t.receiver.segments[o][1])
        t.receiver.drop = victim = (owner, 5)
        del t.receiver.pages[victim]
        self.freeze()
        _, final = t.final()
        self.assertEqual(final['missing'], 1)
        t.receiver.pages[victim] = bytes(PAGE)
        with self.assertRaisesRegex(AssertionError, 'wrong shared pages'):
            self.check_all(t, pid)
        private = next(k for k in t.receiver.pages if k[0] < SEGMENT_OWNER and t.receiver.pages[k] != bytes(PAGE))
        t.receiver.pages[private] = bytes(PAGE)
        with self.assertRaisesRegex(AssertionError, 'wrong private pages'):
            self.check_all(t, pid)

    def test_an_idle_program_is_sent_once(self):
        self.memory(64, 0, 2)
        t = self.tracker()
        first, second = t('round'), t('round')
        self.assertGreater(first['pages'], 64 * 256)
        self.assertLess(second['pages'], 100)
        self.assertEqual((first['segments'], first['untracked']), (4, []))
        self.freeze()
        self.assertEqual(t('probe'), {'suspect': 0})
        _, final = t.final()
        self.assertLess(final['pages'], 100)
        self.assertEqual((final['missing'], final['compared']), (0, 0))
        self.check_all(t, self.first_pid())
