"""podmotion-pages store: a sender of the wire, a userfaultfd client in the place of a restored process, hostile streams."""
import json, os, signal, socket, struct, subprocess, time, unittest
import lz4_block
from gate_test import field, fields
from store_support import BASE, DATA, FINAL, MIB, PACKED, PAGE, PID, POPULATED, SEGMENT, SEGMENT_MAP, SYNC, ZERO, GONE, Sender, StoreCase, content, pairs, runs
from support import Lines, exit_status, program, read, wait_for


class Store(StoreCase):
    def test_receives_and_says_how_much(self):
        self.assertEqual(self.status(), {'state': 'receiving', 'bytes': 0, 'chunks': 0, 'missing': 0, 'lazyBytesLeft': 0, 'sourceBytesLeft': 0, 'faults': 0, 'reason': ''})
        sender = Sender(self.socket)
        sender.memory(PID, 10)
        self.assertEqual(sender.ask(SYNC), 0)
        self.assertEqual((self.status()['state'], self.status()['bytes']), ('receiving', 8 * PAGE))
        self.assertRegex(self.ask('ready'), '^failed the store is receiving')
        sender.map(POPULATED, PID, runs(10))
        self.assertEqual(sender.ask(FINAL), 0)
        self.assertEqual(self.status()['state'], 'complete')
        for path in (self.socket, self.work + '/lazy-pages.socket'):
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)

    def test_serves_every_byte(self):
        for scenario in ('read-before',):
            end = self.restore_well(24 * MIB, scenario)
            self.assertGreater(end['faults'], 100)

    def test_fills_the_memory_of_an_idle_process(self):
        self.send(24 * MIB)
        self.assertEqual(self.ask('ready'), 'ready')
        client = self.restore(24 * MIB, 'idle', stdin=subprocess.PIPE)
        self.assertEqual(json.loads(self.ask('wait'))['state'], 'local')
        faults = self.status()['faults']
        out, _ = client.communicate('\n', timeout=20)
        self.assertEqual(out, 'good\n')
        self.assertEqual((self.status()['faults'], faults), (faults, 0))

    def test_fills_the_memory_of_a_process_at_its_gate_when_told(self):
        self.assertEqual(self.ask('fill'), 'filling')  # nobody there: nothing happens
        self.send(24 * MIB)
        self.assertEqual(self.ask('ready'), 'ready')
        client = self.restore(24 * MIB, 'stay', stdin=subprocess.PIPE)
        wait_for(lambda: self.status()['lazyBytesLeft'] > 0)
        self.assertEqual(self.ask('fill'), 'filling')
        wait_for(lambda: self.status()['lazyBytesLeft'] == 0)
        self.assertEqual(self.status()['state'], 'serving')
        out, _ = client.communicate('\n', timeout=20)
        self.assertEqual(out, 'good\n')
        end = json.loads(self.ask('wait'))
        self.assertEqual(end['state'], 'local')
        self.assertLess(end['faults'], 100)  # pages that the dump did not have, until the descriptor is closed

    def test_a_restore_that_is_given_up_at_its_gate_while_it_is_filled_is_told(self):
        self.send(24 * MIB)
        self.assertEqual(self.ask('ready'), 'ready')
        client = self.restore(24 * MIB, 'stay', stdin=subprocess.PIPE)
        wait_for(lambda: self.status()['lazyBytesLeft'] > 0)
        self.assertEqual(self.ask('fill'), 'filling')
        client.kill()
        client.communicate()
        self.assertEqual(json.loads(self.ask('wait'))['state'], 'failed')

    def test_serves_threads_that_all_fault(self):
        self.restore_well(48 * MIB, 'threads')

    def test_follows_what_a_process_does_to_its_memory(self):
        for scenario in ('change',):
            self.restore_well(64 * MIB, scenario)

    def test_follows_what_a_process_does_to_its_memory_before_anything_was_filled(self):
        self.restore_well(64 * MIB, 'change-before')

    def test_follows_threads_that_all_change_their_memory(self):
        self.restore_well(64 * MIB, 'churn')

    def test_follows_forks(self):
        self.restore_well(64 * MIB, 'fork')

    def test_follows_forks_before_anything_was_filled(self):
        self.restore_well(64 * MIB, 'fork-before')

    def resident(self):
        return int(next(l for l in read(f'/proc/{self.store.pid}/status').splitlines() if l.startswith('RssAnon')).split()[1])

    def test_gives_memory_back_as_it_is_copied(self):
        self.send(64 * MIB)
        before = self.resident()
        self.assertEqual(self.ask('ready'), 'ready')
        client = self.restore(64 * MIB, 'idle', stdin=subprocess.PIPE)
        self.ask('wait')
        self.assertLess(self.resident(), before - 45 * 1024)
        client.communicate('\n', timeout=20)

    def test_later_contents_win(self):
        sender = Sender(self.socket)
        sender.data(PID, BASE, b'old.' * 1024 * 5)
        sender.say(ZERO, PID, BASE, 2 * PAGE)
        sender.say(ZERO, PID, BASE + 20 * PAGE, 4 * PAGE)  # dropped: not populated at the end
        sender.memory(PID, 10)
        sender.say(ZERO, PID, BASE + 4 * PAGE, PAGE)
        sender.map(POPULATED, PID, [(BASE, BASE + 10 * PAGE)][:0] + runs(10))
        self.assertEqual(sender.ask(FINAL), 0)
        self.write_images(PID, [(BASE, BASE + 10 * PAGE, 0x22)])
        self.assertEqual(self.ask('ready'), 'ready')
        out, _ = self.restore(10, 'threads').communicate(timeout=20)
        self.assertEqual(out, 'good\n')

    def test_packed_contents_are_as_good_across_two_chunks_and_in_segments(self):
        pages, edge = 2 * MIB + 20, 2 * MIB - 2
        sender = Sender(self.socket)
        sender.memory(PID, pages)
        sender.data(PID, BASE + edge * PAGE, b'old.' * 1024 * 4)
        sender.packed(PID, BASE + edge * PAGE, b''.join(content(PID, edge + i) for i in range(4)))
        sender.segment(0, 4711, 8 * PAGE)
        sender.packed(1 << 31, 2 * PAGE, b'text' * 1024 * 3)
        sender.map(POPULATED, PID, runs(pages))
        sender.map(SEGMENT_MAP, 1 << 31, [(2 * PAGE, 5 * PAGE)])
        self.assertEqual(sender.ask(FINAL), 0)
        self.write_images(PID, [(BASE, BASE + pages * PAGE, 0x22)])
        self.assertEqual(self.ask('ready'), 'ready')
        self.assertEqual(self.segments(), {4711: bytes(2 * PAGE) + b'text' * 1024 * 3 + bytes(3 * PAGE)})
        out, _ = self.restore(pages, 'threads').communicate(timeout=20)
        self.assertEqual(out, 'good\n')

    def test_zero_pages_count_as_here_and_read_as_zero(self):
        sender = Sender(self.socket)
        sender.memory(PID, 10)
        sender.say(ZERO, PID, BASE + 4 * PAGE, PAGE)
        sender.data(PID, BASE + 9 * PAGE, b'gone' * 1024)
        sender.say(ZERO, PID, BASE + 9 * PAGE, PAGE)
        sender.map(POPULATED, PID, [(BASE, BASE + 10 * PAGE)])
        self.assertEqual(sender.ask(FINAL), 0)
        self.write_images(PID, [(BASE, BASE + 10 * PAGE, 0x22)])
        self.assertEqual(self.ask('ready'), 'ready')
        out, _ = self.restore(10, 'idle', stdin=subprocess.PIPE).communicate('\n', timeout=20)
        self.assertEqual(out, 'good\n')

    def test_missing_pages_are_counted_and_refused(self):
        sender = Sender(self.socket)
        sender.memory(PID, 10)
        sender.map(POPULATED, PID, runs(10) + [(BASE + 600 * PAGE, BASE + 603 * PAGE)])
        self.assertEqual(sender.ask(FINAL), 3)
        self.assertEqual((self.status()['state'], self.status()['missing']), ('complete', 3))
        self.assertRegex(self.ask('ready'), '^failed .*3 pages are missing')
        self.assertEqual(self.restore(10, 'threads').wait(10), 1)  # nothing is served either
        # The tracker goes on, and comes with what was missing.
        sender.data(PID, BASE + 600 * PAGE, b'here' * 3072)
        sender.map(POPULATED, PID, runs(10) + [(BASE + 600 * PAGE, BASE + 603 * PAGE)])
        self.assertEqual(sender.ask(FINAL), 0)

    def test_pages_of_a_process_that_is_gone_are_dropped(self):
        sender = Sender(self.socket)
        sender.memory(PID, 10)
        sender.say(GONE, PID)
        sender.map(POPULATED, PID, [(BASE, BASE + PAGE)])
        self.assertEqual(sender.ask(FINAL), 1)

    def test_what_no_map_names_is_dropped(self):
        sender = Sender(self.socket)
        sender.memory(PID, 10)
        sender.segment(0, 77, 8 * PAGE)
        self.assertEqual(sender.ask(FINAL), 0)
        self.assertEqual(self.ask('ready'), 'ready')  # no image is asked for either
        self.assertEqual(self.segments(), {})

    def test_pages_that_criu_would_not_restore_lazily_are_refused(self):
        end = BASE + 10 * PAGE
        for areas in ([(BASE, end, 0x2022)], [(BASE, end, 0x21)], [(BASE, end, 0x40022)], [(BASE + PAGE, end, 0x22)], [(BASE, end - 2 * PAGE, 0x22)], None):
            sender = self.send(10)
            if areas is None:
                os.unlink(f'{self.images}/mm-{PID}.img')
            else:
                self.write_images(PID, areas)
            self.assertRegex(self.ask('ready'), f'^failed .*process {PID}')
            self.assertEqual(self.status()['state'], 'failed')
            sender.s.close()
            self.restart_store()

    def restart_store(self):
        self.end_store()
        self.start_store()

    def test_makes_eager_what_criu_dumped_itself(self):
        self.send(10)
        self.write_images(PID, [(BASE, BASE + 5 * PAGE, 0x22), (BASE + 5 * PAGE, BASE + 10 * PAGE, 0x122)], [(4096, 1, 6), (8192, 300, 4), (1 << 40, 2, 6), (1 << 41, 1, 1)])
        self.image('pagemap-shmem-5.img', [field(1, 1), field(1, 0) + field(4, 6)])
        with open(self.images + '/pagemap-shmem-5.img', 'rb') as f:
            before = f.read()
        self.assertEqual(self.ask('ready'), 'ready')
        self.assertEqual(self.pagemap_flags(PID), [4, 4, 4, 1])
        with open(self.images + '/pagemap-shmem-5.img', 'rb') as f:
            self.assertEqual(f.read(), before)
        self.assertEqual(self.ask('ready'), 'ready')

    def test_pages_of_private_files_become_a_parent_of_the_images(self):
        file = BASE + MIB * PAGE * 3  # over the border of two chunks
        sender = Sender(self.socket)
        sender.memory(PID, 10)
        for n in (0, 1, 2, 5):
            sender.data(PID, file + n * PAGE, bytes([n + 1]) * PAGE)
        sender.say(ZERO, PID, file + 3 * PAGE, PAGE)
        sender.map(POPULATED, PID, runs(10) + [(file, file + 4 * PAGE), (file + 5 * PAGE, file + 6 * PAGE)])
        self.assertEqual(sender.ask(FINAL), 0)
        entries = [(4096, 1, 6), (file + 4 * PAGE, 1, 4), (file + 6 * PAGE, 2, 4)]
        self.write_images(PID, [(BASE, BASE + 10 * PAGE, 0x22), (file, file + 8 * PAGE, 0x2, 0x41)], entries)
        self.assertEqual(self.ask('ready'), 'ready')
        self.assertEqual(self.pagemap(self.images), [(4096, 1, 4), (file, 4, 1), (file + 4 * PAGE, 1, 4), (file + 5 * PAGE, 1, 1), (file + 6 * PAGE, 2, 4)])
        self.assertEqual(self.pagemap(self.images + '/parent'), [(file, 4, 4), (file + 5 * PAGE, 1, 4)])
        with open(f'{self.images}/parent/pages-{PID}.img', 'rb') as f:
            self.assertEqual(f.read(), b''.join(bytes([n]) * PAGE for n in (1, 2, 3, 0, 6)))

    def pagemap(self, folder):
        with open(f'{folder}/pagemap-{PID}.img', 'rb') as f:
            magic, rest, out = f.read(8), None, []
            rest = f.read()
        self.assertEqual(magic, b'\x19\x43\x56\x54\x20\x28\x49\x57')
        while rest:
            n, = struct.unpack('<I', rest[:4])
            out.append(fields(rest[4:4 + n]))
            rest = rest[4 + n:]
        self.assertEqual(out[0], {1: PID})
        for entry in out[1:]:
            self.assertEqual(entry[2], entry[5])
        return [(entry[1], entry[2], entry[4]) for entry in out[1:]]

    def test_what_criu_dumped_as_well_is_refused(self):
        for entries in ([(BASE, 1, 4)], [(BASE + 4096, 1, 4)], [(BASE - 4096, 3, 4)]):
            sender = Sender(self.socket)
            sender.data(PID, BASE, b'x' * 2 * PAGE)
            sender.map(POPULATED, PID, [(BASE, BASE + 2 * PAGE)])
            self.assertEqual(sender.ask(FINAL), 0)
            self.write_images(PID, [(BASE, BASE + 2 * PAGE, 0x2, 0x41)], entries)
            self.assertRegex(self.ask('ready'), '^failed writing pages of process 7')
            sender.s.close()
            self.restart_store()

    def test_a_broken_image_is_refused(self):
        self.send(10)
        with open(f'{self.images}/pagemap-{PID}.img', 'ab') as f:
            f.write(b'\xff\xff\xff\xff')
        self.assertRegex(self.ask('ready'), '^failed patching pagemap-7.img')

    def segments(self):
        """As the preload takes them: {id: contents}."""
        s = Lines(self.socket).s
        s.sendall(b'segments\n')
        header = s.recv(8, socket.MSG_WAITALL)
        if not header:
            return None
        out = {}
        for _ in range(struct.unpack('<II', header)[1]):
            record, fds, _, _ = socket.recv_fds(s, 16, 1)
            inode, size = struct.unpack('<QQ', record)
            with open(fds[0], 'rb') as f:
                out[inode] = f.read()
            self.assertEqual(len(out[inode]), size)
        return out

    def test_hands_out_filled_segments(self):
        sender = Sender(self.socket)
        sender.segment(0, 4711, 8 * PAGE)
        sender.segment(1, 4712, 3 * PAGE - 5, b'a name')
        sender.data(1 << 31, 0, b'A' * 4 * PAGE)
        sender.data(1 << 31, PAGE, b'B' * PAGE)
        sender.data(1 << 31 | 1, 2 * PAGE, b'C' * PAGE)
        sender.say(ZERO, 1 << 31, 2 * PAGE, PAGE)
        sender.data(1 << 31, 5 * PAGE, b'D' * PAGE)  # a hole at the end: emptied at the source
        sender.map(SEGMENT_MAP, 1 << 31, [(0, 3 * PAGE)])
        sender.map(SEGMENT_MAP, 1 << 31 | 1, [(2 * PAGE, 3 * PAGE)])
        self.assertEqual(sender.ask(FINAL), 0)
        self.assertEqual(self.segments(), None)  # not before it is ready
        self.assertEqual(self.ask('ready'), 'ready')
        self.assertEqual(self.segments(), {4711: b'A' * PAGE + b'B' * PAGE + bytes(6 * PAGE), 4712: bytes(2 * PAGE) + b'C' * PAGE})

    def test_missing_pages_of_segments_are_counted(self):
        sender = Sender(self.socket)
        sender.segment(0, 4711, 200 * PAGE)
        sender.data(1 << 31, 64 * PAGE, b'A' * 64 * PAGE)
        sender.map(SEGMENT_MAP, 1 << 31, [(63 * PAGE, 130 * PAGE)])
        self.assertEqual(sender.ask(FINAL), 3)

    def test_refuses_a_restore_without_the_preload(self):
        sender = Sender(self.socket)
        sender.segment(0, 4711, 8 * PAGE)
        sender.map(SEGMENT_MAP, 1 << 31, [])
        self.assertEqual(sender.ask(FINAL), 0)
        self.assertEqual(self.ask('ready'), 'ready')
        self.assertEqual(self.restore(10, 'threads').wait(10), 1)
        self.assertEqual(self.segments(), {4711: bytes(8 * PAGE)})

    def test_refuses_hostile_streams(self):
        huge, longer, shorter = 1 << 63, lz4_block.pack(b'x' * 2 * PAGE), lz4_block.pack(b'x' * PAGE)
        bad = {
            'an address that is no page': lambda s: s.say(DATA, 7, BASE + 1, PAGE, bytes(PAGE)),
            'a part of a page': lambda s: s.say(DATA, 7, BASE, 100, bytes(100)),
            'nothing': lambda s: s.say(DATA, 7, BASE, 0),
            'an address beyond all': lambda s: s.say(DATA, 7, 1 << 56, PAGE),
            'a length beyond all': lambda s: s.say(DATA, 7, BASE, huge),
            'a length that wraps': lambda s: s.say(ZERO, 7, BASE, (1 << 64) - PAGE),
            'zeros without end': lambda s: s.say(ZERO, 7, 0, 1 << 55),
            'too many chunks': lambda s: [s.say(ZERO, n, 0, 1 << 41) for n in (7, 8)],
            'nobody': lambda s: s.say(DATA, 0, BASE, PAGE, bytes(PAGE)),
            'a segment that was not announced': lambda s: s.say(DATA, 1 << 31 | 3, 0, PAGE, bytes(PAGE)),
            'zeros of no segment': lambda s: s.say(ZERO, 1 << 31, 0, PAGE),
            'behind a segment': lambda s: (s.segment(0, 1, PAGE), s.data(1 << 31, PAGE, bytes(PAGE))),
            'across the end of a segment': lambda s: (s.segment(0, 1, 4 * PAGE), s.data(1 << 31, 3 * PAGE, bytes(2 * PAGE))),
            'a segment out of turn': lambda s: s.segment(1, 1, PAGE),
            'a segment that is too large': lambda s: s.segment(0, 1, 1 << 60),
            'an empty segment': lambda s: s.segment(0, 1, 0),
            'a name without an end': lambda s: s.segment(0, 1, PAGE, b'x' * 256),
            'a name that is too long': lambda s: s.segment(0, 1, PAGE, b'x' * 255),
            'a segment of a process': lambda s: s.say(SEGMENT, 7, 1, PAGE, bytes(256)),
            'half a pair': lambda s: s.say(POPULATED, 7, 0, 8, bytes(8)),
            'a map that is too long': lambda s: s.say(POPULATED, 7, 0, 1 << 40),
            'a map that goes back': lambda s: s.map(POPULATED, 7, [(8 * PAGE, 9 * PAGE), (0, PAGE)]),
            'an empty range': lambda s: s.map(POPULATED, 7, [(PAGE, PAGE)]),
            'a map of no segment': lambda s: s.map(SEGMENT_MAP, 1 << 31, []),
            'a map behind a segment': lambda s: (s.segment(0, 1, PAGE), s.map(SEGMENT_MAP, 1 << 31, [(0, 2 * PAGE)])),
            'a map of pages for a segment': lambda s: (s.segment(0, 1, PAGE), s.map(POPULATED, 1 << 31, [(0, PAGE)])),
            'an unknown word': lambda s: s.say(99, 7),
            'half a header': lambda s: (s.s.sendall(b'xxx'), s.s.shutdown(socket.SHUT_WR)),
            'half a page': lambda s: (s.say(DATA, 7, BASE, PAGE, b'x'), s.s.shutdown(socket.SHUT_WR)),
            'packed contents that are damaged': lambda s: s.say(PACKED, 7, BASE, PAGE, struct.pack('<I', 9) + b'\xff' * 9),
            'packed contents that are longer': lambda s: s.say(PACKED, 7, BASE, PAGE, struct.pack('<I', len(longer)) + longer),
            'packed contents that are shorter': lambda s: s.say(PACKED, 7, BASE, 2 * PAGE, struct.pack('<I', len(shorter)) + shorter),
            'packed contents larger than they are': lambda s: s.say(PACKED, 7, BASE, PAGE, struct.pack('<I', 1 << 31)),
            'too much packed in one': lambda s: s.say(PACKED, 7, BASE, 32 * PAGE, struct.pack('<I', 9)),
            'packed contents behind a segment': lambda s: (s.segment(0, 1, PAGE), s.packed(1 << 31, PAGE, bytes(PAGE))),
            'packed contents of no segment': lambda s: s.packed(1 << 31, 0, bytes(PAGE)),
            'half of packed contents': lambda s: (s.say(PACKED, 7, BASE, PAGE, struct.pack('<I', 100) + b'x'), s.s.shutdown(socket.SHUT_WR)),
            'half a name': lambda s: (s.say(SEGMENT, 1 << 31, 1, PAGE, b'x'), s.s.shutdown(socket.SHUT_WR)),
            'half a map': lambda s: (s.say(POPULATED, 7, 0, 32, bytes(16)), s.s.shutdown(socket.SHUT_WR)),
            'no final set': lambda s: s.s.shutdown(socket.SHUT_WR),
        }
        for what, do in bad.items():
            with self.subTest(what):
                sender = Sender(self.socket)
                try:
                    do(sender)
                except ConnectionError:
                    pass  # it was refused before all was said
                self.assertTrue(sender.ended())
                self.assertEqual(json.loads(self.ask('wait'))['state'], 'failed')
                self.assertIn('receiving memory: ', self.status()['reason'])
                self.assertRegex(self.ask('ready'), '^failed')
                sender.s.close()
        self.restore_well(10, 'threads')  # and a good one is as good as ever

    def test_a_new_stream_replaces_one_that_hangs(self):
        first = Sender(self.socket)
        first.memory(PID, 10)
        first.say(DATA, PID, BASE, PAGE, b'half')
        self.restore_well(10, 'threads')
        self.assertTrue(first.ended())

    def test_a_new_stream_replaces_one_that_was_killed(self):
        first = Sender(self.socket)
        first.data(PID, BASE + 50 * PAGE, b'old.' * 1024)
        first.s.close()
        second = Sender(self.socket)
        second.map(POPULATED, PID, [(BASE + 50 * PAGE, BASE + 51 * PAGE)])
        self.assertEqual(second.ask(FINAL), 1)  # nothing of the first is left

    def test_what_was_made_ready_takes_no_more(self):
        sender = self.send(10)
        self.assertEqual(self.ask('ready'), 'ready')
        sender.data(PID, BASE, b'late' * 1024)
        self.assertTrue(sender.ended())
        self.assertTrue(Sender(self.socket).ended())
        self.assertEqual(self.status()['state'], 'complete')
        out, _ = self.restore(10, 'threads').communicate(timeout=20)
        self.assertEqual(out, 'good\n')

    def test_a_restore_that_goes_away_is_told(self):
        self.send(10)
        self.assertEqual(self.ask('ready'), 'ready')
        self.assertEqual(self.restore(10, 'leave').wait(10), 0)
        self.assertIn('criu went away', json.loads(self.ask('wait'))['reason'])
        self.assertEqual(self.restore(10, 'threads').wait(10), 1)

    def test_a_process_that_ends_does_not_hold_it_up(self):
        self.send(64 * MIB)
        self.assertEqual(self.ask('ready'), 'ready')
        client = self.restore(64 * MIB, 'idle', stdin=subprocess.PIPE)
        all_of_it = sum(end - start for start, end in runs(64 * MIB))
        wait_for(lambda: (lambda s: s['state'] == 'local' or 0 < s['lazyBytesLeft'] < all_of_it)(self.status()))  # the filling has begun
        client.kill()
        client.wait()
        self.assertEqual(json.loads(self.ask('wait'))['state'], 'local')

    def test_odd_connections_change_nothing(self):
        self.assertEqual(self.ask('hello'), 'failed unknown order')
        for text in (b'', b'x' * 100, b'stat'):
            s = Lines(self.socket).s
            s.sendall(text)
            s.close()
        many = [Lines(self.socket) for _ in range(40)]
        for m in many:
            m.close()
        wait_for(self.is_receiving)

    def is_receiving(self):
        try:
            return self.status()['state'] == 'receiving'
        except (ConnectionError, ValueError):  # there were too many a moment ago
            return False

    def test_ends_when_told_and_not_while_pages_are_awaited(self):
        self.send(48 * MIB)
        self.assertEqual(self.ask('ready'), 'ready')
        with subprocess.Popen([self.lazy, self.work + '/lazy-pages.socket', str(PID), str(48 * MIB), 'stay'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            wait_for(lambda: self.status()['state'] == 'serving')
            self.store.terminate()
            quitter = Lines(self.socket)
            quitter.say('quit')
            out, _ = client.communicate('\n', timeout=20)
            self.assertEqual(out, 'good\n')
        self.assertEqual(self.store.wait(10), 0)
        self.assertEqual(quitter.hear(), '')

    def test_a_store_that_is_killed_takes_the_restored_processes_along(self):
        self.send(24 * MIB)
        self.assertEqual(self.ask('ready'), 'ready')
        # As podmotion-criu does: it names the first process before that has a userfaultfd.
        client = subprocess.Popen(['sh', '-c', 'echo $$ > "$0"; exec "$@"', self.d + '/gate.pid', self.lazy, self.work + '/lazy-pages.socket', str(PID), str(24 * MIB), 'stay'],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(client.kill)
        wait_for(lambda: self.status()['state'] == 'serving')
        wait_for(lambda: 'is being restored' in read(self.work + '/pages.log'))
        self.store.kill()
        self.store.wait()
        try:
            client.stdin.write('\n')  # it would read its memory now, and must get no zeros
            client.stdin.flush()
        except BrokenPipeError:
            pass
        self.assertEqual(client.wait(10), -signal.SIGKILL)
        self.assertEqual(client.stdout.read(), '')

    def test_a_store_that_is_killed_leaves_no_zeros_where_nobody_says_whom_to_kill(self):
        self.send(24 * MIB)
        self.assertEqual(self.ask('ready'), 'ready')
        client = self.restore(24 * MIB, 'stay', stdin=subprocess.PIPE)
        self.addCleanup(client.kill)
        wait_for(lambda: 'is being restored' in read(self.work + '/pages.log'))
        [guard] = read(f'/proc/{self.store.pid}/task/{self.store.pid}/children').split()
        self.store.kill()
        self.store.wait()
        self.write(self.d + '/gate.pid', f'{os.getpid()}\n')  # too late: it may name another by now
        client.stdin.write('\n')
        client.stdin.flush()
        time.sleep(.5)
        self.assertEqual(client.poll(), None)  # it waits
        os.kill(int(guard), signal.SIGKILL)

    def test_a_store_that_is_killed_while_nobody_waits_leaves_nothing(self):
        [guard] = read(f'/proc/{self.store.pid}/task/{self.store.pid}/children').split()
        wait_for(lambda: self.name_of(guard) == 'podmotion-guard')
        self.write(self.d + '/gate.pid', f'{os.getpid()}\n')
        self.store.kill()
        self.store.wait()
        self.assertEqual(exit_status(int(guard)), 0)

    def name_of(self, pid):
        try:
            return read(f'/proc/{pid}/comm').strip()
        except OSError:
            return ''


if __name__ == '__main__':
    unittest.main()
