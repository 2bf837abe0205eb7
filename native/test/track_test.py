"""podmotion-pages track: what arrives at the destination is what the frozen processes have, page for page."""
import ctypes, json, os, re, select, signal, socket, struct, subprocess, threading, time, unittest
import lz4_block
from support import Case, program, read, run, wait_for, FIXTURES

PAGE = 4096
DATA, ZERO, POPULATED, SEGMENT, SEGMENT_MAP, GONE, SYNC, FINAL, PACKED = range(1, 10)
SEGMENT_OWNER = 0x80000000
FREEZER = '/sys/fs/cgroup/freezer' if os.path.isdir('/sys/fs/cgroup/freezer') else '/sys/fs/cgroup'
V1 = FREEZER.endswith('freezer')


class Receiver:
    """The store's end of the wire, in Python: keeps every page, forgets what it is told to."""

    def __init__(self, path, drop=None):
        self.pages, self.populated, self.segments, self.segment_maps, self.gone = {}, {}, {}, {}, []
        self.drop = drop  # (owner, page number) that is thrown away
        self.packed = 0  # bytes that packed contents took
        self.error = None
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        self.connection = connection
        self.stream = connection.makefile('rwb')
        try:
            while header := self.stream.read(24):
                self.take(*struct.unpack('<IIQQ', header), header)
        except Exception as e:  # seen by the test, which joins
            self.error = e
        connection.close()

    def take(self, kind, owner, address, length, header):
        body = self.stream.read(length) if kind in (DATA, POPULATED, SEGMENT_MAP) else None
        if kind == PACKED:
            size, = struct.unpack('<I', self.stream.read(4))
            body = lz4_block.unpack(self.stream.read(size), length)
            self.packed += size
        if kind in (DATA, ZERO, PACKED):
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
    def __init__(self, folder, freezer, drop=None, minimum=65536, words=()):
        self.skip = folder + '/skip'
        if os.path.exists(folder + '/stream.sock'):
            os.unlink(folder + '/stream.sock')
        self.receiver = Receiver(folder + '/stream.sock', drop)
        self.process = subprocess.Popen([program('pages'), 'track', '--freezer', freezer, '--stream', folder + '/stream.sock', '--skip', self.skip, '--minimum', str(minimum), *words],
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


def refuse_userfaultfd():
    """In a child before its exec: the call does not exist (ENOSYS), as on an old kernel."""
    code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *x) for x in ((0x20, 0, 0, 0), (0x15, 0, 1, 323), (6, 0, 0, 0x50026), (6, 0, 0, 0x7fff0000))))
    filters = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 4, ctypes.addressof(code)))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(filters)), 0, 0) == 0


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

    def launch(self, *words):
        """All its processes are in the cgroup before it makes any: the shell waits to be moved."""
        p = self.start('sh', '-c', 'read go; exec "$@"', 'sh', *words)
        p.stdin.write('go\n')
        p.stdin.flush()
        self.assertEqual(p.stdout.readline(), 'up\n')
        return p

    def memory(self, *words):
        return self.launch(self.build + '/memory', *words)

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

    def is_untouched(self):
        """Nobody traces them, none has a userfaultfd, none of their memory is watched."""
        for pid in self.pids():
            try:
                held = [os.readlink(f'/proc/{pid}/fd/{n}') for n in os.listdir(f'/proc/{pid}/fd')]
                if 'TracerPid:\t0\n' not in read(f'/proc/{pid}/status') or 'anon_inode:[userfaultfd]' in held or re.search(r'VmFlags:.* uw', read(f'/proc/{pid}/smaps')):
                    return False
            except (FileNotFoundError, ProcessLookupError):
                pass  # one of the short-lived
        return True

    def owner(self, pid):
        return int(re.search(r'NSpid:.*\s(\d+)\n', read(f'/proc/{pid}/status')).group(1))

    def check_private(self, t, pid):
        """Every page of the listed ranges, against the frozen process: (pages that are populated, wrong ones). Guards cannot be read."""
        owner, r = self.owner(pid), t.receiver
        have = {p for a, b in r.populated[owner] for p in range(a // PAGE, b // PAGE)}
        wrong, listed = 0, 0
        with open(f'/proc/{pid}/mem', 'rb', 0) as mem, open(f'/proc/{pid}/pagemap', 'rb', 0) as pagemap:
            for line in read(f'{t.skip}/{pid}').splitlines():
                start, end = (int(x, 16) for x in line.split())
                for page in range(start // PAGE, end // PAGE):
                    listed += page in have
                    if page not in have and self.is_guard(pagemap, page):
                        continue
                    content = os.pread(mem.fileno(), PAGE, page * PAGE)
                    wrong += content != (r.pages.get((owner, page)) if page in have else self.unchanged(pid, page))
        self.assertEqual(listed, len(have), 'populated pages outside of what is listed')
        return len(have), wrong

    @staticmethod
    def is_guard(pagemap, page):
        """Bit 58 of an entry: guard region (Linux 6.15)."""
        return struct.unpack('<Q', os.pread(pagemap.fileno(), 8, page * 8))[0] >> 58 & 1

    def unchanged(self, pid, page):
        """What a page reads as that its process has not written to: zeros, or what its file has there."""
        for line in read(f'/proc/{pid}/maps').splitlines():
            span, _, offset, _, inode = line.split()[:5]
            start, end = (int(x, 16) for x in span.split('-'))
            if start <= page * PAGE < end and inode != '0':
                with open(f'/proc/{pid}/map_files/' + '-'.join(f'{x:x}' for x in (start, end)), 'rb', 0) as f:
                    return os.pread(f.fileno(), PAGE, int(offset, 16) + page * PAGE - start).ljust(PAGE, b'\0')
        return bytes(PAGE)

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
        self.assertGreater(private, 100)  # slots that were made or moved since the last round are criu's
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

    def test_contents_go_packed_where_the_store_takes_it_and_they_get_smaller(self):
        p = self.script("same, noise = mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), mmap.mmap(-1, 4 << 20)\n"
                        "same[:], noise[:] = b'row of a table; ' * (1 << 18), os.urandom(4 << 20)")
        t = self.tracker(words=('--pack', 'lz4'))
        first = t('round')
        self.assertGreater(first['bytes'], 8 << 20)
        self.assertLess(first['sent'], first['bytes'] - (3 << 20))
        self.assertGreater(first['sent'], 4 << 20)
        self.assertLess(0, t.receiver.packed)
        self.freeze()
        listed, final = t.final()
        self.assertEqual(final['missing'], 0)
        self.check_all(t, self.first_pid())

    def test_it_gives_way_while_it_copies_and_only_then(self):
        self.memory(64, 0, 2)
        t = self.tracker()
        nice = lambda: os.getpriority(os.PRIO_PROCESS, t.process.pid)
        before, seen = nice(), set()
        t.send('round')
        while not select.select([t.process.stdout], [], [], 0.001)[0]:
            seen.add(nice())
        t.hear()
        self.assertEqual((seen, before), ({before, 10}, nice()))
        self.freeze()
        t.send('final')
        seen = set()
        while not select.select([t.process.stdout], [], [], 0)[0]:
            seen.add(nice())
        self.assertLessEqual(seen, {before}, 'in the freeze')

    def test_a_tracker_that_is_killed_at_any_instant_leaves_nothing(self):
        p = self.memory(16, 3000, 3, 'churn', 'forks')
        for number in range(30):
            t = self.tracker()
            t.send('round')
            time.sleep(number * .0015)
            t.process.kill()
            t.process.wait()
            t.process.stdout.close()
            wait_for(lambda: not self.is_frozen())
        wait_for(self.is_untouched)  # an injection that was under way ends by itself
        t = self.tracker()
        t('round')
        self.assertFalse(self.is_untouched())
        t.close()
        wait_for(self.is_untouched)
        self.assertRegex(self.say(p, 'verify'), '^ok ')

    def test_a_tracker_that_is_killed_in_its_pause_leaves_nothing_frozen(self):
        self.memory(16, 100, 8)
        hits = 0
        for _ in range(40):
            t = self.tracker()
            t.send('round')
            end = time.time() + 1
            while not self.is_frozen() and time.time() < end:
                pass
            t.process.kill()
            hits += self.is_frozen()
            t.process.wait()
            wait_for(lambda: not self.is_frozen())
            t.close()
            if hits == 3:
                break
        self.assertGreater(hits, 0, 'never killed while it held the processes')

    def test_a_program_that_becomes_another_is_tracked_anew(self):
        p = self.start('sh', '-c', f'x=$(head -c 1000000 /dev/zero | tr "\\0" x); echo ready; read go; exec {self.build}/memory 16 1000 1 churn')
        self.assertEqual(p.stdout.readline(), 'ready\n')
        t = self.tracker()
        self.assertEqual(t('round')['processes'], 1)
        p.stdin.write('go\n')
        p.stdin.flush()
        self.assertEqual(p.stdout.readline(), 'up\n')
        self.assertEqual([t('round')['untracked'] for _ in range(3)][-1], [])
        self.assertEqual(t.receiver.gone, [1])
        self.freeze()
        _, final = t.final()
        self.assertEqual(final['missing'], 0)
        self.assertGreater(min(self.check_all(t, self.first_pid())), 1000)

    def test_a_program_that_becomes_another_at_any_instant_is_left_whole(self):
        path = self.dir + '/again'
        with open(path, 'w') as f:
            f.write('#!/bin/sh\nexec "$0"\n')
        os.chmod(path, 0o755)
        p = self.start(path)
        t = self.tracker()
        for _ in range(300):
            self.assertIn('round', t('round'))
        with self.assertRaises(subprocess.TimeoutExpired):
            p.wait(0.2)  # it goes on
        self.assertIn(self.first_pid(), self.pids())

    def script(self, start=''):
        """A Python program that runs the lines it is given."""
        p = self.start('python3', '-u', '-c', 'import sys, os, mmap, ctypes\nlibc = ctypes.CDLL(None)\n' + start + '\nprint("up")\nfor line in sys.stdin: exec(line); print("done")')
        self.assertEqual(p.stdout.readline(), 'up\n')
        return p

    def ranges(self, t, pid):
        return [tuple(int(x, 16) for x in line.split()) for line in read(f'{t.skip}/{pid}').splitlines()]

    ANONYMOUS = 'm = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); m[:] = b"x" * (1 << 20); at = ctypes.addressof(ctypes.c_char.from_buffer(m))'

    def test_a_process_that_reads_past_the_page_tables_is_left_to_criu(self):
        p = self.script(f'd = os.open("{self.build}/memory", os.O_RDONLY | os.O_DIRECT)')
        t = self.tracker()
        done = t('round')
        self.assertEqual((done['processes'], len(done['untracked'])), (0, 1), done)
        self.assertRegex(done['untracked'][0]['reason'], 'O_DIRECT')
        self.assertEqual(done['untracked'][0]['pid'], self.first_pid())
        self.say(p, 'os.close(d)')
        self.assertEqual(t('round')['processes'], 1)
        self.say(p, f'd = os.open("{self.build}/memory", os.O_RDONLY | os.O_DIRECT)')
        self.assertEqual(t('round')['processes'], 0)
        self.assertEqual(t.receiver.gone, [1])
        self.freeze()
        listed, final = t.final()
        self.assertEqual((listed['untracked'], final['missing']), (1, 0))
        self.assertEqual(os.listdir(t.skip), [])

    def test_locked_memory_is_left_to_criu_also_when_it_was_locked_last(self):
        p = self.script(self.ANONYMOUS)
        t = self.tracker()
        t('round'), t('round')
        self.say(p, 'assert libc.mlock(ctypes.c_void_p(at), 1 << 20) == 0')
        self.freeze()
        _, final = t.final()
        self.assertEqual(final['missing'], 0)
        pid = self.first_pid()
        locked = int(re.search(r'VmLck:\s+(\d+)', read(f'/proc/{pid}/status')).group(1))
        self.assertEqual(locked, 1024)
        block = next(b for b in re.split(r'\n(?=[0-9a-f]+-)', read(f'/proc/{pid}/smaps')) if re.search(r'VmFlags:.* lo', b))
        start, end = (int(x, 16) for x in block.split()[0].split('-'))
        self.assertFalse([r for r in self.ranges(t, pid) if r[0] < end and start < r[1]])
        self.assertGreater(len(self.ranges(t, pid)), 0)
        self.check_all(t, pid)

    def test_where_criu_runs_its_own_calls_is_left_to_it(self):
        """The first executable mapping: its bytes change while criu dumps."""
        p = self.script(self.ANONYMOUS)
        self.say(p, 'libc.mmap.restype = ctypes.c_void_p; x = libc.mmap(ctypes.c_void_p(0x10000000), 1 << 20, 7, 0x32, -1, 0); assert x == 0x10000000; ctypes.memset(x, 0x90, 1 << 20)')
        t = self.tracker()
        t('round')
        self.freeze()
        _, final = t.final()
        self.assertEqual(final['missing'], 0)
        pid = self.first_pid()
        first = next(x for x in read(f'/proc/{pid}/maps').splitlines() if x.split()[1][2] == 'x')
        self.assertTrue(first.startswith('10000000-10100000 rwxp'), first)
        self.assertFalse([r for r in self.ranges(t, pid) if r[0] < 0x10100000 and 0x10000000 < r[1]])
        self.check_all(t, pid)

    def test_private_mappings_of_files_are_tracked_where_they_have_pages_of_their_own(self):
        with open(self.build + '/ballast', 'wb') as f:
            f.write(b'file' * (1 << 18))
        maps = 'changed, untouched = (mmap.mmap(f, 1 << 20, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) for _ in range(2))'
        p = self.script(f'f = os.open("{self.build}/ballast", os.O_RDONLY); {maps}; changed[:65536] = bytes(65536); untouched[70000]; at = lambda m: ctypes.addressof(ctypes.c_char.from_buffer(m))')
        t = self.tracker()
        t('round')
        self.say(p, 'changed[1 << 19:(1 << 19) + 20000] = b"y" * 20000')
        self.assertGreater(t('round')['pages'], 4)
        self.say(p, 'changed[4096:8192] = b"z" * 4096')
        changed, _, untouched = int(self.say(p, 'print(at(changed))')), p.stdout.readline(), int(self.say(p, 'print(at(untouched))'))
        self.freeze()
        _, final = t.final()
        self.assertEqual(final['missing'], 0)
        pid = self.first_pid()
        self.check_all(t, pid)
        self.assertTrue(any(a <= changed < b for a, b in self.ranges(t, pid)))
        self.assertFalse(any(a <= untouched < b for a, b in self.ranges(t, pid)))
        self.assertEqual({bytes(PAGE), b'y' * PAGE, b'z' * PAGE} - {t.receiver.pages.get((1, changed // PAGE + n)) for n in (0, 1, 129)}, set())

    def test_memory_around_guard_pages_goes_ahead(self):
        p = self.script(self.ANONYMOUS)
        if self.say(p, 'print(libc.madvise(ctypes.c_void_p(at + (1 << 18)), 4096, 102))') != '0\n':
            self.skipTest('this kernel has no guard pages')
        p.stdout.readline()
        t = self.tracker()
        self.assertEqual(t('round')['untracked'], [])
        self.freeze()
        _, final = t.final()
        self.assertEqual(final['missing'], 0)
        pid = self.first_pid()
        at = next(int(x.split('-')[0], 16) for x in read(f'/proc/{pid}/maps').splitlines() if self.has_guard(pid, x))
        self.assertTrue([r for r in self.ranges(t, pid) if r[0] <= at < r[1]])
        self.check_all(t, pid)

    def has_guard(self, pid, line):
        start, end = (int(x, 16) for x in line.split()[0].split('-'))
        if end - start > 1 << 30:
            return False
        with open(f'/proc/{pid}/pagemap', 'rb', 0) as pagemap:
            return any(self.is_guard(pagemap, page) for page in range(start // PAGE, end // PAGE))

    def test_a_memfd_that_a_descriptor_reaches_is_left_to_criu(self):
        """write() to it shows in no page table."""
        p = self.script('f = os.memfd_create(""); os.ftruncate(f, 1 << 20); s = mmap.mmap(f, 1 << 20); s[:] = b"y" * (1 << 20)')
        # mmap keeps a descriptor of its own
        t = self.tracker()
        t('round')
        self.assertEqual(t('round')['segments'], 0)
        self.say(p, 'os.closerange(3, 20)')
        t.close()
        t = self.tracker()
        self.assertEqual(t('round')['segments'], 1)
        self.freeze()
        _, final = t.final()
        self.assertEqual(final['missing'], 0)
        self.assertEqual(self.check_all(t, self.first_pid())[1], 256)

    def test_a_write_through_a_small_window_into_a_segment_is_seen(self):
        p = self.script('s = mmap.mmap(-1, 1 << 20); s[:] = b"z" * (1 << 20); w = mmap.mmap(-1, 4096)')
        # The same segment once more, one page of it: through its own map_files entry.
        self.say(p, 'a = ctypes.addressof(ctypes.c_char.from_buffer(s)); f = os.open("/proc/self/map_files/%x-%x" % (a, a + (1 << 20)), os.O_RDWR); '
                    'w = mmap.mmap(f, 4096, offset=81920); os.closerange(3, 20)')
        t = self.tracker()
        t('round')
        self.assertEqual(t('round')['suspect'], 0)
        self.say(p, 'w[5] = 65')
        self.freeze()
        _, final = t.final()
        self.assertEqual((final['missing'], final['compared']), (0, 0))
        self.assertEqual(self.check_all(t, self.first_pid())[1], 256)

    SHARED = 's = mmap.mmap(-1, 8 << 20); s[:] = b"s" * (8 << 20); sat = ctypes.addressof(ctypes.c_char.from_buffer(s))'

    def check_shared_after(self, *lines, before=(), suspect):
        """Two rounds, then LINES: how many segments the probe suspects, and that the end has every page right."""
        p = self.script(self.SHARED)
        for line in before:
            self.assertEqual(self.say(p, line), 'done\n')
        t = self.tracker()
        t('round')
        self.assertEqual(t('round')['suspect'], 0)
        for line in lines:
            self.assertEqual(self.say(p, line), 'done\n')
        self.freeze()
        self.assertEqual(t('probe')['suspect'], suspect)
        _, final = t.final()
        self.assertEqual((final['missing'], final['compared'] > 0), (0, suspect > 0))
        self.assertEqual(self.check_all(t, self.first_pid())[1], 2048)

    def test_a_write_whose_page_table_entry_is_gone_is_seen(self):
        self.check_shared_after('s[40960:40965] = b"12345"; assert libc.madvise(ctypes.c_void_p(sat + 40960), 4096, 4) == 0', suspect=0)

    def test_writes_whose_page_tables_are_gone_are_seen(self):
        self.check_shared_after('s[:] = b"t" * (8 << 20); assert libc.madvise(ctypes.c_void_p(sat), 8 << 20, 4) == 0', suspect=0)

    def test_a_writer_that_came_and_went_between_two_looks_is_not_missed(self):
        self.check_shared_after('k = os.fork() or (s.seek(81920), s.write(b"child"), os._exit(0)); os.waitpid(k, 0)', suspect=1)

    def test_says_whether_somebody_came_since_the_last_round_and_still_compares(self):
        come = 'k = os.fork() or os._exit(0); os.waitpid(k, 0)'
        p = self.script(self.SHARED)
        t = self.tracker()
        self.assertEqual(t('came'), {'came': False}, 'nothing is known of shared memory')
        t('round')
        self.assertEqual([t('came'), t('came')], 2 * [{'came': False}])
        self.assertEqual(self.say(p, come), 'done\n')
        self.assertEqual([t('came'), t('came')], 2 * [{'came': True}])
        self.assertEqual(t('round')['doubt'], 'a process came and ended')
        self.assertEqual(t('came'), {'came': False})
        self.assertEqual(self.say(p, come), 'done\n')
        self.assertEqual(t('came'), {'came': True})
        self.freeze()
        _, final = t.final()
        self.assertEqual((final['missing'], final['doubt']), (0, 'a process came and ended'))

    def test_says_of_private_memory_that_nobody_came(self):
        p = self.script('m = mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS); m[:] = b"p" * len(m)')
        t = self.tracker()
        t('round')
        self.assertEqual(self.say(p, 'k = os.fork() or os._exit(0); os.waitpid(k, 0)'), 'done\n')
        self.assertEqual(t('came'), {'came': False})

    def test_a_known_writer_that_went_is_not_missed(self):
        self.check_shared_after('os.write(w, b"x"); os.waitpid(k, 0)', suspect=1,
                                before=['r, w = os.pipe(); k = os.fork() or (os.read(r, 1), s.seek(81920), s.write(b"child"), os._exit(0))'])

    def test_a_writer_that_unmaps_what_it_wrote_to_is_not_missed(self):
        # A second mapping of the same memory: mremap of size 0 makes one.
        again = 'libc.mremap.restype = ctypes.c_void_p; libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]; x = libc.mremap(sat, 0, 8 << 20, 1); assert x != sat'
        self.check_shared_after('ctypes.memset(x + 12288, 7, 5); assert libc.munmap(ctypes.c_void_p(x), 8 << 20) == 0', suspect=1, before=[again])

    def test_a_mapping_that_came_last_is_not_missed(self):
        again = 'libc.mremap.restype = ctypes.c_void_p; libc.mremap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]; x = libc.mremap(sat, 0, 8 << 20, 1); assert x != sat'
        self.check_shared_after(again, 'ctypes.memset(x + 12288, 7, 5)', suspect=1)

    def test_processes_of_child_cgroups_belong_to_it(self):
        os.mkdir(self.cgroup + '/inner')
        self.start('sleep', '100', cgroup=self.cgroup + '/inner')
        t = self.tracker()
        self.assertEqual(t('round')['processes'], 1)

    def test_a_sharer_of_memory_is_not_tracked_twice(self):
        helper = self.dir + '/sharer'
        with open(helper + '.c', 'w') as f:
            f.write('#define _GNU_SOURCE\n#include <sched.h>\n#include <signal.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n'
                    'static char *m; static int run(void *x) { for (unsigned i = 0;; i++) { m[i % 100 * 4096] = (char)i; usleep(500); } return 0; }\n'
                    'int main(void) { char *stack = malloc(1 << 20); m = malloc(1 << 20); memset(m, 1, 1 << 20); clone(run, stack + (1 << 20), CLONE_VM | SIGCHLD, 0); puts("up"); fflush(stdout); pause(); }\n')
        run('gcc', '-static', '-o', helper, helper + '.c')
        self.launch(helper)
        t = self.tracker()
        for _ in range(3):
            done = t('round')
        self.assertEqual((done['processes'], len(done['untracked'])), (1, 1), done)
        self.assertRegex(done['untracked'][0]['reason'], r'shares its memory with process \d+')
        self.freeze()
        _, final = t.final()
        self.assertEqual(final['missing'], 0)
        self.check_all(t, self.first_pid())

    def test_smaps_from_the_rounds_is_given_when_every_mapping_is_the_same(self):
        p = self.script(self.ANONYMOUS)
        t = self.tracker()
        t('round'), t('round'), t('round')
        self.freeze()
        t.final()
        pid = self.first_pid()
        kept = [x for x in read(f'/proc/{pid}/smaps').splitlines(True) if re.match(r'[0-9a-f]+-|VmFlags', x)]
        self.assertEqual(read(f'{t.skip}/{pid}.smaps'), ''.join(kept))
        t.close()
        self.thaw()
        t = self.tracker()
        t('round'), t('round')
        self.say(p, 'n = mmap.mmap(-1, 8192)')
        self.freeze()
        t.final()
        self.assertFalse(os.path.exists(f'{t.skip}/{pid}.smaps'))

    def test_smaps_that_changed_between_two_readings_is_not_given(self):
        p = self.script(self.ANONYMOUS)
        t = self.tracker()
        t('round'), t('round')
        self.say(p, 'assert libc.madvise(ctypes.c_void_p(at), 1 << 20, 10) == 0')  # MADV_DONTFORK: shows in VmFlags only
        t('round')
        self.freeze()
        t.final()
        self.assertFalse(os.path.exists(f'{t.skip}/{self.first_pid()}.smaps'))

    def test_errors_end_it_with_what_is_wrong(self):
        self.script()
        t = self.tracker()
        t('round')
        self.assertRegex(t('final')['error'], r'^final: the processes of \S+ are not frozen$')
        self.assertEqual(t.process.wait(10), 1)
        t = self.tracker()
        self.freeze()
        self.assertRegex(t('round')['error'], r'^round 0: the processes of \S+ are frozen$')
        self.assertTrue(self.is_frozen())
        t = self.tracker()
        self.assertRegex(t('rund')['error'], '"rund" is none of round, probe, came, final')
        bad = run(program('pages'), 'track', '--freezer', 'x', check=False)
        self.assertEqual(bad.returncode, 1)
        self.assertRegex(json.loads(bad.stdout)['error'], '^reading arguments')

    def test_a_broken_stream_is_an_error_and_never_leaves_it_frozen(self):
        p = self.memory(8, 100, 1)
        t = self.tracker()
        t('round')
        t.receiver.connection.shutdown(socket.SHUT_RDWR)
        self.assertRegex(t('round')['error'], "the destination's store")
        wait_for(lambda: not self.is_frozen())
        self.assertRegex(self.say(p, 'verify'), '^ok ')

    def test_a_stopped_process_stays_stopped_and_a_filter_does_not_kill(self):
        seccomp = ('import struct; code = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 323, 0x06, 0, 0, 0x80000000, 0x06, 0, 0, 0x7fff0000); '
                   'b = ctypes.create_string_buffer(code); f = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(b))); '
                   'libc.prctl(38, 1, 0, 0, 0); assert libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(f)), 0, 0) == 0')
        p = self.script(self.ANONYMOUS)
        self.say(p, seccomp)
        pid = self.first_pid()
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: re.search(r'State:\tT', read(f'/proc/{pid}/status')))
        t = self.tracker()
        done = t('round')
        self.assertEqual((done['processes'], done['untracked']), (1, []))
        self.assertRegex(read(f'/proc/{pid}/status'), r'State:\tT')
        os.kill(pid, signal.SIGCONT)
        self.assertEqual(self.say(p, 'm[0] = 66'), 'done\n')
        self.freeze()
        _, final = t.final()
        self.assertEqual(final['missing'], 0)
        self.check_all(t, pid)

    def test_an_attached_process_goes_on_with_what_it_did(self):
        """Every kind of call that a stop breaks off: the process sees none of it."""
        source = self.dir + '/calls'
        with open(source + '.c', 'w') as f:
            f.write(r'''
#include <poll.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>
int main(void) {
	char c; puts("up"); fflush(stdout);
	for (int i = 0; i < 40; i++) {
		struct timespec t = {0, 30000000};
		if (nanosleep(&t, 0)) return printf("nanosleep %d\n", errno), 1;
		struct pollfd p = {.fd = 0, .events = POLLIN};
		if (poll(&p, 1, 30) < 0) return printf("poll %d\n", errno), 1;
		struct timeval v = {0, 30000};
		if (select(0, 0, 0, 0, &v)) return printf("select %d\n", errno), 1;
	}
	puts("done"); fflush(stdout);
	return read(0, &c, 1) != 1;
}
''')
        run('gcc', '-static', '-o', source, source + '.c')
        p = self.launch(source)
        for _ in range(12):  # attached anew each time
            t = Tracker(self.dir, self.cgroup)
            self.assertEqual(t('round')['processes'], 1)
            t.close()
        self.assertEqual(p.stdout.readline(), 'done\n')

    def test_a_userfaultfd_that_a_fork_carried_off_is_closed(self):
        """A thread may fork in the instant in which the process has the tracker's descriptor."""
        p = self.script(f'import socket\ns = socket.socket(socket.AF_UNIX); s.bind("{self.dir}/gift.sock"); s.listen()')
        t = self.tracker()
        t('round')
        held = f'/proc/{t.process.pid}/fd'
        number = next(int(n) for n in os.listdir(held) if 'userfaultfd' in os.readlink(f'{held}/{n}'))
        ours = ctypes.CDLL(None).syscall(438, os.pidfd_open(t.process.pid), number, 0)
        self.assertGreater(ours, 0)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.dir + '/gift.sock')
            socket.send_fds(s, [b'x'], [ours])
            os.close(ours)
            self.say(p, 'c, _ = s.accept(); d = socket.recv_fds(c, 1, 1)[1][0]; k = os.fork() or libc.pause(); os.close(d)')
        child = next(pid for pid in self.pids() if pid != self.first_pid())
        targets = lambda: [os.readlink(f'/proc/{child}/fd/{n}') for n in os.listdir(f'/proc/{child}/fd')]
        self.assertIn('anon_inode:[userfaultfd]', targets())
        done = t('round')
        self.assertEqual((done['processes'], done['untracked']), (2, []))
        self.assertNotIn('anon_inode:[userfaultfd]', targets())

    def test_an_old_kernel_is_said_to_be_one(self):
        old = run(program('pages'), 'track', '--freezer', self.cgroup, '--stream', self.dir + '/s', '--skip', self.dir + '/skip', check=False, preexec_fn=refuse_userfaultfd)
        self.assertEqual(old.returncode, 1)
        self.assertRegex(json.loads(old.stdout)['error'], r'^starting: this kernel has no userfaultfd .*: tracking needs Linux 6\.7$')
