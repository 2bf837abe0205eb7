"""Pages that stay at the source: the store asks a lender for them, one that answers, one that dies, one that lies, and none."""
import json, os, signal, socket, struct, subprocess, threading, time
from store_support import BASE, DATA, FINAL, GONE, LATER, LEND, MIB, OVER, PACKED, PAGE, PID, POPULATED, SYNC, WANT, ZERO, Sender, StoreCase, content, runs
import lz4_block
from support import Lines, read, wait_for

STALE = b'stale!!!' * (PAGE // 8)


class Lender:
    """Answers with what the dump's rule says, in every way that the wire has."""

    def __init__(self, path, rate=0, limit=None, answer=None):
        self.limit, self.wanted, self.over, self.answer = limit, [], False, answer or self.give
        self.s = Lines(path).s
        self.s.settimeout(None)
        self.s.sendall(b'lend\n')
        try:
            self.say(LEND, 0, 0, rate)
        except BrokenPipeError:
            pass  # whoever comes late may have its answer already
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def say(self, kind, owner, address, length, payload=b''):
        self.s.sendall(struct.pack('<IIQQ', kind, owner, address, length) + payload)

    def serve(self):
        try:
            while len(header := self.s.recv(24, socket.MSG_WAITALL)) == 24:
                kind, owner, address, length = struct.unpack('<IIQQ', header)
                if kind == OVER:
                    self.over = True
                    break
                assert kind == WANT and address % PAGE == 0 and length % PAGE == 0 and 0 < length <= 128 << 10, header
                self.wanted.append((owner, address, length))
                self.answer(owner, address, length)
                if self.limit and len(self.wanted) >= self.limit:
                    break  # killed here: all that it was asked for beyond is lost
        except OSError:
            pass
        self.s.close()

    def give(self, owner, address, length):
        data = b''.join(content(owner, (address - BASE) // PAGE + i) for i in range(length // PAGE))
        how = len(self.wanted) % 3
        if not any(data):
            self.say(ZERO, owner, address, length)
        elif how:
            self.say(DATA, owner, address, length, data)
        else:
            for at in range(0, length, 64 << 10):
                block = lz4_block.pack(data[at:at + (64 << 10)])
                self.say(PACKED, owner, address + at, len(data[at:at + (64 << 10)]), struct.pack('<I', len(block)) + block)

    def close(self):
        self.s.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)


def some(pages, every=3):
    """Of the populated runs every so-manieth."""
    return [r for i, r in enumerate(runs(pages)) if i % every == 0]


class Later(StoreCase):
    store_env = {'PODMOTION_SOURCE_SECONDS': '2'}

    def leave(self, pages, later):
        """All was sent once, with what stays at the source out of date by now."""
        sender = Sender(self.socket)
        sender.memory(PID, pages)
        for start, end in later:
            sender.data(PID, start, STALE * ((end - start) // PAGE))
        sender.map(LATER, PID, later)
        sender.map(POPULATED, PID, runs(pages))
        self.assertEqual(sender.ask(FINAL), 0)
        self.write_images(PID, [(BASE, BASE + pages * PAGE, 0x22)])
        self.left = sum(end - start for start, end in later)
        self.assertEqual(self.status()['sourceBytesLeft'], self.left)
        self.assertEqual(self.ask('ready'), 'ready', read(self.work + '/pages.log'))
        return sender

    def finish(self, client):
        out, _ = client.communicate(timeout=60)
        self.assertEqual((out, client.returncode), ('good\n', 0), read(self.work + '/pages.log'))
        end = json.loads(self.ask('wait'))
        self.assertEqual((end['state'], end['lazyBytesLeft'], end['sourceBytesLeft'], end['reason']), ('local', 0, 0, ''))
        return end

    def come_well(self, pages, later, scenario):
        self.leave(pages, later)
        lender = Lender(self.socket)
        self.finish(self.restore(pages, scenario))
        lender.thread.join(10)
        self.assertTrue(lender.over)
        self.assertEqual(sum(length for _, _, length in lender.wanted), self.left)  # each page once
        return lender

    def test_every_byte_of_threads_that_all_want_it_comes(self):
        self.come_well(24 * MIB, runs(24 * MIB), 'threads')

    def test_every_byte_comes_that_is_read_before_the_restore_has_finished(self):
        self.come_well(24 * MIB, some(24 * MIB), 'read-before')

    def test_what_a_process_does_to_its_memory_is_followed_while_nothing_has_come(self):
        self.come_well(64 * MIB, runs(64 * MIB), 'change-before')

    def test_what_a_process_does_to_its_memory_is_followed(self):
        self.come_well(64 * MIB, some(64 * MIB), 'change')

    def test_threads_that_all_change_their_memory_are_followed(self):
        self.come_well(64 * MIB, some(64 * MIB, 2), 'churn')

    def test_forks_before_anything_has_come(self):
        self.come_well(64 * MIB, runs(64 * MIB), 'fork-before')

    def test_forks_while_pages_come(self):
        self.come_well(64 * MIB, some(64 * MIB), 'fork')

    def test_what_nobody_asks_for_comes_by_itself(self):
        self.leave(24 * MIB, some(24 * MIB, 1))
        lender = Lender(self.socket)
        client = self.restore(24 * MIB, 'idle', stdin=subprocess.PIPE)
        self.assertEqual(json.loads(self.ask('wait'))['state'], 'local')
        self.assertEqual(self.status()['faults'], 0)
        lender.thread.join(10)
        self.assertTrue(lender.over)
        client.communicate('\n', timeout=20)
        self.assertTrue(self.is_told_that_it_is_over())

    def is_told_that_it_is_over(self):
        late = Lender(self.socket)
        late.thread.join(10)
        return late.over and not late.wanted

    def test_a_page_comes_for_a_thread_whatever_the_limit_of_the_rest(self):
        self.leave(24 * MIB, runs(24 * MIB))
        started = time.time()
        lender = Lender(self.socket, rate=1)  # what is asked for ahead of need would take days
        self.finish(self.restore(24 * MIB, 'threads'))
        self.assertLess(time.time() - started, 30)
        lender.thread.join(10)

    def test_the_rest_keeps_to_the_limit(self):
        self.leave(8 * MIB, runs(8 * MIB))
        lender = Lender(self.socket, rate=4 << 20)
        client = self.restore(8 * MIB, 'idle', stdin=subprocess.PIPE)
        started = time.time()
        self.ask_slowly('wait')
        self.assertGreater(time.time() - started, 1)  # 6.4 MiB
        client.communicate('\n', timeout=20)
        lender.thread.join(10)

    def ask_slowly(self, line):
        lines = Lines(self.socket, timeout=60)
        try:
            return lines.ask(line)
        finally:
            lines.close()

    def test_a_lender_that_dies_is_replaced(self):
        for scenario in ('threads', 'fork-before'):
            self.leave(24 * MIB, runs(24 * MIB))
            client = self.restore(24 * MIB, scenario)
            for limit in (1, 20, 100, None):
                lender = Lender(self.socket, limit=limit)
                if limit:
                    lender.thread.join(30)
            self.finish(client)
            self.end_store()
            self.start_store()

    def test_a_new_lender_takes_the_place_of_one_that_hangs(self):
        self.leave(8 * MIB, runs(8 * MIB))
        hanging = Lender(self.socket, answer=lambda *_: None)
        client = self.restore(8 * MIB, 'threads')
        wait_for(lambda: hanging.wanted)
        good = Lender(self.socket)
        self.finish(client)
        hanging.thread.join(10)
        good.thread.join(10)

    def run_as_a_container(self, pages):
        """As podmotion-criu does: it names the first process before that has a userfaultfd."""
        client = subprocess.Popen(['sh', '-c', 'echo $$ > "$0"; exec "$@"', self.d + '/gate.pid', self.lazy, self.work + '/lazy-pages.socket', str(PID), str(pages), 'threads'],
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(client.kill)
        return client

    def expect_loss(self, client, reason):
        end = json.loads(self.ask_slowly('wait'))
        self.assertEqual(end['state'], 'failed')
        self.assertRegex(end['reason'], reason)
        self.assertEqual(client.wait(10), -signal.SIGKILL)
        self.assertEqual(client.stdout.read(), '')
        self.assertEqual(self.store.wait(10), 1)

    def test_a_source_that_is_gone_for_good_is_the_end_of_the_container(self):
        self.leave(24 * MIB, runs(24 * MIB))
        client = self.run_as_a_container(24 * MIB)
        Lender(self.socket, limit=20)
        self.expect_loss(client, r'^\d+ bytes are still at the source, which has given nothing for 2 s$')

    def test_a_lender_that_hangs_for_good_as_well(self):
        self.leave(24 * MIB, runs(24 * MIB))
        client = self.run_as_a_container(24 * MIB)
        Lender(self.socket, answer=lambda *_: None)
        self.expect_loss(client, 'has given nothing for 2 s$')

    def say(self, line):
        lines = Lines(self.socket)
        lines.s.sendall(line.encode() + b'\n')
        lines.close()

    def test_a_source_whose_node_is_lost_is_the_end_when_that_is_said(self):
        self.leave(24 * MIB, runs(24 * MIB))
        client = self.run_as_a_container(24 * MIB)
        hanging = Lender(self.socket, answer=lambda *_: None)
        wait_for(lambda: hanging.wanted)
        self.say('lost')
        self.expect_loss(client, r'^\d+ bytes are still at the source, whose node gives no sign of life$')

    def test_a_node_that_nothing_is_wanted_of_may_be_lost(self):
        self.assertEqual(json.loads(self.ask('lost'))['state'], 'receiving')
        self.come_well(8 * MIB, some(8 * MIB), 'threads')
        self.assertEqual(json.loads(self.ask('lost'))['state'], 'local')

    def test_a_process_that_has_ended_at_the_source_is_the_end_at_once(self):
        self.leave(24 * MIB, runs(24 * MIB))
        client = self.run_as_a_container(24 * MIB)
        lender = Lender(self.socket, answer=lambda owner, *_: lender.say(GONE, owner, 0, 0))
        self.expect_loss(client, "^the source's process 7 has ended")

    def test_pages_that_come_while_nobody_lends_are_still_served(self):
        self.leave(24 * MIB, [(BASE + 20 * MIB * PAGE, BASE + (20 * MIB + 2) * PAGE)])
        self.assertEqual(self.status()['state'], 'complete')
        client = self.restore(24 * MIB, 'idle', stdin=subprocess.PIPE)
        wait_for(lambda: self.status()['lazyBytesLeft'] < 3 * MIB * PAGE)
        lender = Lender(self.socket)
        client.stdin.write('\n')
        client.stdin.flush()
        self.finish(client)
        lender.thread.join(10)

    def test_what_a_later_round_brings_is_here(self):
        sender = Sender(self.socket)
        sender.memory(PID, 10)
        sender.map(LATER, PID, [(BASE, BASE + 2 * PAGE)])
        sender.map(POPULATED, PID, runs(10))
        self.assertEqual(sender.ask(FINAL), 0)
        self.assertEqual(self.status()['sourceBytesLeft'], 2 * PAGE)
        sender.memory(PID, 1)
        sender.say(ZERO, PID, BASE + PAGE, PAGE)
        sender.memory(PID, 10)
        sender.map(POPULATED, PID, runs(10))
        self.assertEqual(sender.ask(FINAL), 0)
        self.assertEqual(self.status()['sourceBytesLeft'], 0)

    def test_what_criu_does_not_restore_lazily_cannot_stay_at_the_source(self):
        sender = Sender(self.socket)
        sender.memory(PID, 10)
        sender.map(LATER, PID, [(BASE, BASE + 2 * PAGE)])
        sender.map(POPULATED, PID, runs(10))
        self.assertEqual(sender.ask(FINAL), 0)
        self.write_images(PID, [(BASE, BASE + 4 * PAGE, 0x2, 0x41), (BASE + 4 * PAGE, BASE + 10 * PAGE, 0x22)])
        self.assertRegex(self.ask('ready'), '^failed 6 of 8 pages of process 7')

    def test_maps_of_what_stays_are_checked(self):
        for what, say in {'half a pair': lambda s: s.say(LATER, 7, 0, 8, bytes(8)), 'too long': lambda s: s.say(LATER, 7, 0, 1 << 40), 'backwards': lambda s: s.map(LATER, 7, [(8 * PAGE, 9 * PAGE), (0, PAGE)]),
                          'no pages': lambda s: s.map(LATER, 7, [(1, PAGE)]), 'a segment': lambda s: s.map(LATER, 1 << 31, [(0, PAGE)]), 'nobody': lambda s: s.map(LATER, 0, [(0, PAGE)]),
                          'a want': lambda s: s.say(WANT, 7, BASE, PAGE)}.items():
            with self.subTest(what):
                sender = Sender(self.socket)
                say(sender)
                self.assertTrue(sender.ended())
                self.assertEqual(self.status()['state'], 'failed')

    def test_lies_are_not_taken(self):
        """The lender is cut off, the restored process waits, and a good one goes on."""
        self.leave(24 * MIB, runs(24 * MIB))
        client = self.restore(24 * MIB, 'threads')
        block = lz4_block.pack(STALE)
        lies = {
            'what nobody asked for': lambda l, owner, address, length: l.say(DATA, owner, address + 128 * MIB * PAGE, PAGE, STALE),
            'of another process': lambda l, owner, address, length: l.say(DATA, 8, address, length, STALE * (length // PAGE)),
            'of nobody': lambda l, owner, address, length: l.say(DATA, 0, address, length, STALE * (length // PAGE)),
            'of a segment': lambda l, owner, address, length: l.say(DATA, 1 << 31, 0, PAGE, STALE),
            'more than was asked for': lambda l, owner, address, length: l.say(DATA, owner, address, length + PAGE, STALE * (length // PAGE + 1)),
            'half a page': lambda l, owner, address, length: l.say(DATA, owner, address, 100, bytes(100)),
            'no page': lambda l, owner, address, length: l.say(DATA, owner, address, 0),
            'zeros of everything': lambda l, owner, address, length: l.say(ZERO, owner, 0, 1 << 40),
            'a length that wraps': lambda l, owner, address, length: l.say(ZERO, owner, address, (1 << 64) - PAGE),
            'damaged': lambda l, owner, address, length: l.say(PACKED, owner, address, PAGE, struct.pack('<I', 9) + b'\xff' * 9),
            'packed of another size': lambda l, owner, address, length: l.say(PACKED, owner, address, 2 * PAGE, struct.pack('<I', len(block)) + block),
            'an unknown word': lambda l, owner, address, length: l.say(99, owner, address, length),
            "the tracker's word": lambda l, owner, address, length: l.say(SYNC, 0, 0, 0),
            'half a header': lambda l, owner, address, length: (l.s.sendall(b'xxx'), l.s.shutdown(socket.SHUT_WR)),
            'half of the contents': lambda l, owner, address, length: (l.say(DATA, owner, address, length, b'x'), l.s.shutdown(socket.SHUT_WR)),
        }
        for what, lie in lies.items():
            with self.subTest(what):
                lender = Lender(self.socket, answer=lambda *want: lie(lender, *want))
                lender.thread.join(10)
                self.assertFalse(lender.thread.is_alive())
                self.assertEqual((self.status()['state'], self.status()['sourceBytesLeft']), ('serving', self.left))
        good = Lender(self.socket)
        self.finish(client)
        good.thread.join(10)

    def test_what_comes_before_anybody_asked_is_a_lie_too(self):
        early = Lender(self.socket)
        early.say(DATA, PID, BASE, PAGE, STALE)
        early.thread.join(10)
        self.assertFalse(early.thread.is_alive())
        self.assertEqual(self.status()['state'], 'receiving')


if __name__ == '__main__':
    import unittest
    unittest.main()
