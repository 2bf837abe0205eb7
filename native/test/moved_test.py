"""Memory ahead of the freeze, the whole path: tracker, store, preload, the real runc and criu; checksums of every byte."""
import json, os, shutil, socket, subprocess, threading, time, unittest
from support import BUILD, Lines, program, read, wait_for
from restore_test import CRIU, ID_A, RUNC, Containers, release, route_to

PRELOAD = 'podmotion-criu-pages.so'


def pump(source, target):
    try:
        while piece := source.recv(1 << 20):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@unittest.skipUnless(RUNC and CRIU, 'set PODMOTION_TEST_RUNC and PODMOTION_TEST_CRIU to real ones')
class Moved(Containers):
    fixture, arguments = 'moved', ['200', '64']

    def setUp(self):
        super().setUp()
        # Sanitizers are for our programs: criu itself gets the plain one.
        built = next(p for p in (f'{BUILD}/{PRELOAD}', f'{BUILD}/../{PRELOAD}') if os.path.exists(p))
        os.symlink(os.path.realpath(built), f'{self.dir}/libexec/{PRELOAD}')
        self.env.update(PODMOTION_PAGES_PROGRAM=program('pages'))
        self.source, _ = self.create(ID_A, 'pa', {})
        self.runc('start', ID_A)
        self.client = wait_for(self.try_connect, 30)
        self.client.settimeout(60)
        self.lines = self.client.makefile('r')

    def ask(self, line):
        self.client.sendall(line.encode() + b'\n')
        return self.lines.readline().strip()

    def start_memory(self):
        """The store beside the stand-in, the tracker beside the source, and a stream between them, as the agents make it."""
        os.makedirs(self.dir + '/images', exist_ok=True)
        self.stand_in()
        self.assertRegex(self.agent.ask(f'pages {self.dir}/images {self.dir}/rwork'), r'^pages \d+$')
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.dir + '/stream.sock')
        listener.listen(1)
        self.tracker = subprocess.Popen([program('pages'), 'track', '--freezer', self.cgroup(ID_A), '--stream', self.dir + '/stream.sock', '--skip', self.dir + '/skip', '--pack', 'lz4'],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.tracker.wait)
        self.addCleanup(self.tracker.kill)
        ours, _ = listener.accept()
        store = Lines(self.d + '/pages.sock').s
        store.settimeout(None)
        store.sendall(b'stream\n')
        for pair in ((ours, store), (store, ours)):
            threading.Thread(target=pump, args=pair, daemon=True).start()

    def track(self, command):
        self.tracker.stdin.write(command + '\n')
        self.tracker.stdin.flush()
        return self.hear()

    def hear(self):
        answer = json.loads(self.tracker.stdout.readline())
        self.assertNotIn('error', answer, read(self.dir + '/rwork/pages.log'))
        return answer

    def rounds(self):
        first = self.track('round')
        self.assertEqual((first['processes'], first['untracked'], first['segments']), (2, [], 1), first)
        for seed in (10, 20):
            self.ask(f'write {seed} 3000')
            again = self.track('round')
            self.assertLess(again['pages'], first['pages'] / 2)
        self.ask('write 30 500')  # for the final set

    def store(self, word):
        lines = Lines(self.d + '/pages.sock', timeout=60)
        try:
            return lines.ask(word)
        finally:
            lines.close()

    def freeze_and_dump(self):
        """Frozen: the last set is sent while criu dumps what the tracker leaves to it."""
        self.freeze()
        self.assertEqual(self.track('final')['untracked'], 0)
        self.dump(PODMOTION_SKIP=self.dir + '/skip')
        final = self.hear()
        self.assertEqual((final['final'], final['missing']), (True, 0), final)
        size = sum(os.path.getsize(f'{self.dir}/images/{name}') for name in os.listdir(self.dir + '/images'))
        self.assertLess(size, 8 << 20)
        self.assertEqual(json.loads(self.store('status'))['state'], 'complete')
        self.assertEqual(self.store('ready'), 'ready', read(self.dir + '/rwork/pages.log'))
        # The private mappings of files came ahead as well, and were not dumped.
        self.assertGreaterEqual(sum(os.path.getsize(f'{self.dir}/images/parent/{name}') for name in os.listdir(self.dir + '/images/parent')), 4 * 21 * 4096)

    def let_live(self):
        route_to('pb')
        self.gate.say('go')
        self.gate.say('resume')
        self.assertEqual(self.agent.hear(), f'running {self.restored}')
        release('pb')

    def check_moved(self, before):
        self.assertEqual(self.ask('sum'), before)
        end = json.loads(self.store('wait'))
        self.assertEqual((end['state'], end['lazyBytesLeft']), ('local', 0))
        self.assertEqual(self.ask('sum'), before)
        self.ask('write 40 3000')
        self.assertNotEqual(self.ask('sum'), before)

    def test_every_byte_arrives(self):
        self.start_memory()
        self.rounds()
        before, guard = self.ask('sum'), self.ask('guard')
        self.freeze_and_dump()
        self.agent.say(f'restore {self.dir}/images {self.dir}/rwork 1')
        self.reach_the_gate()
        self.let_live()
        self.check_moved(before)
        self.assertEqual(self.ask('guard'), guard)

    def test_every_byte_arrives_at_a_restore_that_was_armed(self):
        self.start_memory()
        self.rounds()
        before = self.ask('sum')
        self.write(self.dir + '/images/descriptors.json', json.dumps(json.loads(read(f'{self.dir}/root/{ID_A}/state.json'))['external_descriptors']))
        self.agent.say(f'arm {self.dir}/images {self.dir}/rwork 1')
        gate = Lines(self.d + '/gate.sock')
        self.assertEqual(gate.hear().split()[1], 'held')
        self.freeze_and_dump()
        self.assertEqual(gate.ask('ready'), 'released')
        gate.close()
        self.reach_the_gate()
        self.let_live()
        self.check_moved(before)

    def test_a_restore_that_is_given_up_leaves_the_source_as_it_was(self):
        self.start_memory()
        self.rounds()
        before = self.ask('sum')
        self.freeze_and_dump()
        self.agent.say(f'restore {self.dir}/images {self.dir}/rwork 1')
        self.reach_the_gate()
        self.assertEqual(self.gate.ask('abort'), 'decided abort')
        self.assertRegex(self.agent.hear(), r'^failed [1-9]')
        self.assertEqual(json.loads(self.store('wait'))['state'], 'failed')
        self.agent.say('quit')
        self.thaw()
        self.assertEqual(self.ask('sum'), before)

    def test_without_ready_nothing_is_restored(self):
        self.start_memory()
        self.rounds()
        self.freeze()
        self.track('final')
        self.dump(PODMOTION_SKIP=self.dir + '/skip')
        self.hear()
        self.assertRegex(self.agent.ask(f'restore {self.dir}/images {self.dir}/rwork 1'), r'^failed [1-9]')
        self.thaw()
        self.ask('sum')
