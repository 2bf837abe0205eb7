// The pod of a chaos run: it counts in its memory and in its file with every answer, and can say whether its memory is what it was.
import { runtimeClassName } from '../../../src/api/names.ts'

export const chaosApp = 'chaos'
/** Only in the program's own arguments: finds its processes. */
export const programMark = 'chaos-program'

// Each answer: program start, its number in memory, the file's own name, its number, `ok` or what is wrong, the host's name.
const program = `
# ${programMark}
import os, socketserver, threading, time
start = os.urandom(4).hex()
count = 0
lock = threading.Lock()
slots = [0] * 1000003
ballast = bytearray(os.urandom(1 << 20)) * 40
path = "/data/count"
file = os.open(path, os.O_RDWR | os.O_CREAT)
if not os.pread(file, 64, 0): os.pwrite(file, b"%s %012d" % (os.urandom(4).hex().encode(), 0), 0)
ticks = os.open("/data/ticks", os.O_RDWR | os.O_CREAT)
def tick():
    number = 0
    while True:
        number += 1
        os.pwrite(ticks, b"%s %012d" % (start.encode(), number), 0)
        if number % 50 == 0: print("tick", start, number, flush=True)
        time.sleep(0.02)
def expected(slot):
    return count - (count - slot) % len(slots) if count >= slot else 0
def state():
    if os.fstat(file).st_ino != os.stat(path).st_ino: return "another-file"
    for slot in (count % len(slots), count * 7919 % len(slots), count // 2 % len(slots)):
        if slots[slot] != expected(slot): return "memory-%d-holds-%d-not-%d" % (slot, slots[slot], expected(slot))
    return "ok"
def step():
    global count
    with lock:
        count += 1
        slots[count % len(slots)] = count
        ballast[count * 4096 % len(ballast)] = count % 256
        name, number = os.pread(file, 64, 0).split()
        number = int(number) + 1
        os.pwrite(file, b"%s %012d" % (name, number), 0)
        return b"%s %d %s %d %s" % (start.encode(), count, name, number, state().encode())
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.rstrip(b"\\n") + b" " + step() + b" " + os.uname().nodename.encode() + b"\\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
threading.Thread(target=tick, daemon=True).start()
print("serving", start, flush=True)
Server(("0.0.0.0", 7000), Handler).serve_forever()
`

export function chaosManifests(): object {
  const template = { metadata: { labels: { app: chaosApp } }, spec: podSpec() }
  const spec = { replicas: 1, selector: { matchLabels: { app: chaosApp } }, template }
  const metadata = { name: chaosApp, namespace: 'default' }
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec },
      { apiVersion: 'v1', kind: 'Service', metadata, spec: { selector: { app: chaosApp }, ports: [{ port: 7000 }] } },
    ],
  }
}

function podSpec(): object {
  return {
    runtimeClassName,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 2,
    volumes: [{ name: 'data', emptyDir: {} }],
    containers: [
      {
        name: 'counter',
        image: 'podmotion.local/app:1',
        command: ['python3', '-u', '-c', program],
        ports: [{ containerPort: 7000 }],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
        resources: { requests: { cpu: '20m', memory: '64Mi' } },
        readinessProbe: { tcpSocket: { port: 7000 }, periodSeconds: 1 },
      },
      {
        name: 'side',
        image: 'podmotion.local/app:1',
        command: ['sleep', '1000000'],
        resources: { requests: { cpu: '10m', memory: '8Mi' } },
      },
    ],
  }
}
