"""podmotion-runc with a fake runc: what it starts, stands in for, refuses and answers."""
import json, os, shutil, time, signal, subprocess, sys
from support import Case, Lines, be_subreaper, exit_status, program, read, run, wait_for

# Says how it was called; `restore` leaves a "restored process" behind, as runc's --detach does.
FAKE_RUNC = f'''#!{sys.executable}
import json, os, sys, time
words, log = sys.argv[1:], os.environ['FAKE_LOG']
def hop(until):  # from process to process: each ends as soon as there is a next one
    while time.time() < until:
        if os.fork():
            os._exit(0)
    time.sleep(60)
with open(log, 'a') as f:
    f.write(json.dumps({{'words': words, 'path': os.environ['PATH'], 'gate': os.environ.get('PODMOTION_GATE'),
                         'hold': os.environ.get('PODMOTION_HOLD_RESTORE'), 'pages': os.environ.get('PODMOTION_PAGES')}}) + '\\n')
if 'restore' in words:
    while os.path.exists(log + '.wait'):
        time.sleep(.01)
    if os.path.exists(log + '.fail'):
        for _ in range(8 if os.path.exists(log + '.leave') else 0):
            if os.fork() == 0:
                hop(time.time() + .5)
        sys.exit(3)
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
    root = words[words.index('--root') + 1]
    os.makedirs(root + '/' + words[-1])
    open(root + '/' + words[-1] + '/state.json', 'w').close()
    with open(words[words.index('--pid-file') + 1], 'w') as f:
        f.write(str(pid))
print('runc', *words)
'''
# A store: FAKE_PAGES says whether it listens, and how it ends.
FAKE_PAGES = f'''#!{sys.executable}
import json, os, sys, time
mode = os.environ.get('FAKE_PAGES', 'listens')
with open(os.environ['FAKE_LOG'] + '.pages', 'a') as f:
    f.write(json.dumps([os.getpid(), sys.argv[1:], [os.readlink(f'/proc/self/fd/{{n}}') for n in (0, 2)], os.listdir('/proc/self/fd')]) + '\\n')
if mode == 'fails':
    sys.exit(5)
if mode == 'silent':
    os.close(1)
else:
    os.write(1, b'listening\\n')
time.sleep(60)
'''
CRI = 'io.kubernetes.cri.'
POD = {CRI + 'sandbox-namespace': 'shop', CRI + 'sandbox-name': 'cart-7', CRI + 'sandbox-uid': 'u-1', CRI + 'container-name': 'app', CRI + 'container-type': 'container'}
MOVED = {**POD, 'podmotion.io/migration': 'm-"1"'}


def cmdline(pid):
    try:
        return read(f'/proc/{pid}/cmdline')
    except OSError:
        return ''


