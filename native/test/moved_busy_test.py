"""The whole path with a program that never stops: threads, short-lived children, memory that is mapped, moved and given back."""
import json, os, unittest
import moved_test, track_test
from restore_test import CRIU, ID_B, RUNC
from support import program, run


@unittest.skipUnless(RUNC and CRIU, 'set PODMOTION_TEST_RUNC and PODMOTION_TEST_CRIU to real ones')
class Busy(moved_test.Moved):
    fixture, arguments = 'memory', ['64', '3000', '3', 'churn', 'forks', 'listen']
    # Those of the quiet program.
    test_every_byte_arrives = test_every_byte_arrives_at_a_restore_that_was_armed = None
    test_a_restore_that_is_given_up_leaves_the_source_as_it_was = test_without_ready_nothing_is_restored = None

    def dump_ahead(self):
        self.start_memory()
        self.assertEqual(self.lines.readline(), 'up\n')
        for _ in range(4):
            self.track('round')
        self.freeze()
        self.assertTrue(self.track('final')['listed'])
        self.dump(PODMOTION_SKIP=self.dir + '/skip')
        self.assertEqual(self.hear()['missing'], 0)
        self.assertEqual(self.store('ready'), 'ready')

    def test_a_busy_program_goes_on_elsewhere(self):
        self.dump_ahead()
        self.agent.say(f'restore {self.dir}/images {self.dir}/rwork 1')
        self.reach_the_gate()
        self.let_live()
        self.assertRegex(self.ask('verify'), '^ok ')  # also while its memory still comes
        self.assertEqual(json.loads(self.store('wait'))['state'], 'local')
        self.assertRegex(self.ask('verify'), '^ok ')
        self.track_again()
        self.assertRegex(self.ask('verify'), '^ok ')

    def track_again(self):
        """What criu and the store left is memory like any other: the next move can go ahead of its freeze too."""
        os.mkdir(self.dir + '/again')
        t = track_test.Tracker(self.dir + '/again', self.cgroup(ID_B))
        self.addCleanup(t.close)
        for _ in range(3):
            done = t('round')
        self.assertEqual(done['segments'], 4, done)
        run(program('helper'), 'freeze', self.cgroup(ID_B))
        _, final = t.final()
        self.assertEqual(final['missing'], 0)
        private, shared = track_test.Tracking('check_all').check_all(t, self.restored)
        self.assertGreater(private, 100)
        self.assertGreater(shared, 64 * 256)
        t.close()
        run(program('helper'), 'thaw', self.cgroup(ID_B))

    def test_a_busy_program_goes_on_here_when_it_is_given_up(self):
        self.dump_ahead()
        self.tracker.stdin.close()
        self.assertEqual(self.tracker.wait(10), 0)
        self.thaw()
        self.assertRegex(self.ask('verify'), '^ok ')
