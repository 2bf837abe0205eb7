"""podmotion-helper blocks, watching: whatever is done to files, what it finds after that makes the copy the same; and it looks only where it must."""
import ctypes, json, mmap, os, random, signal, struct, subprocess, sys, tempfile, threading, time
from support import Case, program, run

HELPER = program('helper')
BLOCK = 4096
libc = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE = 1, 2, 8, 16, 32


def fallocate(fd, mode, at, length):
    libc.fallocate(fd, mode, ctypes.c_long(at), ctypes.c_long(length))  # not every file system can do all


class Source:
    """The helper of a source, and the copies at the other end."""

    def __init__(self, case, folder):
        self.case = case
        self.process = subprocess.Popen([HELPER, 'blocks'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        case.addCleanup(self.end)
        self.process.stdin.write(os.urandom(514 * 8))
        self.copies = {}
        self.reason = self.ask_reason(f'watch-in {folder}')

    def end(self):
        """As its agent does: nothing is left then."""
        self.process.stdout.close()
        if not self.process.stdin.closed: self.process.stdin.close()
        self.process.wait()

    def ask(self, line):
        self.process.stdin.write(line.encode() + b'\n')
        self.process.stdin.flush()

    def take(self, length):
        data = self.process.stdout.read(length)
        if len(data) < length:
            raise AssertionError(self.process.stderr.read().decode())
        return data

    def ask_reason(self, line):
        self.ask(line)
        return self.take(struct.unpack('I', self.take(4))[0]).decode()

    def watch(self, number, path):
        self.copies[number] = bytearray()
        self.ask(f'know {number} 0')
        return self.ask_reason(f'watch {number} {path}')

    def look(self, files, gather=True):
        """The bytes that the helper read, and what it sent."""
        before, sent = self.read_bytes(), 0
        if gather: self.ask('gather')
        for number, path in files.items():
            self.ask(f'changes {number} {path}')
            copy = self.copies[number]
            while True:
                at, length = struct.unpack('=QI', self.take(12))
                if not length: break
                if len(copy) < at: copy.extend(bytes(at - len(copy)))
                copy[at:at + length] = self.take(length)
                sent += length
            del copy[at:]
            copy.extend(bytes(at - len(copy)))
        return self.read_bytes() - before, sent

    def read_bytes(self):
        with open(f'/proc/{self.process.pid}/io') as f:
            return int(f.readline().split()[1])


class Writer:
    """Does random things to a file that has random contents."""

    def __init__(self, path, size, seed):
        self.path, self.size, self.dice = path, size, random.Random(seed)
        with open(path, 'wb') as f: f.write(os.urandom(size))
        self.fd, self.direct, self.appends = (os.open(path, os.O_RDWR | flag) for flag in (0, os.O_DIRECT, os.O_APPEND))
        self.aligned = mmap.mmap(-1, 16 * BLOCK)
        self.aligned.write(os.urandom(16 * BLOCK))

    def close(self):
        for fd in (self.fd, self.direct, self.appends): os.close(fd)

    def at(self):
        return self.dice.randrange(self.size)

    def some(self, most=20000):
        return os.urandom(self.dice.randrange(1, most))

    def block(self):
        return self.dice.randrange(self.size // BLOCK - 16) * BLOCK

    def pwrite(self): os.pwrite(self.fd, self.some(), self.at())
    def writev(self): os.pwritev(self.fd, [self.some(5000) for _ in range(3)], self.at())
    def one_byte(self): os.pwrite(self.fd, b'!', self.at())
    def write_directly(self):
        self.aligned[:8] = os.urandom(8)
        os.pwritev(self.direct, [memoryview(self.aligned)[:BLOCK * self.dice.randrange(1, 16)]], self.block())
    def append(self): os.write(self.appends, self.some())
    def allocate(self): fallocate(self.fd, self.dice.choice((0, KEEP_SIZE)), self.at(), self.dice.randrange(1, 50000))
    def sync(self): os.fsync(self.fd)
    def grow(self): os.ftruncate(self.fd, os.fstat(self.fd).st_size + self.dice.randrange(10000))
    def write_far(self): os.pwrite(self.fd, self.some(), os.fstat(self.fd).st_size + self.dice.randrange(30000))
    def copy_range(self):
        with tempfile.TemporaryFile(dir=os.path.dirname(self.path)) as f:
            f.write(self.some())
            f.flush()
            os.copy_file_range(f.fileno(), self.fd, f.tell(), 0, self.at())
    def sendfile(self):
        with tempfile.TemporaryFile(dir=os.path.dirname(self.path)) as f:
            f.write(self.some())
            f.flush()
            os.lseek(self.fd, self.at(), os.SEEK_SET)
            os.sendfile(self.fd, f.fileno(), 0, f.tell())
    def splice(self):
        there, here = os.pipe()
        os.write(here, self.some(8000))
        os.splice(there, self.fd, 8000, offset_dst=self.at())
        os.close(there), os.close(here)
    def punch(self): fallocate(self.fd, PUNCH_HOLE | KEEP_SIZE, self.at(), self.dice.randrange(1, 50000))
    def zero(self): fallocate(self.fd, ZERO_RANGE | self.dice.choice((0, KEEP_SIZE)), self.at(), self.dice.randrange(1, 50000))
    def collapse(self): fallocate(self.fd, COLLAPSE_RANGE, self.block(), BLOCK * self.dice.randrange(1, 4))
    def insert(self): fallocate(self.fd, INSERT_RANGE, self.block(), BLOCK * self.dice.randrange(1, 4))
    def cut(self): os.ftruncate(self.fd, self.size - self.dice.randrange(self.size // 2))
    def map_and_store(self):
        os.ftruncate(self.fd, max(self.size, os.fstat(self.fd).st_size))
        with mmap.mmap(self.fd, self.size) as memory:
            for _ in range(5): memory[self.at()] = self.dice.randrange(256)

    RANGES = (pwrite, writev, one_byte, write_directly, append, allocate, sync, grow, write_far, copy_range, sendfile, splice)
    WHOLE = (punch, zero, collapse, insert, cut, map_and_store)


class Watch(Case):
    def setUp(self):
        super().setUp()
        self.folder = self.dir + '/data'
        self.tracefs = self.dir + '/tracing'
        for folder in (self.folder, self.tracefs): os.mkdir(folder)
        if subprocess.call(['mount', '-t', 'tracefs', 'tracefs', self.tracefs], stderr=subprocess.DEVNULL): self.skipTest('no tracefs')
        self.addCleanup(run, 'umount', '-l', self.tracefs)
        self.others = set(os.listdir(self.tracefs + '/instances'))
        self.source = Source(self, self.folder)
        kind = run('stat', '-f', '-c', '%T', self.folder).stdout.strip()
        if kind != 'ext2/ext3' or self.source.reason == 'the kernel lacks an event': self.skipTest(f'{kind}: {self.source.reason}')
        self.assertEqual(self.source.reason, '')

    def writer(self, number, size, seed=0):
        writer = Writer(f'{self.folder}/{number}', size, seed)
        self.addCleanup(writer.close)
        return writer

    def watch(self, number, size, seed=0):
        """Known, and all of it looked at."""
        writer = self.writer(number, size, seed)
        self.assertEqual(self.source.watch(number, writer.path), '')
        self.assertGreaterEqual(self.source.look({number: writer.path})[0], size)
        self.assertSame(number)
        return writer

    def look(self, number):
        """The bytes that it read for that."""
        read, _ = self.source.look({number: f'{self.folder}/{number}'})
        self.assertSame(number)
        return read

    def assertSame(self, number):
        with open(f'{self.folder}/{number}', 'rb') as f: here = f.read()
        there = self.source.copies[number]
        if here == there: return
        blocks = [i // BLOCK for i in range(0, max(len(here), len(there)), BLOCK) if here[i:i + BLOCK] != there[i:i + BLOCK]]
        self.fail(f'file {number}: {len(here)} and {len(there)} bytes, blocks that differ: {blocks}')

    def test_only_what_was_written_is_read(self):
        writer = self.watch(1, 8 << 20)
        # Beside the file the helper reads the kernel's buffers, with what others write.
        self.assertLess(self.look(1), 512 << 10)
        for operation in Writer.RANGES:
            for _ in range(20):
                operation(writer)
                self.assertLess(self.look(1), 1 << 20, operation.__name__)

    def test_what_tells_no_range_is_read_wholly_from_then_on(self):
        for number, operation in enumerate(Writer.WHOLE):
            writer = self.watch(number, 2 << 20)
            operation(writer)
            for _ in range(2): self.assertGreaterEqual(self.look(number), os.fstat(writer.fd).st_size, operation.__name__)

    def test_thousands_of_operations(self):
        writers = {number: self.watch(number, 3 << 20, number) for number in (1, 2)}
        dice = random.Random(7)
        for step in range(8000):
            number = dice.choice((1, 1, 2))
            operations = Writer.RANGES if number == 1 or dice.random() < .99 else Writer.WHOLE
            dice.choice(operations)(writers[number])
            if dice.random() < .05:
                self.look(number)
            if step % 1000 == 999:  # small again, and watched anew
                for number in writers:
                    os.ftruncate(writers[number].fd, writers[number].size)
                    self.look(number)
                    self.source.watch(number, writers[number].path)
                    self.look(number)

    def test_rounds_while_it_is_written_and_a_last_one(self):
        ended = threading.Event()
        def write(writer):
            for turn in range(100000):
                if ended.is_set(): return
                writer.dice.choice(Writer.RANGES[:4])(writer)
                time.sleep(.0002)
                if turn % 200 == 199: os.ftruncate(writer.fd, os.fstat(writer.fd).st_size + 5)
        writers = [self.watch(number, 3 << 20, number) for number in range(3)]
        for freeze in range(60):
            ended.clear()
            threads = [threading.Thread(target=write, args=(writer,)) for writer in writers]
            for thread in threads: thread.start()
            for _ in range(8): self.source.look({number: writer.path for number, writer in enumerate(writers)})
            ended.set()
            for thread in threads: thread.join()
            read, _ = self.source.look({number: writer.path for number, writer in enumerate(writers)})
            for number in range(3): self.assertSame(number)
            self.assertLess(read, sum(os.fstat(writer.fd).st_size for writer in writers))

    def test_a_look_in_the_middle_of_a_large_write(self):
        writer = self.watch(1, 32 << 20)
        program = f"""import os, random
fd = os.open("{writer.path}", os.O_RDWR)
for _ in range(400): os.pwrite(fd, os.urandom(1 << 20), random.randrange(31) << 20)"""
        process = subprocess.Popen([sys.executable, '-c', program])
        while process.poll() is None: self.source.look({1: writer.path})
        self.assertLess(self.look(1), 32 << 20)

    def test_a_mapping_from_before(self):
        writer = self.writer(1, 1 << 20)
        memory = mmap.mmap(writer.fd, 1 << 20)
        memory[5000:5003] = b'one'
        time.sleep(.1)  # the events of that are over
        self.assertEqual(self.source.watch(1, writer.path), '')
        self.look(1)
        memory[5000:5003] = b'two'
        self.look(1)
        memory.close()

    def test_a_mapping_that_another_process_had_for_a_moment(self):
        writer = self.watch(1, 1 << 20)
        run(sys.executable, '-c', f'import mmap, os\nwith mmap.mmap(os.open("{writer.path}", os.O_RDWR), 0) as m: m[70000] ^= 1')
        self.look(1)

    def test_another_file_under_the_same_name_or_number(self):
        writer = self.watch(1, 1 << 20)
        os.rename(self.writer('new', 1 << 20).path, writer.path)
        self.look(1)
        # The inode is given away, and soon used again.
        for _ in range(20):
            self.assertEqual(self.source.watch(1, writer.path), '')
            self.look(1)
            inode = os.stat(writer.path).st_ino
            os.unlink(writer.path)
            writer.close()
            with open(writer.path, 'wb') as f: f.truncate(1 << 20)
            writer.fd, writer.direct, writer.appends = (os.open(writer.path, os.O_RDWR) for _ in range(3))
            self.look(1)
            if os.stat(writer.path).st_ino == inode: return
        self.fail('no inode was used again')

    def test_nothing_is_taken_for_known_without_a_gathering(self):
        writer = self.watch(1, 1 << 20)
        os.pwrite(writer.fd, b'new', 5000)
        self.assertGreaterEqual(self.source.look({1: writer.path}, gather=False)[0], 1 << 20)
        self.assertSame(1)

    def written(self, *numbers):
        self.source.ask('gather')
        for number in numbers: self.source.ask(f'written {number} {self.folder}/{number}')
        return [self.take_written() for _ in numbers]

    def take_written(self):
        """None: everything would be looked at."""
        bytes, = struct.unpack('Q', self.source.take(8))
        return None if bytes == 2 ** 64 - 1 else bytes

    def test_what_was_written_is_counted(self):
        """For an estimate: nothing is known of these files, and nothing is compared."""
        one, other = self.writer(1, 8 << 20), self.writer(2, 100 * BLOCK + 1)
        for number, writer in ((1, one), (2, other)): self.assertEqual(self.source.ask_reason(f'watch {number} {writer.path}'), '')
        self.assertEqual(self.written(1, 2), [None, None], 'the first look is at everything')
        self.assertEqual(self.written(1, 2), [0, 0])
        for at in (0, 10, 4 * BLOCK - 1, (8 << 20) - 5): os.pwrite(one.fd, b'word', at)
        self.assertEqual(self.written(1, 2), [4 * BLOCK, 0], 'one block twice, two by one write, the last one')
        os.ftruncate(other.fd, 5 * BLOCK)
        os.write(one.appends, b'x' * (2 * BLOCK))
        for _ in range(2): self.assertEqual(self.written(2), [None], 'one that was cut is looked at as a whole')
        self.assertEqual(self.written(1), [2 * BLOCK])
        self.source.ask(f'written 1 {one.path}')
        self.assertIsNone(self.take_written(), 'without a gathering')

    def test_one_that_is_compared_is_not_counted(self):
        """Its next look would miss what was counted."""
        writer = self.watch(1, 1 << 20)
        self.source.ask(f'written 1 {writer.path}')
        self.assertEqual(self.source.process.stdout.read(), b'')
        self.assertIn(b'file 1 is compared', self.source.process.stderr.read())

    def test_events_that_ran_over_are_no_loss(self):
        writer = self.watch(1, 1 << 20)
        processor, = random.sample(sorted(os.sched_getaffinity(0)), 1)
        self.source.process.send_signal(signal.SIGSTOP)
        os.pwrite(writer.fd, b'forgotten', 700000)
        affinity = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {processor})
        for _ in range(60000): os.pwrite(writer.fd, b'x', 0)
        os.sched_setaffinity(0, affinity)
        self.source.process.send_signal(signal.SIGCONT)
        for _ in range(2): self.assertGreaterEqual(self.look(1), 1 << 20)
        self.assertEqual(self.instances(), set())
        self.assertIn('nothing is watched', self.source.watch(2, writer.path))

    def test_an_instance_that_somebody_else_turned_off_is_not_believed(self):
        writer = self.watch(1, 1 << 20)
        instance, = self.instances()
        self.write(f'{self.tracefs}/instances/{instance}/tracing_on', '0')
        os.pwrite(writer.fd, b'new', 5000)
        self.assertGreaterEqual(self.look(1), 1 << 20)

    def test_other_file_systems_are_read_wholly(self):
        os.mkdir('/run/data')
        source = Source(self, '/run/data')
        self.assertEqual(source.reason, 'the kernel does not tell of writes')
        self.write('/run/data/1', 'x' * 100000)
        self.assertNotEqual(source.watch(1, '/run/data/1'), '')
        for _ in range(2): self.assertGreaterEqual(source.look({1: '/run/data/1'})[0], 100000)
        self.assertIn('another file system', self.source.watch(1, '/run/data/1'))

    def test_nothing_of_it_is_left(self):
        self.writer(1, 1 << 20)
        for end in ('', 'nonsense\n', f'digests {self.folder}/1\n'):
            process = Source(self, self.folder).process
            self.assertEqual(len(self.instances()), 2)
            process.stdout.close()
            process.stdin.write(end.encode())
            process.stdin.close()
            process.wait()
            self.assertEqual(len(self.instances()), 1)

    def test_what_a_killed_one_left_is_swept(self):
        mine = self.instances()
        killed = Source(self, self.folder).process
        left, = self.instances() - mine
        self.assertNotIn(left, self.traces())
        killed.kill()
        killed.wait()
        self.assertIn(left, self.traces())
        self.assertIn(left, self.traces('--remove'))
        self.assertEqual(self.instances(), mine)
        self.assertNotIn(left, self.traces())

    def traces(self, *words):
        return json.loads(run(HELPER, 'traces', *words).stdout)

    def instances(self):
        """Those of this test: others may work on the same machine."""
        return set(os.listdir(self.tracefs + '/instances')) - self.others
