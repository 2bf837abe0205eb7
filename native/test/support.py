"""What the tests share: running the programs, line sockets, waiting."""
import ctypes, os, shutil, socket, subprocess, sys, tempfile, time, unittest

BUILD = os.path.abspath(os.environ.get('PODMOTION_BUILD', os.path.join(os.path.dirname(__file__), '../build')))
FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'fixtures')


def program(name):
    return os.path.join(BUILD, 'podmotion-' + name)


def be_subreaper():
    """Like containerd's shim: orphans of what we start become our children."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def run(*argv, check=True, **kw):
    done = subprocess.run([str(a) for a in argv], stdin=kw.pop('stdin', subprocess.DEVNULL), capture_output=True, text=True, timeout=60, **kw)
    if check and done.returncode:
        raise AssertionError(f'{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}')
    return done


def read(path):
    with open(path) as f:
        return f.read()


def wait_for(what, seconds=10):
    end = time.time() + seconds
    while time.time() < end:
        value = what()
        if value:
            return value
        time.sleep(.005)
    raise AssertionError('waited in vain')


def exit_status(pid, seconds=10):
    """Of a child (by subreaping): as waitpid gives it."""
    return wait_for(lambda: (lambda r: (r[1],) if r[0] == pid else None)(os.waitpid(pid, os.WNOHANG)), seconds)[0]


class Lines:
    """One connection of a line protocol. The folder is entered by descriptor: names may be longer than sun_path."""

    def __init__(self, path, timeout=10):
        folder = os.open(os.path.dirname(path), os.O_PATH)
        self.s = socket.socket(socket.AF_UNIX)
        self.s.settimeout(timeout)
        end = time.time() + timeout
        while True:
            try:
                self.s.connect(f'/proc/self/fd/{folder}/{os.path.basename(path)}')
                break
            except OSError:
                if time.time() > end:
                    raise
                time.sleep(.005)
        os.close(folder)
        self.f = self.s.makefile('r')

    def say(self, line):
        self.s.sendall(line.encode() + b'\n')

    def hear(self):
        return self.f.readline().rstrip('\n')

    def ask(self, line):
        self.say(line)
        return self.hear()

    def close(self):
        self.f.close()
        self.s.close()


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='podmotion-test-')
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = dict(os.environ, PODMOTION_RUN_DIR=self.dir + '/run', PODMOTION_STATE_DIR=self.dir + '/state', PODMOTION_LIBEXEC=self.dir + '/libexec')
        self.run_dir, self.state_dir = self.dir + '/run', self.dir + '/state'
        for d in (self.run_dir, self.state_dir, self.dir + '/libexec'):
            os.mkdir(d)

    def write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write(text)
        return path
