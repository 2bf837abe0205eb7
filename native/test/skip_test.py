"""The dump half of criu's preload, in another program: what it answers, and what it leaves alone."""
import json, os, re, struct, subprocess, sys, unittest
from support import BUILD, Case, program, read, run, FIXTURES

PRELOAD = os.path.join(os.path.dirname(BUILD) if BUILD.endswith('/san') else BUILD, 'podmotion-criu-pages.so')
PAGE, SCAN = 4096, 0xc0606610

# Asks the kernel as criu does, and prints what came back.
PROGRAM = '''
import ctypes, fcntl, json, mmap, os, struct, sys
PAGE, SCAN = 4096, 0xc0606610
def shared(pages):
    m = mmap.mmap(-1, pages * PAGE)
    m[:] = b"x" * len(m)
    return m, ctypes.addressof(ctypes.c_char.from_buffer(m))
def pagemap(pid): return os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
def scan(start, end, any_of=1 << 3 | 1 << 4, all_of=0, fd=None):
    """criu walks on from walk_end until it is through."""
    found, fd = [], pagemap(os.getpid()) if fd is None else fd
    while start < end:
        regions = ctypes.create_string_buffer(24 * 64)
        a = bytearray(struct.pack("<12Q", 96, 0, start, end, 0, ctypes.addressof(regions), 64, 0, 0, all_of, any_of, 1 << 3))
        n = fcntl.ioctl(fd, SCAN, a)
        found += [struct.unpack_from("<QQ", regions, 24 * i) for i in range(n)]
        walk = struct.unpack_from("<Q", a, 32)[0]
        assert start < walk <= end, (start, walk, end)
        start = walk
    return found
'''


