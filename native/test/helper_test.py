"""podmotion-helper against the real kernel: conntrack, sockets, freezer, ARP, the rsync transport."""
import json, os, shutil, socket, struct, subprocess, sys, threading, time
from support import Case, program, read, run, wait_for

HELPER = program('helper')


def helper(*words, **kw):
    return run(HELPER, *words, **kw)


def js(*words, **kw):
    return json.loads(helper(*words, **kw).stdout)


class Blocks(Case):
    """Two ends of a copy; what the one finds changed is written to the other."""
    KEY = os.urandom(514 * 8)

    def setUp(self):
        super().setUp()
        self.here, self.there = (os.path.join(self.dir, name) for name in ('here', 'there'))

    def start(self):
        end = subprocess.Popen([HELPER, 'blocks'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(lambda: (end.kill(), end.wait()))
        end.stdin.write(self.KEY)
        return end

    def ask(self, end, line, data=b''):
        end.stdin.write(line.encode() + b'\n' + data)
        end.stdin.flush()

    def digests(self, path):
        end = self.start()
        self.ask(end, f'digests {path}')
        size, = struct.unpack('Q', end.stdout.read(8))
        return size, end.stdout.read(-(-size // 4096) * 32)

    def changes(self, end, path=None):
        """Writes them there; their places, in order."""
        self.ask(end, f'changes 7 {path or self.here}')
        places = []
        with open(self.there, 'r+b') as there:
            while True:
                at, length = struct.unpack('=QI', end.stdout.read(12))
                if not length: break
                there.seek(at)
                there.write(end.stdout.read(length))
                places.append((at, length))
            there.truncate(at)
        return sorted(places)

    def knowing(self, there):
        open(self.there, 'wb').write(there)
        end = self.start()
        size, digests = self.digests(self.there)
        self.assertEqual(size, len(there))
        self.ask(end, f'know 7 {len(digests) // 32}', digests)
        return end

    def assertSame(self):
        self.assertEqual(open(self.there, 'rb').read(), open(self.here, 'rb').read())

    def test_finds_what_differs_in_a_file_read_by_several_threads(self):
        data = bytearray(os.urandom((9 << 20) + 1234))
        end = self.knowing(data)
        for at in (0, 4095, 5 << 20, (9 << 20) + 1233): data[at] ^= 1
        open(self.here, 'wb').write(data)
        self.assertEqual(self.changes(end), [(0, 4096), (5 << 20, 4096), (9 << 20, 1234)])
        self.assertSame()
        self.assertEqual(self.changes(end), [])

    def test_files_that_grow_shrink_and_grow_again(self):
        end = self.knowing(b'x' * 100)
        for content in (b'x' * 100 + b'\0' * 9000, b'x' * 100 + b'\0' * 9000 + b'y', b'', b'\0' * 5000, b'x' * 10000, b'x' * 5000, b'x' * 10000):
            open(self.here, 'wb').write(content)
            self.changes(end)
            self.assertSame()

    def test_random_contents_of_few_words(self):
        import random
        words = [b'\0' * 8, b'\1' + b'\0' * 7, b'\xff' * 8, b'\0' * 7 + b'\x80']
        make = lambda: bytearray(b''.join(random.choices(words, k=2048)))
        end = self.knowing(make())
        for _ in range(50):
            content = make()
            del content[random.randrange(1, len(content)):]
            open(self.here, 'wb').write(content)
            self.changes(end)
            self.assertSame()

    def test_a_swap_of_two_words_shows(self):
        data = bytearray(struct.pack('512Q', *range(512)))
        for i, j in ((0, 8), (0, 16), (8, 16), (0, 4088)):
            end = self.knowing(data)
            other = bytearray(data)
            other[i:i + 8], other[j:j + 8] = data[j:j + 8], data[i:i + 8]
            open(self.here, 'wb').write(other)
            self.assertEqual(self.changes(end), [(0, 4096)])

    def test_nonsense_ends_it(self):
        for line, said in (('know 7 99999999999999', '64 GiB'), ('know 4096 1', 'not understood'), ('changes 1 /none', '/none: No such file'),
                           ('changes 1 /proc', 'no plain file'), ('digests', 'not understood'), ('', 'not understood')):
            end = self.start()
            self.ask(end, line)
            end.stdin.close()
            self.assertIn(said, end.stderr.read().decode())
            self.assertEqual(end.wait(), 1)


class Conntrack(Case):
    def setUp(self):
        super().setUp()
        run('ip', 'netns', 'add', 'ct')
        self.addCleanup(run, 'ip', 'netns', 'del', 'ct')

    def inside(self, *words, **kw):
        return run('ip', 'netns', 'exec', 'ct', HELPER, *words, **kw)

    def apply(self, lines):
        done = subprocess.run(['ip', 'netns', 'exec', 'ct', HELPER, 'conntrack', 'apply'], input=lines, capture_output=True, text=True, timeout=20)
        return done.returncode, json.loads(done.stdout) if done.stdout else None, done.stderr

    def dump(self, *words):
        return json.loads(self.inside('conntrack', 'dump', *words).stdout)

    def test_inserts_dumps_and_deletes(self):
        code, result, err = self.apply('I tcp 10.0.0.9 40000 10.96.0.1 80 snat=- dnat=10.244.1.5:8080 mark=0x7000001 wo=7 wr=8\n'
                                       'I tcp 10.0.0.9 40001 10.244.1.5 8080 snat=172.30.0.1:5555 dnat=- mark=0 wo=1 wr=2 timeout=500\n'
                                       '\nI udp 10.0.0.9 40002 10.244.1.6 53\n')
        self.assertEqual((code, result), (0, {'errors': [], 'applied': 3}), err)
        entries = sorted(self.dump(), key=lambda e: e['orig'])
        self.assertEqual([e['proto'] for e in entries], ['tcp', 'tcp', 'udp'])
        dnat, snat, udp = entries
        self.assertEqual(dnat['orig'], ['10.0.0.9', 40000, '10.96.0.1', 80])
        self.assertEqual(dnat['reply'], ['10.244.1.5', 8080, '10.0.0.9', 40000])
        self.assertEqual((dnat['mark'], dnat['wscaleOrig'], dnat['wscaleReply'], dnat['state']), (0x7000001, 7, 8, 3))
        self.assertEqual(dnat['status'] & 0xe, 0xe)
        self.assertTrue(dnat['status'] & 0x20 and not dnat['status'] & 0x10)  # DST_NAT
        self.assertTrue(86000 < dnat['timeout'] <= 86400)
        self.assertEqual(snat['reply'], ['10.244.1.5', 8080, '172.30.0.1', 5555])
        self.assertTrue(snat['status'] & 0x10 and 480 < snat['timeout'] <= 500)
        self.assertEqual(udp['reply'], ['10.244.1.6', 53, '10.0.0.9', 40002])
        self.assertEqual(len(self.dump('--ip', '10.244.1.5')), 2)
        self.assertEqual(len(self.dump('--ip', '10.244.1.6')), 1)
        self.assertEqual(self.dump('--ip', '10.1.1.1'), [])
        code, result, _ = self.apply('D tcp 10.0.0.9 40000 10.96.0.1 80\nD tcp 1.1.1.1 1 2.2.2.2 2\nI tcp 10.0.0.9 40001 10.244.1.5 8080\n')
        self.assertEqual((code, result), (0, {'errors': [{'line': 3, 'errno': 17}], 'applied': 2}))
        self.assertEqual(len(self.dump()), 2)

    def test_ipv6_entries_beside_ipv4_ones(self):
        code, result, err = self.apply('I tcp fd00:30::9 40000 fd00:96::1 80 snat=- dnat=[fd00:244:0:1::5]:8080 mark=0x7000001 wo=7 wr=8\n'
                                       'I tcp fd00:30::9 40001 fd00:244:0:1::5 8080 snat=[fd00:30::1]:5555 dnat=- mark=0 wo=1 wr=2\n'
                                       'I udp fd00:30::9 40002 fd00:244:0:1::6 53\nI tcp 10.0.0.9 40000 10.244.1.5 80\nL tcp fd00:30::9 40000 fd00:96::1 80\n')
        self.assertEqual((code, result), (0, {'errors': [], 'applied': 5}), err)
        dnat, snat, udp = sorted((e for e in self.dump() if ':' in e['orig'][0]), key=lambda e: e['orig'])
        self.assertEqual((dnat['reply'], dnat['mark'], dnat['wscaleReply']), (['fd00:244:0:1::5', 8080, 'fd00:30::9', 40000], 0x7000001, 8))
        self.assertTrue(dnat['status'] & 0x20 and not dnat['status'] & 0x10)
        self.assertEqual((snat['reply'], snat['status'] & 0x30), (['fd00:244:0:1::5', 8080, 'fd00:30::1', 5555], 0x10))
        self.assertEqual((udp['proto'], udp['reply']), ('udp', ['fd00:244:0:1::6', 53, 'fd00:30::9', 40002]))
        self.assertEqual(len(self.dump('--ip', 'fd00:244:0:1::5')), 2)
        self.assertEqual(len(self.dump('--ip', '10.244.1.5', '--ip', 'fd00:244:0:1::6')), 2)
        self.assertEqual(len(self.dump('--mark', '0x7000000/0xff000000')), 1)
        code, result, _ = self.apply('D tcp fd00:244:0:1::5 8080 fd00:30::9 40000\nD tcp fd00::1 1 fd00::2 2\nI udp fd00:30::9 40002 fd00:244:0:1::6 53\n')
        self.assertEqual((code, result), (0, {'errors': [{'line': 3, 'errno': 17}], 'applied': 2}))
        self.assertEqual(len(self.dump()), 3)

    def test_one_large_batch(self):
        lines = ''.join(f'I tcp 10.0.{n >> 8}.{n & 255} 1000 10.244.1.5 80 snat=- dnat=- mark={n} wo=7 wr=7\n' for n in range(5000))
        code, result, err = self.apply(lines)
        self.assertEqual((code, result), (0, {'errors': [], 'applied': 5000}), err)
        self.assertEqual(len(self.dump('--ip', '10.244.1.5')), 5000)
        deletes = ''.join('D' + line.split(' snat')[0][1:] + '\n' for line in lines.splitlines())
        self.assertEqual(self.apply(deletes)[1], {'errors': [], 'applied': 5000})
        self.assertEqual(self.dump(), [])

    def test_dumps_by_mark_and_when_it_is_asked_to(self):
        self.apply('I tcp 10.244.1.5 1 1.1.1.1 80 mark=0x7000001\nI tcp 10.244.1.5 2 1.1.1.1 80 mark=0x7000002\nI tcp 10.244.1.5 3 1.1.1.1 80 mark=0x8000001\n')
        marks = lambda *words: sorted(e['mark'] for e in self.dump('--mark', *words))
        self.assertEqual(marks('0x7000000/0xff000000'), [0x7000001, 0x7000002])
        self.assertEqual(marks('0x7000001/0xffffffff'), [0x7000001])
        waiting = subprocess.Popen(['ip', 'netns', 'exec', 'ct', HELPER, 'conntrack', 'dump', '--wait'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.2)
        self.apply('D tcp 10.244.1.5 1 1.1.1.1 80\n')
        self.assertEqual(len(json.loads(waiting.communicate('')[0])), 2)
        for bad in (('--mark', '7'), ('--mark', '7/0'), ('--ip', 'x'), ('--other',)):
            self.assertEqual(self.inside('conntrack', 'dump', *bad, check=False).returncode, 1, bad)

    def test_loosens_an_entry_that_is_there(self):
        self.apply('I tcp 10.0.0.9 40000 10.96.0.1 80 snat=- dnat=10.244.1.5:8080 mark=5 wo=7 wr=8\n')
        before = self.dump()
        code, result, err = self.apply('L tcp 10.0.0.9 40000 10.96.0.1 80\nL tcp 9.9.9.9 1 8.8.8.8 2\n')
        self.assertEqual((code, result), (0, {'errors': [], 'applied': 2}), err)
        after = self.dump()
        for entry in before + after: del entry['timeout']
        self.assertEqual(after, before)
        self.assertEqual(self.apply('L udp 1.1.1.1 1 2.2.2.2 2\n')[0], 1)

    def test_a_bad_line_changes_nothing(self):
        good = 'I tcp 10.0.0.9 40000 10.96.0.1 80\n'
        for bad in ('X', 'D tcp 1.2.3.4 1 1.2.3.4', 'I tcp 1.2.3.4 70000 1.2.3.4 1', 'I sctp 1.2.3.4 1 1.2.3.4 1', 'I tcp 1.2.3 1 1.2.3.4 1',
                    'I tcp 1.2.3.4 1 1.2.3.4 1 wo=15', 'I tcp 1.2.3.4 1 1.2.3.4 1 dnat=1.2.3.4', 'I tcp 1.2.3.4 1 fd00::1 1',
                    'I tcp fd00::1 1 fd00::2 1 dnat=1.2.3.4:1', 'I tcp fd00::1 1 fd00::2 1 dnat=fd00::3:1', 'I tcp 1.2.3.4 1 1.2.3.4 1 dnat=[1.2.3.4]:1', 'D tcp 1.2.3.4 1 1.2.3.4 1 mark=1', 'I tcp 1.2.3.4 1 1.2.3.4 1 mark=-1'):
            code, _, err = self.apply(good + bad + '\n')
            self.assertEqual((code, 'line 2' in err), (1, True), bad)
        self.assertEqual(self.dump(), [])
        self.assertEqual(self.apply('')[1], {'errors': [], 'applied': 0})

    def test_real_connection(self):
        for words in ('link set lo up', 'addr add 10.9.9.1/32 dev lo'):
            run('ip', '-n', 'ct', *words.split())
        # An entry is only made where something asks conntrack to look.
        if not shutil.which('nft'):
            self.skipTest('no nft here')
        rules = 'table ip t {\n chain o {\n type filter hook output priority 0;\n ct state new accept\n }\n}\n'
        subprocess.run(['ip', 'netns', 'exec', 'ct', 'nft', '-f', '-'], input=rules, text=True, check=True)
        run('ip', 'netns', 'exec', 'ct', sys.executable, '-c', '''
import socket
l = socket.create_server(("10.9.9.1", 700)); c = socket.create_connection(("10.9.9.1", 700)); a = l.accept()
d = socket.create_connection(("10.9.9.1", 700)); b = l.accept()[0]; d.close(); b.recv(1); b.close()
import subprocess
for name, words in ("all", []), ("open", ["--open"]):
    open("/run/ct-" + name, "w").write(subprocess.run(["%s", "conntrack", "dump", *words], capture_output=True, text=True).stdout)''' % HELPER)
        every, still = json.loads(read('/run/ct-all')), json.loads(read('/run/ct-open'))
        self.assertEqual([(entry['orig'][2:], entry['state'], entry['proto']) for entry in still], [(['10.9.9.1', 700], 3, 'tcp')])
        self.assertEqual(sorted(entry['state'] for entry in every), [3, 7])


class Sockets(Case):
    def setUp(self):
        super().setUp()
        self.listener = socket.create_server(('127.0.0.1', 0), reuse_port=False)
        self.port = self.listener.getsockname()[1]
        self.child = subprocess.Popen([sys.executable, '-c', f'''
import socket, sys
a = socket.create_connection(("127.0.0.1", {self.port})); b = a.dup(); l = socket.create_server(("127.0.0.1", 0))
a.setsockopt(1, 2, 1); a.send(b"12345"); u = socket.socketpair(); print("ready", flush=True)
for line in sys.stdin: print(a.getsockopt(1, 2), a.send(b"x"), flush=True)'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.child.communicate)
        self.peer = self.listener.accept()[0]
        self.addCleanup(self.peer.close)
        self.addCleanup(self.listener.close)
        self.child.stdout.readline()

    def one(self):
        found = js('sockets', self.child.pid)
        return next(s for s in found['sockets'] if s['state'] == 'ESTABLISHED'), found

    def test_sequence_numbers_move_with_the_bytes_and_only_with_them(self):
        first, found = self.one()
        self.assertEqual(sorted(s['state'] for s in found['sockets']), ['ESTABLISHED', 'LISTEN'])
        self.assertEqual(found['reasons'], [])
        self.assertEqual((first['remote'], first['family']), (f'127.0.0.1:{self.port}', 4))
        self.assertNotIn('sndSeq', next(s for s in found['sockets'] if s['state'] == 'LISTEN'))
        self.assertEqual(first, self.one()[0])
        self.peer.sendall(b'abcdefg')
        self.child.stdin.write('\n')
        self.child.stdin.flush()
        self.assertEqual(self.child.stdout.readline(), '1 1\n')  # SO_REUSEADDR is still on
        self.assertEqual(wait_for(lambda: self.peer.recv(10)), b'12345x')
        wait_for(lambda: self.one()[0]['sndQueue'] == 0)  # a delayed ACK
        second = self.one()[0]
        self.assertEqual((second['sndSeq'] - first['sndSeq']) % 2**32, 1)
        self.assertEqual((second['rcvSeq'] - first['rcvSeq']) % 2**32, 7)
        self.assertEqual((second['rcvQueue'], second['sndQueue']), (7, 0))

    def test_both_ends_agree(self):
        mine = next(s for s in js('sockets', os.getpid())['sockets'] if s['remote'] and s['state'] == 'ESTABLISHED' and s['local'].endswith(f':{self.port}'))
        theirs = self.one()[0]
        self.assertEqual((mine['sndSeq'], mine['rcvSeq'], mine['local']), (theirs['rcvSeq'], theirs['sndSeq'], theirs['remote']))
        self.assertEqual(mine['rcvQueue'], 5)

    def test_reasons_say_the_same_and_disturb_no_running_pod(self):
        left, right = socket.socketpair(socket.AF_UNIX)
        self.assertEqual(js('reasons', os.getpid())['reasons'], js('sockets', os.getpid())['reasons'])
        stop, errors = threading.Event(), []
        server = socket.create_server(('127.0.0.1', 0))
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()

        def talk():
            try:
                while not stop.is_set():
                    near.send(b'x')
                    far.recv(1)
            except OSError as error:
                errors.append(error)

        talker = threading.Thread(target=talk)
        talker.start()
        for _ in range(30): js('reasons', os.getpid())
        stop.set()
        talker.join()
        self.assertEqual(errors, [])
        for one in (left, right, near, far, server): one.close()

    def test_unrepair_gives_a_socket_back_that_a_killed_criu_left(self):
        s = self.peer
        s.setsockopt(6, 19, 1)
        with self.assertRaises(OSError):
            s.send(b'lost')
        self.assertEqual(js('unrepair', os.getpid()), {'freed': 1})
        self.assertEqual(js('unrepair', os.getpid()), {'freed': 0})
        self.assertEqual((s.getsockopt(6, 19), s.getsockopt(1, 2), s.send(b'here')), (0, 1, 4))

    def test_leaves_a_socket_in_repair_as_it_is(self):
        s = self.peer
        s.setsockopt(6, 19, 1)
        s.setsockopt(6, 20, 1)  # receive queue
        before = js('sockets', os.getpid())['sockets']
        self.assertEqual((s.getsockopt(6, 19), s.getsockopt(6, 20)), (1, 1))
        s.setsockopt(6, 19, -1)
        key = lambda x: x['inode']
        self.assertEqual(sorted(before, key=key), sorted(js('sockets', os.getpid())['sockets'], key=key))

    def test_says_what_cannot_be_moved(self):
        inside, outside = socket.socketpair()
        child = subprocess.Popen([sys.executable, '-c', f'''
import ctypes, os, socket, sys
libc = ctypes.CDLL(None); buf = ctypes.create_string_buffer(120)
ring = libc.syscall(425, 4, buf); uffd = libc.syscall(323, 1); m = socket.socket(2, 1, 262)
print(ring, uffd, flush=True); sys.stdin.read()'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, pass_fds=[inside.fileno()])
        inside.close()
        ring, uffd = map(int, child.stdout.readline().split())
        found = ' '.join(js('sockets', child.pid)['reasons'])
        self.assertIn('outside the pod', found)
        self.assertIn('multipath TCP', found)
        self.assertEqual((ring >= 0, uffd >= 0), ('io_uring' in found, 'userfaultfd' in found))
        self.assertNotIn('outside the pod', ' '.join(js('sockets', child.pid, os.getpid())['reasons']))
        child.communicate()
        outside.close()

    def test_ended_processes_are_left_out(self):
        child = subprocess.Popen(['true'])
        child.wait()
        self.assertEqual(js('sockets', child.pid), {'sockets': [], 'reasons': [], 'options': [], 'refused': []})

    def test_ipv6_and_half_closed(self):
        listener = socket.create_server(('::1', 0), family=socket.AF_INET6)
        a = socket.create_connection(listener.getsockname()[:2])
        b = listener.accept()[0]
        a.shutdown(socket.SHUT_WR)
        wait_for(lambda: b.recv(1) == b'' and a.getsockopt(socket.IPPROTO_TCP, 11, 1) == b'\x05')  # TCP_INFO: FIN_WAIT2
        found = [s for s in js('sockets', os.getpid())['sockets'] if s['family'] == 6]
        self.assertEqual(sorted(s['state'] for s in found), ['CLOSE_WAIT', 'FIN_WAIT2', 'LISTEN'])
        by = {s['state']: s for s in found}
        self.assertEqual(by['CLOSE_WAIT']['rcvSeq'], by['FIN_WAIT2']['sndSeq'])
        self.assertTrue(by['LISTEN']['local'].startswith('[::1]:'))
        for s in (a, b, listener):
            s.close()


class PodTcp(Case):
    def test_counts_connections_that_nobody_has_accepted(self):
        servers = [socket.create_server(('127.0.0.1', 0)), socket.create_server(('::1', 0), family=socket.AF_INET6)]
        with subprocess.Popen([program('helper'), 'tcp', str(os.getpid())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as helper:
            def asked():
                helper.stdin.write('waiting\n')
                helper.stdin.flush()
                return int(helper.stdout.readline())
            before = asked()
            clients = [socket.create_connection(servers[i].getsockname()[:2]) for i in (0, 0, 1)]
            self.assertEqual(asked() - before, 3)
            accepted = [servers[0].accept()[0], servers[1].accept()[0]]
            self.assertEqual(asked() - before, 1)
            helper.stdin.close()
            self.assertEqual(helper.wait(10), 0)
        for one in servers + clients + accepted: one.close()

    def test_of_the_process_and_no_other(self):
        with subprocess.Popen(['unshare', '--net', 'sleep', '60']) as other, socket.create_server(('127.0.0.1', 0)) as server:
            wait_for(lambda: os.readlink(f'/proc/{other.pid}/ns/net') != os.readlink('/proc/self/ns/net'))
            with socket.create_connection(server.getsockname()):
                self.assertEqual(run(program('helper'), 'tcp', other.pid, stdin=None, input='waiting\nhalf-open\nsockets\n').stdout, '0\n0\n[]\n')
            other.kill()
        done = run(program('helper'), 'tcp', other.pid, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('network namespace', done.stderr)
        done = run(program('helper'), 'tcp', os.getpid(), stdin=None, input='all\n', check=False)
        self.assertEqual((done.returncode, done.stderr), (1, 'podmotion-helper: tcp: "all" is none of waiting, half-open, sockets, loss-probes\n'))

    def test_sets_the_loss_probes_of_the_process_and_no_other(self):
        ours = read('/proc/sys/net/ipv4/tcp_early_retrans')
        with subprocess.Popen(['unshare', '--net', 'sleep', '60']) as other:
            wait_for(lambda: os.readlink(f'/proc/{other.pid}/ns/net') != os.readlink('/proc/self/ns/net'))
            ask = lambda words, **kw: run(program('helper'), 'tcp', other.pid, stdin=None, input=words, **kw)
            self.assertEqual(ask('loss-probes\nloss-probes 0\n').stdout, '3\n0\n')
            self.assertEqual(ask('loss-probes\nloss-probes 4\nwaiting\n').stdout, '0\n4\n0\n')
            wrong = ask('loss-probes 9\n', check=False)
            self.assertEqual((wrong.returncode, wrong.stderr), (1, 'podmotion-helper: tcp: /proc/sys/net/ipv4/tcp_early_retrans: Invalid argument\n'))
            other.kill()
        self.assertEqual(read('/proc/sys/net/ipv4/tcp_early_retrans'), ours)

    def test_lists_what_the_kernel_lists(self):
        six, mapped = socket.create_server(('::1', 0), family=socket.AF_INET6), socket.create_server(('::', 0), family=socket.AF_INET6, dualstack_ipv6=True)
        pairs = []
        for server, address in ((six, '::1'), (mapped, '127.0.0.1')):
            client = socket.create_connection((address, server.getsockname()[1]))
            pairs += [client, server.accept()[0]]
        pairs[0].close()  # one in FIN_WAIT2, the other in CLOSE_WAIT
        listed = json.loads(run(program('helper'), 'tcp', os.getpid(), stdin=None, input='sockets\n').stdout)
        port, mapped_port = six.getsockname()[1], mapped.getsockname()[1]
        self.assertIn([10, '::1', port, '::', 0], listed)
        self.assertIn([10, '::', mapped_port, '::', 0], listed)
        self.assertEqual(sorted(s[0] for s in listed if '::1' in (s[1], s[3]) and port in (s[2], s[4]) and s[0] != 10), [5, 8])
        client, peer = pairs[2].getsockname()[1], mapped_port
        self.assertIn([1, '127.0.0.1', client, '127.0.0.1', peer], listed)
        self.assertIn([1, '127.0.0.1', peer, '127.0.0.1', client], listed)
        for one in pairs[1:] + [six, mapped]: one.close()

    def test_counts_handshakes_that_have_not_ended(self):
        # Segments of a handshake that is never ended: an address that nobody has answers no SYN-ACK.
        with subprocess.Popen(['unshare', '--net', 'sh', '-c', 'ip link set lo up; ip link add v0 type veth peer name v1; ip addr add 10.9.0.1/24 dev v0; ip link set v0 up; ip link set v1 up; echo up; exec sleep 60'], stdout=subprocess.PIPE, text=True) as other:
            self.assertEqual(other.stdout.readline(), 'up\n')
            code = ('import socket, struct\n'
                    'l = socket.create_server(("10.9.0.1", 7000))\n'
                    'def total(data): s = sum(struct.unpack("!%dH" % (len(data) // 2), data)); s = (s >> 16) + (s & 0xffff); return ~(s + (s >> 16)) & 0xffff\n'
                    'ends = bytes([10, 9, 0, 77, 10, 9, 0, 1])\n'
                    'syn = lambda check: struct.pack("!HHIIBBHHH", 4444, 7000, 1, 0, 5 << 4, 2, 1024, check, 0)\n'
                    'tcp = syn(total(ends + struct.pack("!HH", 6, 20) + syn(0)))\n'
                    'r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)\n'
                    'r.sendto(struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0) + ends + tcp, ("10.9.0.1", 0))\n'
                    'import sys; print("sent", flush=True); sys.stdin.read()')
            with subprocess.Popen(['nsenter', '-t', str(other.pid), '-n', 'python3', '-c', code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
                self.assertEqual(server.stdout.readline(), 'sent\n')
                asked = lambda: run(program('helper'), 'tcp', other.pid, stdin=None, input='half-open\nwaiting\n').stdout
                wait_for(lambda: asked() == '1\n0\n')
                self.assertIn([3, '10.9.0.1', 7000, '10.9.0.77', 4444], json.loads(run(program('helper'), 'tcp', other.pid, stdin=None, input='sockets\n').stdout))
                server.kill()
            other.kill()


class Freeze(Case):
    def make(self, base):
        group = f'{base}/pmtest-{os.getpid()}-{len(self.groups)}'
        os.mkdir(group)
        self.groups.append(group)
        child = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
        self.addCleanup(os.rmdir, group)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.addCleanup(helper, 'thaw', group)
        with open(group + '/cgroup.procs', 'w') as f:
            f.write(str(child.pid))
        return group, child.pid

    def bases(self):
        return [b for b in ('/sys/fs/cgroup/freezer', '/sys/fs/cgroup/unified', '/sys/fs/cgroup') if os.path.exists(b + '/cgroup.procs')]

    def ticks(self, pid):
        return int(read(f'/proc/{pid}/stat').rsplit(')', 1)[1].split()[11])

    def test_freezes_all_and_thaws(self):
        self.groups = []
        made = [self.make(b) for b in self.bases() for _ in range(2)]
        self.assertTrue(made)
        start = time.time()
        answer = js('freeze', *self.groups)
        self.assertTrue(start - 1 < answer['startNs'] / 1e9 <= answer['frozenNs'] / 1e9 < time.time() + 1)
        before = [self.ticks(p) for _, p in made]
        time.sleep(.1)
        self.assertEqual(before, [self.ticks(p) for _, p in made])
        js('thaw', *self.groups)
        wait_for(lambda: all(self.ticks(p) > b for (_, p), b in zip(made, before)))

    def test_one_missing_thaws_the_others(self):
        self.groups = []
        group, pid = self.make(self.bases()[0])
        done = helper('freeze', group, '/sys/fs/cgroup/none', check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('/sys/fs/cgroup/none', done.stderr)
        before = self.ticks(pid)
        wait_for(lambda: self.ticks(pid) > before)

    def test_a_cgroup_that_does_not_freeze_is_thawed_after_two_seconds(self):
        """A folder that looks like a cgroup and never says frozen."""
        fake = self.dir + '/g'
        os.mkdir(fake)
        self.write(fake + '/cgroup.freeze', '')
        self.write(fake + '/cgroup.events', 'populated 1\nfrozen 0\n')
        self.groups = []
        group, pid = self.make(self.bases()[0])
        start = time.time()
        done = helper('freeze', group, fake, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(1.9 < time.time() - start < 4)
        self.assertIn('not frozen after 2 s', done.stderr)
        before = self.ticks(pid)
        wait_for(lambda: self.ticks(pid) > before)


class Garp(Case):
    def test_sends_request_and_reply(self):
        run('ip', 'link', 'add', 'g0', 'type', 'veth', 'peer', 'name', 'g1')
        self.addCleanup(run, 'ip', 'link', 'del', 'g0')
        run('ip', 'link', 'set', 'g0', 'up')
        run('ip', 'link', 'set', 'g1', 'up')
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x806))
        s.bind(('g1', 0x806))
        s.settimeout(5)
        self.assertEqual(js('garp', 'g0', '10.7.7.7'), {'sent': 2})
        mac = bytes.fromhex(read('/sys/class/net/g0/address').strip().replace(':', '')) if os.path.exists('/sys/class/net/g0') else None
        for operation in (1, 2):
            frame = s.recv(100)
            self.assertEqual(frame[:6], b'\xff' * 6)
            self.assertEqual(struct.unpack('>H', frame[20:22])[0], operation)
            self.assertEqual((frame[28:32], frame[38:42]), (socket.inet_aton('10.7.7.7'),) * 2)
            self.assertEqual(frame[22:28], frame[6:12])
            if mac:
                self.assertEqual(frame[6:12], mac)
        s.close()


    def test_announces_each_line_and_ends_at_one_that_it_cannot_read(self):
        run('ip', 'link', 'add', 'g0', 'type', 'veth', 'peer', 'g1')
        self.addCleanup(run, 'ip', 'link', 'del', 'g0')
        for device in ('g0', 'g1'):
            run('ip', 'link', 'set', device, 'up')
        told = lambda lines: subprocess.run([HELPER, 'garp', '-'], input=lines, capture_output=True, text=True)
        self.assertEqual(json.loads(told('g0 10.7.7.7\ng0 fd00::7\n').stdout), {'sent': 3})
        for lines in ('g0 10.7.7.7\ng0\n', 'g0 nobody\n', ''):
            self.assertEqual(told(lines).returncode, 1, lines)

    def test_advertises_an_ipv6_address_that_neighbours_then_have(self):
        run('ip', 'netns', 'add', 'neighbour')
        self.addCleanup(run, 'ip', 'netns', 'del', 'neighbour')
        run('ip', 'link', 'add', 'g0', 'type', 'veth', 'peer', 'g1', 'netns', 'neighbour')
        self.addCleanup(run, 'ip', 'link', 'del', 'g0')
        run('ip', 'link', 'set', 'g0', 'up')
        inside = ('ip', '-n', 'neighbour')
        run(*inside, 'addr', 'add', 'fd00::9/64', 'dev', 'g1', 'nodad')
        run(*inside, 'link', 'set', 'g1', 'up')
        run(*inside, 'neigh', 'replace', 'fd00::7', 'lladdr', '02:00:00:00:00:07', 'dev', 'g1', 'nud', 'reachable')
        mac = json.loads(run('ip', '-j', 'link', 'show', 'g0').stdout)[0]['address']
        known = lambda: json.loads(run(*inside, '-j', 'neigh', 'show', 'fd00::7').stdout)[0]['lladdr']
        wait_for(lambda: js('garp', 'g0', 'fd00::7') == {'sent': 1} and known() == mac)


class Options(Case):
    """Tells of a socket's options what criu leaves behind, and sets it again on another one with the same ends."""

    def told(self, *lines):
        pid = str(os.getpid())
        text = '\n'.join([pid, *lines]) if lines else pid
        done = subprocess.run([HELPER, 'sockets', '-'], input=text, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def own(self, end):
        name = '%s:%d' % end.getsockname()
        return [line for line in self.told()['options'] if line.split()[1] == name]

    def test_a_new_socket_has_none(self):
        with socket.create_server(('127.0.0.1', 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(('127.0.0.1', 0))
            self.assertEqual((self.own(listener), self.own(udp)), ([], []))

    def test_a_connection_gets_its_own_again(self):
        with socket.create_server(('127.0.0.1', 0)) as listener, socket.create_connection(listener.getsockname()) as one:
            one.setsockopt(socket.IPPROTO_TCP, 18, 12345)
            one.setsockopt(socket.IPPROTO_TCP, 25, 4096)
            usual = one.getsockopt(socket.IPPROTO_TCP, 13, 16).rstrip(b'\0')
            other = b'reno' if usual != b'reno' else b'cubic'
            one.setsockopt(socket.IPPROTO_TCP, 13, other)
            lines = self.own(one)
            ends = '%s:%d %s:%d' % (*one.getsockname(), *one.getpeername())
            self.assertEqual(lines, [f'tcp {ends} 6:18=12345 6:25=4096 6:13={other.decode()}'])
            one.setsockopt(socket.IPPROTO_TCP, 18, 0)
            one.setsockopt(socket.IPPROTO_TCP, 13, usual)
            self.assertEqual(self.told('tcp 127.0.0.1:1 - 6:18=1', *lines)['refused'], [])
            self.assertEqual(self.own(one), lines)

    def test_listeners_of_one_port_each_take_one_line(self):
        group = [socket.socket() for _ in range(2)]
        port = 0
        for number, listener in enumerate(group):
            self.addCleanup(listener.close)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listener.bind(('127.0.0.1', port))
            port = listener.getsockname()[1]
            listener.listen()
            listener.setsockopt(socket.IPPROTO_TCP, 23, number + 5)
        lines = self.own(group[0])
        self.assertEqual([line.split()[2:] for line in lines], [['-', '6:23=5'], ['-2', '6:23=6']])
        for listener in group:
            listener.setsockopt(socket.IPPROTO_TCP, 23, 0)
        self.told(*lines)
        self.assertEqual([listener.getsockopt(socket.IPPROTO_TCP, 23) for listener in group], [5, 6])
        group[0].setsockopt(socket.IPPROTO_TCP, 23, 0)
        self.assertEqual([line.split()[2:] for line in self.own(group[0])], [['-2', '6:23=6']])

    def test_groups_are_joined_again(self):
        run('ip', 'link', 'set', 'lo', 'up')
        run('ip', 'route', 'replace', '239.0.0.0/8', 'dev', 'lo')
        self.addCleanup(run, 'ip', 'route', 'del', '239.0.0.0/8', 'dev', 'lo')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(('0.0.0.0', 0))
            member = socket.inet_aton('239.1.2.3') + socket.inet_aton('0.0.0.0')
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
            lines = self.own(udp)
            self.assertEqual(lines, [f'udp 0.0.0.0:{udp.getsockname()[1]} - 0:33=4 join=239.1.2.3'])
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, member)
            self.assertEqual(self.told(*lines)['refused'], [])
            self.assertEqual(self.own(udp), lines)

    def test_says_what_the_kernel_refuses(self):
        with socket.create_server(('127.0.0.1', 0)) as listener:
            key = 'tcp 127.0.0.1:%d -' % listener.getsockname()[1]
            refused = self.told(f'{key} 6:13=nobodys 6:18=7')['refused']
            self.assertEqual(refused, [f'{key} 6:13=nobodys: No such file or directory'])
            self.assertEqual(self.own(listener), [f'{key} 6:18=7'])


class Connect(Case):
    def serve(self, answer):
        path = self.dir + '/s'
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        self.got = []

        def work():
            c = listener.accept()[0]
            f = c.makefile('rwb')
            answer(c, f)
            f.close()
            c.close()
        self.thread = threading.Thread(target=work)
        self.thread.start()
        self.addCleanup(listener.close)
        return path

    def call(self, *words, data=b''):
        done = subprocess.run([HELPER, 'connect', *words], input=data, capture_output=True, timeout=30)
        self.thread.join(10)
        return done

    def test_carries_both_ways_with_half_close(self):
        size = 5 << 20

        def answer(c, f):
            self.got.append(f.readline())
            body = f.read()  # until the client's half-close
            f.write(body[::-1] * 2)
        path = self.serve(answer)
        data = os.urandom(size)
        done = self.call(path, 'token-1', 'host', 'rsync', '--server', data=data)
        self.assertEqual((done.returncode, self.got), (0, [b'token-1\n']))
        self.assertEqual(done.stdout, data[::-1] * 2)

    def test_waits_for_a_reader_whose_end_does_not_block(self):
        data = os.urandom(8 << 20)
        path = self.serve(lambda c, f: f.write(data))
        ours, its = socket.socketpair()
        with ours, its:
            its.setblocking(False)  # as rsync leaves its remote shell's output
            child = subprocess.Popen([HELPER, 'connect', path, 't'], stdin=subprocess.PIPE, stdout=its, stderr=subprocess.PIPE)
            its.close()
            time.sleep(0.5)
            got = b''.join(iter(lambda: ours.recv(1 << 20), b''))
        self.assertEqual((child.communicate()[1], child.returncode, got == data), (b'', 0, True))

    def test_both_ends_may_write_before_they_read(self):
        data = os.urandom(8 << 20)

        def answer(c, f):
            f.readline()
            f.write(data)
            f.flush()
            self.got.append(f.read())
        done = self.call(self.serve(answer), 't', data=data)
        self.assertEqual((done.returncode, done.stdout == data, self.got == [data]), (0, True, True))

    def test_sends_arguments_when_asked(self):
        path = self.serve(lambda c, f: self.got.extend([f.readline(), f.readline()]))
        self.assertEqual(self.call('--args', path, 't', 'a', '--b=c').returncode, 0)
        self.assertEqual(self.got, [b't\n', b'a --b=c\n'])

    def test_says_when_nobody_listens(self):
        done = helper('connect', self.dir + '/none', 't', check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('/none', done.stderr)
