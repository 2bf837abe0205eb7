"""What the tests of the store share: a sender of the wire, criu's images, a userfaultfd client in the place of a restored process."""
import json, os, struct, subprocess
import lz4_block
from gate_test import field, fields
from support import Case, FIXTURES, Lines, be_subreaper, program, read, run

DATA, ZERO, POPULATED, SEGMENT, SEGMENT_MAP, GONE, SYNC, FINAL, PACKED, LATER, LEND, WANT, OVER = range(1, 14)
BASE, PAGE, PID = 0x700000000000, 4096, 7
MIB = 256  # pages


def word(pid, page, i):
    return 0 if page % 5 == 4 else (page * 0x9E3779B97F4A7C15 + pid * 1000003 + i * 7 + 1) % (1 << 64)


def content(pid, page):
    """fixtures/lazy.c has the same rule."""
    first = word(pid, page, 0)
    return bytes(PAGE) if not first else struct.pack('<512Q', *((first + i * 7) % (1 << 64) for i in range(512)))


def runs(pages):
    """The populated ranges of a memory of that many pages, every fifth of which does not exist."""
    return [(BASE + p * PAGE, BASE + min(p + 4, pages) * PAGE) for p in range(0, pages, 5)]


def pairs(ranges):
    return b''.join(struct.pack('<QQ', *r) for r in ranges)


class Sender:
    """The tracker's end of the wire."""

    def __init__(self, path):
        self.s = Lines(path).s
        self.s.sendall(b'stream\n')

    def say(self, kind, owner, address=0, length=0, payload=b''):
        self.s.sendall(struct.pack('<IIQQ', kind, owner, address, length) + payload)

    def data(self, owner, address, content):
        self.say(DATA, owner, address, len(content), content)

    def packed(self, owner, address, content):
        block = lz4_block.pack(content)
        self.say(PACKED, owner, address, len(content), struct.pack('<I', len(block)) + block)

    def map(self, kind, owner, ranges):
        self.say(kind, owner, 0, 16 * len(ranges), pairs(ranges))

    def segment(self, index, inode, size, name=b''):
        self.say(SEGMENT, 1 << 31 | index, inode, size, name.ljust(256, b'\0'))

    def memory(self, pid, pages):
        for start, end in runs(pages):
            first = (start - BASE) // PAGE
            self.data(pid, start, b''.join(content(pid, first + i) for i in range((end - start) // PAGE)))

    def ask(self, kind, owner=0):
        self.say(kind, owner)
        answer = b''
        while len(answer) < 24:
            more = self.s.recv(24 - len(answer))
            if not more:
                return None
            answer += more
        got = struct.unpack('<IIQQ', answer)
        return got[2] if got[0] == kind else got

    def ended(self):
        try:
            return self.s.recv(1) == b''
        except ConnectionError:
            return True


class StoreCase(Case):
    store_env = {}

    @classmethod
    def setUpClass(cls):
        cls.lazy = os.path.join(os.environ.get('TMPDIR', '/tmp'), f'podmotion-lazy-{os.getpid()}')
        run('gcc', '-O2', '-pthread', '-o', cls.lazy, FIXTURES + '/lazy.c')
        cls.addClassCleanup(os.unlink, cls.lazy)

    def setUp(self):
        super().setUp()
        be_subreaper()
        self.d = self.dir + '/' + 'd' * 120
        self.socket, self.work, self.images = self.d + '/pages.sock', self.dir + '/w', self.dir + '/i'
        for folder in (self.d, self.images):
            os.mkdir(folder)
        self.addCleanup(self.end_store)
        self.start_store()

    def start_store(self):
        self.err = open(self.dir + '/err', 'w+')
        self.store = subprocess.Popen([program('pages'), 'store', '--socket', self.socket, '--work', self.work, '--images', self.images],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.err, env=dict(os.environ, **self.store_env))
        self.assertEqual(self.store.stdout.readline(), b'listening\n')
        self.store.stdout.close()

    def end_store(self):
        self.store.terminate()
        self.store.wait(10)
        self.err.seek(0)
        self.assertNotIn('Sanitizer', self.err.read())
        self.err.close()

    def ask(self, line):
        lines = Lines(self.socket)
        try:
            return lines.ask(line)
        finally:
            lines.close()

    def status(self):
        return json.loads(self.ask('status'))

    def write_images(self, pid, areas, pagemap=()):
        """What criu would have written of a process: its areas, and pagemap entries (address, pages, flags)."""
        vmas = b''.join(field(14, field(1, start) + field(2, end) + field(3, 0) + field(4, 0) + field(5, 3) + field(6, flags) + field(7, *status or [0x201])) for start, end, flags, *status in areas)
        mm = b''.join(field(n, 0) for n in range(1, 13)) + vmas
        self.image(f'mm-{pid}.img', [mm])
        self.image(f'pagemap-{pid}.img', [field(1, pid)] + [field(1, a) + field(2, n) + field(4, f) + field(5, n) for a, n, f in pagemap])

    def image(self, name, entries):
        with open(f'{self.images}/{name}', 'wb') as f:
            f.write(b'\x19\x43\x56\x54\x20\x28\x49\x57' + b''.join(struct.pack('<I', len(e)) + e for e in entries))

    def pagemap_flags(self, pid):
        with open(f'{self.images}/pagemap-{pid}.img', 'rb') as f:
            rest, out = f.read()[8:], []
        while rest:
            n, = struct.unpack('<I', rest[:4])
            out.append(fields(rest[4:4 + n]).get(4))
            rest = rest[4 + n:]
        return out[1:]

    def send(self, pages, pid=PID):
        """Everything of one process, and the final set; the sender."""
        sender = Sender(self.socket)
        sender.memory(pid, pages)
        sender.map(POPULATED, pid, runs(pages))
        self.assertEqual(sender.ask(FINAL), 0)
        self.write_images(pid, [(BASE, BASE + pages * PAGE, 0x22)])
        return sender

    def restore(self, pages, scenario, pid=PID, **kw):
        return subprocess.Popen([self.lazy, self.work + '/lazy-pages.socket', str(pid), str(pages), scenario], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **kw)

    def restore_well(self, pages, scenario):
        self.send(pages)
        self.assertEqual(self.ask('ready'), 'ready')
        client = self.restore(pages, scenario)
        out, _ = client.communicate(timeout=60)
        self.assertEqual((out, client.returncode), ('good\n', 0), read(self.work + '/pages.log'))
        end = json.loads(self.ask('wait'))
        self.assertEqual((end['state'], end['lazyBytesLeft'], end['reason']), ('local', 0, ''))
        return end
