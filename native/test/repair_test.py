"""criu killed in the middle of a dump: the program goes on with its connections."""
import os, signal, socket, subprocess, sys, unittest
from support import Case, wait_for
from skip_test import PRELOAD

CRIU = os.environ.get('PODMOTION_TEST_CRIU')
# Answers on one connection; its memory takes criu longer than its sockets.
PROGRAM = '''
import os, socket, sys
memory = bytearray(os.urandom(1 << 20)) * 300
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    peer.sendall(peer.recv(100))
'''


@unittest.skipUnless(CRIU, 'no criu')
class Repair(Case):
    def test_criu_killed_in_a_dump_leaves_sockets_that_work(self):
        server = socket.create_server(('127.0.0.1', 0))
        program = subprocess.Popen([sys.executable, '-c', PROGRAM, str(server.getsockname()[1])], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        peer, _ = server.accept()
        peer.settimeout(10)
        peer.sendall(b'before')
        self.assertEqual(peer.recv(100), b'before')
        images = os.path.join(self.dir, 'images')
        os.mkdir(images)
        criu = subprocess.Popen([CRIU, 'dump', '--tree', str(program.pid), '--leave-running', '--tcp-established', '--network-lock', 'skip', '--shell-job',
                                 '--images-dir', images, '--log-file', 'log'], env=dict(os.environ, LD_PRELOAD=PRELOAD), stderr=subprocess.DEVNULL)
        wait_for(lambda: any(os.path.getsize(os.path.join(images, f)) > 1 << 20 for f in os.listdir(images) if f.startswith('pages-')) or criu.poll() is not None)
        criu.send_signal(signal.SIGKILL)
        self.assertEqual(criu.wait(), -signal.SIGKILL, 'it had ended before')
        peer.sendall(b'after')
        self.assertEqual(peer.recv(100), b'after')


if __name__ == '__main__':
    unittest.main()
