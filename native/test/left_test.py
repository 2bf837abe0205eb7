"""The whole path with pages that stay at the source: tracker, lender, store, the real runc and criu, and programs that never stop writing."""
import json, os, signal, socket, struct, subprocess, threading, time, unittest
import moved_busy_test, moved_test
from restore_test import CRIU, ID_A, RUNC
from support import Lines, program, read, run, wait_for


def carry(source, target):
    """As the agents do: whatever ends one side ends the other."""
    moved_test.pump(source, target)
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Leaving:
    def start_lending(self, *words):
        """The lender beside the source, and a way to the store, as the agents make it."""
        path = self.dir + '/lend.sock'
        if os.path.exists(path):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        lender = subprocess.Popen([program('pages'), 'lend', '--freezer', self.cgroup(ID_A), '--stream', path, '--pack', 'lz4', *words], stdout=subprocess.PIPE, text=True)
        self.addCleanup(lender.stdout.close)
        self.addCleanup(lender.wait)
        self.addCleanup(lender.kill)
        ours, _ = listener.accept()
        listener.close()
        store = Lines(self.d + '/pages.sock').s
        store.settimeout(None)
        store.sendall(b'lend\n')
        for pair in ((ours, store), (store, ours)):
            threading.Thread(target=carry, args=pair, daemon=True).start()
        return lender

    def leave_and_dump(self):
        for _ in range(3):
            self.track('round')
        self.freeze()
        self.assertTrue(self.track('final later')['listed'])
        self.dump(PODMOTION_SKIP=self.dir + '/skip')
        self.final = self.hear()
        self.assertEqual(self.final['missing'], 0)
        self.assertGreater(self.final['left'], 0)
        self.assertEqual(self.status()['sourceBytesLeft'], self.final['left'])
        self.assertEqual(self.store('ready'), 'ready')

    def status(self):
        return json.loads(self.store('status'))

    def restore(self):
        self.agent.say(f'restore {self.dir}/images {self.dir}/rwork 1')
        self.reach_the_gate()
        self.let_live()

    def expect_local(self):
        end = json.loads(self.store('wait'))
        self.assertEqual((end['state'], end['sourceBytesLeft']), ('local', 0), end)


@unittest.skipUnless(RUNC and CRIU, 'set PODMOTION_TEST_RUNC and PODMOTION_TEST_CRIU to real ones')
class LeftBusy(Leaving, moved_busy_test.Busy):
    test_a_busy_program_goes_on_elsewhere = test_a_busy_program_goes_on_here_when_it_is_given_up = None

    def test_a_busy_program_is_followed_by_its_pages(self):
        self.start_memory()
        self.assertEqual(self.lines.readline(), 'up\n')
        self.leave_and_dump()
        lender = self.start_lending()
        self.restore()
        self.assertRegex(self.ask('verify'), '^ok ')
        self.expect_local()
        self.assertEqual(lender.wait(10), 0)
        self.assertRegex(self.ask('verify'), '^ok ')
        self.track_again()


@unittest.skipUnless(RUNC and CRIU, 'set PODMOTION_TEST_RUNC and PODMOTION_TEST_CRIU to real ones')
class Left(Leaving, moved_test.Moved):
    """A heap that is rewritten as fast as it goes."""
    fixture, arguments = '../../../test/lab/workloads/heap', ['200', 'private']
    test_every_byte_arrives = test_every_byte_arrives_at_a_restore_that_was_armed = None
    test_a_restore_that_is_given_up_leaves_the_source_as_it_was = test_without_ready_nothing_is_restored = None

    def write_and_leave(self):
        self.start_memory()
        self.assertEqual(self.ask('dirty -1'), 'ok')
        time.sleep(.5)
        self.leave_and_dump()
        self.assertGreater(self.final['left'], 50 << 20)
        self.assertLess(self.final['bytes'], 8 << 20)

    def test_a_heap_that_is_rewritten_without_pause_is_followed_by_its_pages(self):
        self.write_and_leave()
        lender = self.start_lending()
        self.restore()
        self.assertRegex(self.ask('verify'), '^ok ')
        self.expect_local()
        self.assertEqual(lender.wait(10), 0)
        self.assertRegex(self.ask('verify'), '^ok ')

    def test_a_lender_that_is_killed_is_replaced(self):
        self.write_and_leave()
        first = self.start_lending('--limit', '1')
        self.restore()
        for _ in range(3):
            left = self.status()['sourceBytesLeft']
            wait_for(lambda: self.status()['sourceBytesLeft'] < left)
            first.kill()
            wait_for(lambda: 'the lender went' in read(self.dir + '/rwork/pages.log'))
            first = self.start_lending('--limit', '1')
        self.assertGreater(self.status()['sourceBytesLeft'], 0)
        second = self.start_lending()
        self.assertRegex(self.ask('verify'), '^ok ')
        self.expect_local()
        self.assertEqual(second.wait(10), 0)
        self.assertRegex(self.ask('verify'), '^ok ')

    def test_nothing_is_lent_of_a_source_that_runs(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.dir + '/lend.sock')
        listener.listen(1)
        with subprocess.Popen([program('pages'), 'lend', '--freezer', self.cgroup(ID_A), '--stream', self.dir + '/lend.sock'], stdout=subprocess.PIPE, text=True) as lender:
            store, _ = listener.accept()
            self.assertEqual(len(store.recv(24, socket.MSG_WAITALL)), 24)
            store.sendall(struct.pack('<IIQQ', 12, 1, 4096, 4096))
            self.assertRegex(json.loads(lender.stdout.readline())['error'], 'are not frozen$')
        self.assertEqual(lender.returncode, 1)

    def test_a_source_that_has_ended_ends_the_restored_one(self):
        self.write_and_leave()
        first = self.start_lending('--limit', '1')
        self.restore()
        first.kill()
        for pid in read(self.cgroup(ID_A) + '/cgroup.procs').split():
            os.kill(int(pid), signal.SIGKILL)
        self.thaw()
        wait_for(lambda: not read(self.cgroup(ID_A) + '/cgroup.procs').split())
        run(program('helper'), 'freeze', self.cgroup(ID_A))
        self.start_lending()
        wait_for(lambda: not os.path.exists(f'/proc/{self.restored}/fd/0'))
        self.assertRegex(read(self.dir + '/rwork/pages.log'), "cannot go on: the source's process 1 has ended")