class Wrapper(Case):
    def setUp(self):
        super().setUp()
        be_subreaper()
        self.runc = self.write(self.dir + '/runc', FAKE_RUNC)
        os.chmod(self.runc, 0o755)
        self.log = self.dir + '/fake.log'
        self.pages = self.write(self.dir + '/pages', FAKE_PAGES)
        os.chmod(self.pages, 0o755)
        self.env.update(PODMOTION_RUNC=self.runc, FAKE_LOG=self.log, PODMOTION_PAGES_PROGRAM=self.pages)
        self.d = self.run_dir + '/awaited/shop_cart-7/app'

    def call(self, *words, check=False):
        return run(program('runc'), '--root', self.dir + '/root', '--log', self.dir + '/log.json', '--log-format=json', *words, env=self.env, check=check)

    def create(self, annotations, *more, namespaces=()):
        config = {'annotations': annotations, 'process': {'args': ['annotations']}, 'linux': {'namespaces': list(namespaces)}}
        self.write(self.dir + '/b/config.json', json.dumps(config, indent=1))
        # Into a file: the stand-in keeps its stdio open, as the container would.
        with open(self.dir + '/out', 'w') as out:
            done = subprocess.run([program('runc'), '--root', self.dir + '/root', '--log', self.dir + '/log.json', '--log-format=json', 'create', '--bundle',
                                   self.dir + '/b', '--pid-file', self.dir + '/pid', *more, 'c1'], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env, timeout=20)
        done.stderr = read(self.dir + '/out')
        return done

    def calls(self):
        return [json.loads(line) for line in read(self.log).splitlines()] if os.path.exists(self.log) else []

    def stand_in(self):
        os.makedirs(self.d)
        done = self.create(MOVED)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.calls(), [])
        self.pid = int(read(self.dir + '/pid'))
        self.addCleanup(self.end)
        return Lines(self.d + '/standin.sock')

    def end(self):
        for pid in {self.pid, *self.children(self.pid)}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def children(self, pid):
        try:
            return [int(p) for p in read(f'/proc/{pid}/task/{pid}/children').split()]
        except OSError:
            return []

    def refused(self, done, *parts):
        self.assertEqual((done.returncode, self.calls()), (1, []))
        message = json.loads(read(self.dir + '/log.json').splitlines()[-1])
        self.assertEqual(message['level'], 'error')
        for part in parts:
            self.assertIn(part, message['msg'])
            self.assertIn(part, done.stderr)

    def test_a_sandbox_begins_without_mptcp(self):
        def setting(*where): return run(*where, 'cat', '/proc/sys/net/mptcp/enabled').stdout
        sandbox, host = {**POD, CRI + 'container-type': 'sandbox'}, setting()
        with subprocess.Popen(['unshare', '--net', 'sleep', '60']) as pod:
            wait_for(lambda: os.readlink(f'/proc/{pod.pid}/ns/net') != os.readlink('/proc/self/ns/net'))
            inside, network = ['nsenter', '-t', pod.pid, '-n'], {'type': 'network', 'path': f'/proc/{pod.pid}/ns/net'}
            self.assertEqual(self.create(POD, namespaces=[network]).returncode, 0)
            self.assertEqual(setting(*inside), '1\n', 'of the sandbox alone')
            self.assertEqual(self.create(sandbox, namespaces=[{'type': 'pid'}, network]).returncode, 0)
            self.assertEqual(setting(*inside), '0\n')
            for namespaces in ([], [{'type': 'network'}], [{'type': 'network', 'path': '/nowhere'}]):
                self.assertEqual(self.create(sandbox, namespaces=namespaces).returncode, 0)
            self.assertEqual((setting(), len(self.calls())), (host, 5), 'of the host it is none of ours')
            pod.kill()

    def test_passes_everything_else_to_runc_unchanged(self):
        for words in (['--version'], ['list'], ['kill', '--all', 'x', '9'], ['delete', '--force', 'x'], ['exec', '--process', 'p', '-d', 'x']):
            self.call(*words, check=True)
            self.assertEqual(self.calls()[-1]['words'][-len(words):], words)

    def test_starts_ordinary_containers(self):
        for annotations in ({}, POD, {**MOVED, CRI + 'container-type': 'sandbox'}, {k: v for k, v in MOVED.items() if 'container-name' not in k}):
            n = len(self.calls())
            self.assertEqual(self.create(annotations).returncode, 0)
            self.assertEqual(len(self.calls()), n + 1)

    def test_real_runc_may_be_named_in_path(self):
        del self.env['PODMOTION_RUNC']
        os.symlink(program('runc'), self.dir + '/libexec/runc')
        self.env['PATH'] = f'{self.dir}/libexec:{self.dir}:{self.env["PATH"]}'
        self.call('list', check=True)
        self.assertEqual(len(self.calls()), 1)

    def test_refuses_a_second_copy_of_a_source(self):
        for where in (self.run_dir, self.state_dir):
            path = self.write(where + '/moving/u-1', 'm-9\n')
            self.refused(self.create(POD), 'container app of pod shop/cart-7 is being moved (migration m-9)')
            os.unlink(path)
        self.assertEqual(self.create(POD).returncode, 0)

    def test_refuses_what_is_not_announced(self):
        self.refused(self.create(MOVED), 'receives migration m-"1"', 'is the podmotion agent running?')

    def test_refuses_what_it_cannot_read(self):
        self.refused(self.create({**MOVED, CRI + 'sandbox-name': '../x'}), 'not valid')
        self.write(self.dir + '/b/config.json', '{"annotations":{')
        self.refused(self.call('create', '--bundle', self.dir + '/b', 'c1'), 'not valid')

    def test_refuses_a_terminal(self):
        os.makedirs(self.d)
        self.refused(self.create(MOVED, '--console-socket', '/x'), 'tty')

    def test_starts_afresh_what_was_restored_once(self):
        os.makedirs(self.d)
        self.write(self.state_dir + '/restored/shop_cart-7/app', '')
        self.assertEqual(self.create(MOVED).returncode, 0)
        self.assertIn('create', self.calls()[0]['words'])

    def test_starts_afresh_what_the_gate_released(self):
        self.write(self.d + '/gate.decision', 'go\n')
        self.assertEqual(self.create(MOVED).returncode, 0)
        self.assertIn('create', self.calls()[0]['words'])
        self.assertTrue(os.path.exists(self.state_dir + '/restored/shop_cart-7/app'))

    def test_answers_while_waiting(self):
        agent = self.stand_in()
        self.assertEqual(agent.ask('status'), 'waiting')
        self.assertEqual(self.call('start', 'c1').returncode, 0)
        self.assertEqual(self.call('update', '--resources', '-', 'c1').returncode, 0)
        state = json.loads(self.call('state', 'c1').stdout)
        self.assertEqual((state['id'], state['status'], state['pid'], state['bundle']), ('c1', 'running', self.pid, self.dir + '/b'))
        self.assertEqual([self.call(w, 'c1').returncode for w in ('pause', 'events')], [1, 1])
        self.assertEqual(json.loads(self.call('ps', '--format', 'json', 'c1').stdout), [self.pid])
        self.assertIn('exec c1', self.call('exec', '--process', 'p', 'c1').stderr)
        self.assertEqual(self.calls(), [])
        self.assertEqual(os.readlink(f'/proc/{self.pid}/fd/1'), self.dir + '/out')
        self.assertEqual(read(self.dir + '/out'), '')
        self.assertEqual(read(f'/proc/{self.pid}/comm'), 'podmotion-stand\n')
        self.assertEqual(oct(os.stat(self.d + '/standin.sock').st_mode & 0o777), '0o600')

    def test_kill_and_delete_while_waiting(self):
        self.stand_in()
        self.assertEqual(self.call('kill', 'c1', '15').returncode, 0)
        self.assertEqual(os.waitstatus_to_exitcode(exit_status(self.pid)), 143)
        self.assertIn('container not running', self.call('kill', 'c1', 'SIGKILL').stderr)
        self.assertEqual(json.loads(self.call('state', 'c1').stdout)['status'], 'stopped')
        self.assertEqual(json.loads(self.call('ps', '--format', 'json', 'c1').stdout), [])
        self.assertEqual(self.call('delete', 'c1').returncode, 0)
        self.assertEqual(os.listdir(self.run_dir + '/standins'), [])
        self.assertEqual(self.calls(), [])

    def test_delete_ends_a_living_stand_in(self):
        self.stand_in()
        self.assertEqual(self.call('delete', '--force', 'c1').returncode, 0)
        self.assertEqual(exit_status(self.pid), signal.SIGKILL)

    def test_never_signals_another_process_that_got_the_pid(self):
        self.stand_in()
        # The kernel tells start times in hundredths of a second.
        time.sleep(0.05)
        other = subprocess.Popen(['sleep', '60'])
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        path = self.run_dir + '/standins/c1'
        self.write(path, read(path).replace(str(self.pid), str(other.pid), 1))
        self.assertEqual(self.call('kill', 'c1', 'KILL').returncode, 1)
        self.assertEqual(self.call('delete', '--force', 'c1').returncode, 0)
        self.assertIsNone(other.poll())

    def test_quit_ends_it(self):
        agent = self.stand_in()
        agent.say('quit')
        self.assertEqual(agent.hear(), '')
        self.assertEqual(os.waitstatus_to_exitcode(exit_status(self.pid)), 1)

    def test_restores_once_and_mirrors_exit(self):
        agent = self.stand_in()
        self.write(self.log + '.wait', '')
        agent.say('restore /i /w 1')
        second = Lines(self.d + '/standin.sock')
        self.assertEqual(second.ask('status'), 'restoring')
        self.assertEqual(second.ask('restore /i /w 0'), 'restoring')
        self.assertEqual(second.ask('quit'), 'restoring')
        self.assertTrue(os.path.exists(self.d + '/restoring'))
        agent.close()  # the agent restarts
        os.unlink(self.log + '.wait')
        wait_for(lambda: second.ask('status').startswith('running'))
        init = int(second.ask('status').split()[1])
        self.assertTrue(os.path.exists(self.state_dir + '/restored/shop_cart-7/app'))
        self.assertEqual(len(self.calls()), 1)
        call = self.calls()[0]
        self.assertEqual(call['words'], ['--root', self.dir + '/root', '--log', self.dir + '/log.json', '--log-format=json', 'restore', '--detach',
                                         '--bundle', self.dir + '/b', '--pid-file', self.d + '/pid', '--tcp-established', '--manage-cgroups-mode', 'ignore',
                                         '--image-path', '/i', '--work-path', '/w', '--lazy-pages', 'c1'])
        self.assertTrue(call['path'].startswith(self.dir + '/libexec:'))
        self.assertEqual((call['gate'], call['hold'], call['pages']), (self.d + '/gate.sock', None, None))
        self.assertEqual(self.children(self.pid), [init])
        self.call('kill', 'c1', 'TERM')
        self.assertEqual(self.calls()[-1]['words'][-3:], ['kill', 'c1', 'TERM'])
        self.assertEqual(self.call('start', 'c1').returncode, 0)
        os.kill(init, signal.SIGUSR1)
        self.assertEqual(exit_status(self.pid), signal.SIGUSR1)
        self.call('delete', 'c1')
        self.assertEqual(self.calls()[-1]['words'][-3:], ['delete', '--force', 'c1'])
        self.assertEqual(os.listdir(self.run_dir + '/standins'), [])

    def test_running_delete_without_force_keeps_the_record(self):
        self.assertTrue(self.stand_in().ask('restore /i /w 0').startswith('running'))
        self.call('delete', 'c1')
        self.assertEqual(self.calls()[-1]['words'][-2:], ['delete', 'c1'])
        self.assertEqual(os.listdir(self.run_dir + '/standins'), ['c1'])

    def test_a_term_while_restoring_reaches_the_restored_process(self):
        agent = self.stand_in()
        self.write(self.log + '.wait', '')
        agent.say('restore /i /w 0')
        wait_for(self.calls)
        self.assertEqual(self.call('kill', 'c1', '15').returncode, 0)
        self.assertEqual(Lines(self.d + '/standin.sock').ask('status'), 'restoring')
        os.unlink(self.log + '.wait')
        self.assertTrue(agent.hear().startswith('running'))
        self.assertEqual(exit_status(self.pid), signal.SIGTERM)

    def test_failed_restore_is_told_and_leaves_no_marker(self):
        agent = self.stand_in()
        self.write(self.log + '.fail', '')
        self.assertEqual(agent.ask('restore /i /w 0'), 'failed 3')
        self.assertEqual(agent.ask('restore /i /w 0'), 'failed 3')
        self.assertEqual(len(self.calls()), 1)
        self.assertFalse(os.path.exists(self.state_dir + '/restored'))
        agent.say('quit')
        self.assertEqual(os.waitstatus_to_exitcode(exit_status(self.pid)), 1)

    def test_a_failed_restore_leaves_nobody_behind_who_was_just_handed_over(self):
        self.write(self.log + '.fail', '')
        self.write(self.log + '.leave', '')
        self.assertEqual(self.stand_in().ask('restore /i /w 0'), 'failed 3')
        time.sleep(.5)
        left = [p for p in os.listdir('/proc') if p.isdigit() and self.runc in cmdline(p)]
        self.assertEqual(left, [])

    def test_odd_lines_change_nothing(self):
        agent = self.stand_in()
        for line in ('restore', 'restore /i', 'restore /i /w', 'restore /i /w 2', 'restore i /w 0', 'restore /i /w 0 x', 'arm /i /w', 'pages', 'pages /i', 'pages i /w', 'pages /i /w 1'):
            self.assertEqual(agent.ask(line), 'failed 2')
        self.assertEqual(agent.ask('hello'), 'waiting')
        long = Lines(self.d + '/standin.sock')
        long.s.sendall(b'x' * 20000)
        self.assertEqual(Lines(self.d + '/standin.sock').ask('status'), 'waiting')
        many = [Lines(self.d + '/standin.sock') for _ in range(12)]
        self.assertEqual(agent.ask('status'), 'waiting')
        for m in many:
            m.close()
        wait_for(lambda: Lines(self.d + '/standin.sock').ask('status') == 'waiting')

    def test_long_names_still_get_their_socket(self):
        name = 'a' * 200
        self.d = f'{self.run_dir}/awaited/shop_{name}/app'
        os.makedirs(self.d)
        self.assertEqual(self.create({**MOVED, CRI + 'sandbox-name': name}).returncode, 0)
        self.pid = int(read(self.dir + '/pid'))
        self.addCleanup(self.end)
        self.assertEqual(Lines(self.d + '/standin.sock').ask('status'), 'waiting')

    def stores(self):
        path = self.log + '.pages'
        return [json.loads(line) for line in read(path).splitlines()] if os.path.exists(path) else []

    def test_arms_a_restore(self):
        agent = self.stand_in()
        self.write(self.log + '.wait', '')
        agent.say('arm /i /w 1')
        wait_for(self.calls)
        self.assertEqual(Lines(self.d + '/standin.sock').ask('status'), 'restoring')
        self.assertEqual((self.calls()[0]['hold'], self.calls()[0]['pages']), ('1', None))
        self.assertIn('--lazy-pages', self.calls()[0]['words'])
        os.unlink(self.log + '.wait')
        self.assertTrue(agent.hear().startswith('running'))

    def test_starts_a_store_and_restores_from_it(self):
        agent = self.stand_in()
        pages = agent.ask('pages /i /w')
        [[pid, words, stdio, fds]] = self.stores()
        self.assertEqual(pages, f'pages {pid}')
        self.assertEqual(words, ['store', '--socket', self.d + '/pages.sock', '--work', '/w', '--images', '/i'])
        self.assertEqual(stdio, ['/dev/null', '/dev/null'])
        self.assertLessEqual(len(fds), 5)  # stdio, the log, the folder being listed: nothing of the stand-in's
        self.assertEqual(agent.ask('status'), 'waiting')
        self.assertEqual(Lines(self.d + '/standin.sock').ask('pages /i /w'), pages)
        self.assertTrue(agent.ask('restore /i /w 1').startswith('running'))
        self.assertEqual(self.calls()[0]['pages'], self.d + '/pages.sock')
        os.kill(pid, 0)
        self.assertEqual(agent.ask('pages /i /w'), pages)
        self.assertEqual(read(self.dir + '/out').replace('runc ', '', 1)[:6], '--root')  # not a word of the store's
        init = int(agent.ask('status').split()[1])
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: pid not in self.children(self.pid))
        self.assertEqual(agent.ask('status'), f'running {init}')
        os.kill(init, signal.SIGUSR1)
        self.assertEqual(exit_status(self.pid), signal.SIGUSR1)

    def test_a_store_ends_with_its_stand_in(self):
        for how in ('quit', 'SIGTERM', 'SIGKILL'):
            agent = self.stand_in()
            pid = int(agent.ask('pages /i /w').split()[1])
            if how == 'quit':
                agent.say('quit')
            else:
                os.kill(self.pid, getattr(signal, how))
            exit_status(self.pid)
            self.assertEqual(exit_status(pid) if how != 'quit' else signal.SIGKILL, signal.SIGKILL)
            self.assertEqual(self.call('delete', 'c1').returncode, 0)
            os.rename(self.d, self.d + how)

    def test_a_store_that_does_not_listen_is_told(self):
        for mode, code in (('fails', 5), ('silent', 137)):
            self.env['FAKE_PAGES'] = mode
            agent = self.stand_in()
            self.assertEqual(agent.ask('pages /i /w'), f'failed {code}')
            self.assertEqual(self.children(self.pid), [])
            self.assertEqual(agent.ask('status'), 'waiting')
            self.assertTrue(agent.ask('restore /i /w 0').startswith('running'))
            self.assertEqual(self.calls()[-1]['pages'], None)
            self.end()
            exit_status(self.pid)
            for path in (self.d, self.state_dir + '/restored', self.log):
                os.rename(path, path + '.' + mode)
            self.call('delete', 'c1')
            shutil.rmtree(self.dir + '/root')
            os.unlink(self.log)

    def test_a_store_that_cannot_be_started_is_told(self):
        self.env['PODMOTION_PAGES_PROGRAM'] = self.dir + '/none'
        self.assertEqual(self.stand_in().ask('pages /i /w'), 'failed 127')

    def test_a_store_that_died_can_be_started_again(self):
        agent = self.stand_in()
        first = int(agent.ask('pages /i /w').split()[1])
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not self.children(self.pid))
        second = int(agent.ask('pages /i /w').split()[1])
        self.assertNotEqual(first, second)