class Skip(Case):
    def ask(self, code, lists=True, **env):
        env = dict(os.environ, LD_PRELOAD=PRELOAD, **({'PODMOTION_SKIP': self.dir + '/skip'} if lists else {}), **env)
        os.makedirs(self.dir + '/skip', exist_ok=True)
        return subprocess.run([sys.executable, '-c', PROGRAM + code], env=env, capture_output=True, text=True, timeout=30, cwd=self.dir)

    def answer(self, code, **kw):
        done = self.ask(code, **kw)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        return json.loads(done.stdout)

    def test_needs_no_new_libc(self):
        """It is loaded into whatever criu a node has."""
        versions = re.findall(r'GLIBC_([\d.]+)', run('objdump', '-T', PRELOAD).stdout)
        self.assertTrue(versions)
        self.assertFalse([v for v in versions if tuple(map(int, v.split('.'))) > (2, 17)])
        hooks = re.findall(r' g +DF \.text\s.* (\w+)$', run('objdump', '-T', PRELOAD).stdout, re.M)
        self.assertTrue({'ioctl', 'lseek', 'lseek64', 'openat', 'openat64', 'execvp', 'recv', 'sendmsg', 'setsockopt'} <= set(hooks), hooks)

    def test_listed_ranges_have_no_pages(self):
        code = '''
m, at = shared(16)
page = lambda n: at + n * PAGE
def write(text):
    with open(f"skip/{os.getpid()}", "w") as f: f.write(text)
def pages(found): return sorted({n for s, e in found for n in range((s - at) // PAGE, (e - at) // PAGE)})
write("".join(f"{page(a):x} {page(b):x}\\n" for a, b in ((2, 4), (4, 5), (9, 12))))
print(json.dumps([pages(scan(at, page(16))), pages(scan(page(3), page(10))), pages(scan(page(9), page(12))),
                  pages(scan(at, page(16), 1 << 3)), pages(scan(at, page(16), 0, 1 << 3))]))
'''
        every = list(range(16))
        criu, part, inside, other, guard = self.answer(code)
        self.assertEqual(criu, [n for n in every if n not in (2, 3, 4, 9, 10, 11)])
        self.assertEqual((part, inside), ([5, 6, 7, 8], []))
        self.assertEqual((other, guard), (every, every), 'other questions get the whole answer')
        self.assertEqual(self.answer(code, lists=False)[0], every)

    FAMILY = '''
m = mmap.mmap(-1, 8 * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
m[:] = b"x" * len(m)
at = ctypes.addressof(ctypes.c_char.from_buffer(m))
def child():
    pid = os.fork()
    if not pid: os.read(os.pipe()[0], 1)
    return pid
def write(pid, first, end):
    with open(f"skip/{pid}", "w") as f: f.write(f"{at + first * PAGE:x} {at + end * PAGE:x}\\n")
def missing(fd):
    found = {n for s, e in scan(at, at + 8 * PAGE, fd=fd) for n in range((s - at) // PAGE, (e - at) // PAGE)}
    return sorted(set(range(8)) - found)
children = [child() for _ in range(3)]
write(children[0], 0, 2)
write(children[1], 5, 6)
'''

    def test_a_descriptor_is_another_process_whenever_its_file_is(self):
        """Closed and opened again under the same number, put in its place, in between, and not a pagemap at all."""
        code = self.FAMILY + '''
answers, fd = [], pagemap(children[0])
for pid in (*children, children[0]):
    os.close(fd)
    assert pagemap(pid) == fd
    answers.append(missing(fd))
others = [pagemap(pid) for pid in children]
for other in others:
    os.dup2(other, fd)
    answers.append(missing(fd))
for _ in range(2): answers += [missing(other) for other in others]
os.dup2(os.open("/proc/self/maps", os.O_RDONLY), fd)
try: missing(fd)
except OSError as e: answers.append(e.errno)
os.dup2(others[1], fd)
answers.append(missing(fd))
for pid in children: os.kill(pid, 9)
print(json.dumps(answers))
'''
        one, other, none = [0, 1], [5], []
        self.assertEqual(self.answer(code), [one, other, none, one] + 3 * [one, other, none] + [25, other])

    def test_whose_pagemap_it_is_is_looked_up_once(self):
        code = self.FAMILY + '''
libc = ctypes.CDLL(None)
fd, other = pagemap(children[0]), pagemap(children[1])
first = missing(fd)
assert libc.unshare(0x20000) == 0  # CLONE_NEWNS
while libc.umount2(b"/proc", 2) == 0: pass  # MNT_DETACH: there are no links to read any more
assert not os.path.exists("/proc/self")
answers = [first, missing(fd), missing(other), missing(fd)]
for pid in children: os.kill(pid, 9)
print(json.dumps(answers))
'''
        # Of the other one nothing can be known any more: it is dumped in full, and so is the first one afterwards.
        self.assertEqual(self.answer(code), [[0, 1], [0, 1], [], []])

    def test_conntrack_is_looked_through_only_where_there_is_some(self):
        code = """
import socket, subprocess
assert ctypes.CDLL(None).unshare(0x40000000) == 0  # CLONE_NEWNET
def sent(kind, flags=0x301):
    one, other = socket.socketpair()
    one.sendmsg([struct.pack("=IHHIIBBH", 20, kind, flags, 1, 0, 0, 0, 0)])
    return struct.unpack_from("=H", other.recv(100), 4)[0]
def asked(): return [sent(1 << 8 | 1), sent(1 << 8 | 1, 1), sent(1 << 8)]
empty = asked()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["nft", "table ip t { chain c { type filter hook output priority 0; ct state new accept; }; }"], check=True)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
print(json.dumps([empty, asked()]))
"""
        entries, one, other, expected = 1 << 8 | 1, 1 << 8 | 1, 1 << 8, 2 << 8 | 1
        self.assertEqual(self.answer(code), [[expected, one, other], [entries, one, other]])
        self.assertEqual(self.answer(code, lists=False)[0], [entries, one, other])

    def test_a_process_that_is_not_listed_is_dumped_in_full(self):
        self.assertEqual(self.answer('m, at = shared(4)\nprint(json.dumps(sum(e - s for s, e in scan(at, at + 4 * PAGE)) // PAGE))'), 4)

    def test_a_list_that_cannot_be_read_ends_it(self):
        for text in ('zz 5\n', '5000\n', '6000 5000\n', '5000 6000', '5000 6000 7000\n', '11111111111111111 22222222222222222\n'):
            done = self.ask(f'open(f"skip/{{os.getpid()}}", "w").write({text!r})\nm, at = shared(2)\nscan(at, at + PAGE)\nprint("went on")')
            self.assertEqual((done.returncode, done.stdout), (77, ''), text)
            self.assertRegex(done.stderr, r'^Error \(podmotion-criu-pages\): the list of process \d+ cannot be read\n$')

    def test_a_listed_segment_is_one_hole(self):
        code = '''
m, at = shared(4)
n = mmap.mmap(-1, 4 * PAGE); n[:] = b"y" * len(n); nat = ctypes.addressof(ctypes.c_char.from_buffer(n))
fds = [os.open(f"/proc/self/map_files/{a:x}-{a + 4 * PAGE:x}", os.O_RDONLY) for a in (at, nat)]
s = os.fstat(fds[0])
open(f"skip/shm-{s.st_ino}", "w").write(f"{s.st_dev + DELTA:x}\\n")
def where(fd, how):
    try: return os.lseek(fd, 0, how)
    except OSError as e: return -e.errno
print(json.dumps([where(fd, how) for fd in fds for how in (os.SEEK_DATA, os.SEEK_HOLE)] + [os.lseek(fds[0], 5, os.SEEK_SET)]))
'''
        self.assertEqual(self.answer(code.replace('DELTA', '0')), [-6, -6, 0, 4 * PAGE, 5])
        self.assertEqual(self.answer(code.replace('DELTA', '1')), [0, 4 * PAGE, 0, 4 * PAGE, 5], 'the same number on another device')

    def test_smaps_is_the_kept_one(self):
        code = '''
pid = os.getpid()
open(f"skip/{pid}.smaps", "w").write("kept")
proc = os.open(f"/proc/{pid}", os.O_RDONLY)
read = lambda fd: os.read(fd, 4).decode()
print(json.dumps([read(os.open("smaps", os.O_RDONLY, dir_fd=proc)), read(os.open(f"{pid}/smaps", os.O_RDONLY, dir_fd=os.open("/proc", os.O_RDONLY))),
                  read(os.open("maps", os.O_RDONLY, dir_fd=proc)) != "kept", read(os.open("smaps", os.O_RDONLY, dir_fd=os.open(f"/proc/{os.getppid()}", os.O_RDONLY))) != "kept"]))
'''
        self.assertEqual(self.answer(code), ['kept', 'kept', True, True])
        self.assertNotEqual(self.answer(code, lists=False)[0], 'kept')

    def test_tar_runs_uncompressed_and_without_the_hooks(self):
        os.mkdir(self.dir + '/bin')
        with open(self.dir + '/bin/tar', 'w') as f:
            f.write('#!/bin/sh\necho "$@" "skip=$PODMOTION_SKIP pages=$PODMOTION_PAGES other=$OTHER"\n')
        os.chmod(self.dir + '/bin/tar', 0o755)
        code = 'libc = ctypes.CDLL(None)\nargs = (ctypes.c_char_p * 5)(b"tar", b"--create", b"--gzip", b"--sparse", None)\nlibc.execvp(b"tar", args)'
        path = self.dir + '/bin:' + os.environ['PATH']
        self.assertEqual(self.ask(code, PATH=path, OTHER='1').stdout, '--create --sparse skip= pages= other=1\n')
        self.assertEqual(self.ask(code, PATH=path, PODMOTION_PAGES='x', lists=False).stdout, '--create --sparse skip= pages= other=\n')
        self.assertEqual(self.ask(code, PATH=path, lists=False).stdout, '--create --gzip --sparse skip= pages= other=\n')

    TAR = 'libc = ctypes.CDLL(None)\ndef tar(*words):\n    args = (ctypes.c_char_p * (len(words) + 2))(b"tar", *words, None)\n    libc.execvp(b"tar", args)\n'

    def pack(self, folder, image):
        """As criu does it; true when no tar was started."""
        code = self.TAR + f'os.dup2(os.open({folder!r}, os.O_RDONLY), 0); os.dup2(os.open({image!r}, os.O_WRONLY | os.O_CREAT, 0o600), 1); tar(b"--create", b"--directory", b"/proc/self/fd/0", b".")'
        return self.without_tar(code)

    def unpack(self, folder, image):
        return self.without_tar(self.TAR + f'os.dup2(os.open({image!r}, os.O_RDONLY), 0); tar(b"--extract", b"--gzip", b"--directory", {folder.encode()!r})')

    def without_tar(self, code):
        os.makedirs(self.dir + '/bin', exist_ok=True)
        with open(self.dir + '/bin/tar', 'w') as f:
            f.write(f'#!/bin/sh\ntouch {self.dir}/ran\nexec /usr/bin/tar "$@"\n')
        os.chmod(self.dir + '/bin/tar', 0o755)
        done = self.ask(code, PATH=self.dir + '/bin:' + os.environ['PATH'])
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        ran = os.path.exists(self.dir + '/ran')
        if ran:
            os.unlink(self.dir + '/ran')
        return not ran

    def test_an_empty_tmpfs_needs_no_tar(self):
        source, target, image = self.dir + '/source', self.dir + '/target', self.dir + '/image'
        os.mkdir(source)
        os.mkdir(target)
        os.chmod(source, 0o3751)
        os.chown(source, 65534, 7)
        os.chmod(source, 0o3751)
        os.utime(source, (5, 1234567890))
        self.assertTrue(self.pack(source, image))
        self.assertTrue(self.unpack(target, image))
        kept = lambda folder: (lambda s: (oct(s.st_mode), s.st_uid, s.st_gid, int(s.st_mtime)))(os.stat(folder))
        self.assertEqual(kept(target), kept(source))
        os.rmdir(target)
        os.mkdir(target)
        run('tar', '--extract', '--preserve-permissions', '--directory', target, '--file', image)  # a real archive
        self.assertEqual(kept(target), kept(source))

    def test_a_tmpfs_that_holds_something_is_tars(self):
        source, target, image = self.dir + '/source', self.dir + '/target', self.dir + '/image'
        os.mkdir(source)
        os.mkdir(target)
        open(source + '/.x', 'w').close()
        self.assertFalse(self.pack(source, image))
        self.assertFalse(self.unpack(target, image))
        self.assertEqual(os.listdir(target), ['.x'])
        os.unlink(source + '/.x')
        run('tar', '--create', '--file', image, '--directory', source, '.')
        self.assertFalse(self.unpack(target, image))
