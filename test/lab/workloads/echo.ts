// A small pod whose memory, file, log and connections can be checked from outside: an echo server that counts, and a quiet second container.
import { runtimeClassName } from '../../../src/api/names.ts'

// Every answer carries a counter that lives in memory only; every second the same counter goes into the log and a file.
const server = `
import os, socketserver, threading, time
count = 0
lock = threading.Lock()
def tick():
    while True:
        print("tick", count, flush=True)
        with open("/data/count", "w") as f: f.write(str(count))
        with open("/var/tmp/layer", "w") as f: f.write(str(count))
        time.sleep(1)
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        global count
        for line in self.rfile:
            with lock: count += 1; mine = count
            self.wfile.write(line.rstrip(b"\\n") + b" " + str(mine).encode() + b" " + os.uname().nodename.encode() + b"\\n")
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
threading.Thread(target=tick, daemon=True).start()
ballast = bytearray(os.urandom(1 << 20)) * BALLAST
print("ballast", len(ballast), flush=True)
Server(("0.0.0.0", 7000), Handler).serve_forever()
`

// Numbered lines on each connection; a lost, repeated or reordered line, a counter that goes back, or a broken connection is an error.
// It ends after its seconds, or when its input is closed.
export const echoClient = `
import json, socket, sys, threading, time
address, seconds, connections = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
result = {"requests": 0, "errors": [], "worstMs": 0, "hosts": [], "counter": 0}
told = threading.Event()
def listen():
    sys.stdin.read(); told.set()
threading.Thread(target=listen, daemon=True).start()
def run(number):
    try:
        s = socket.create_connection((address, 7000), 10); s.settimeout(60); f = s.makefile("rwb")
        k = 0; seen = 0; last = time.time(); end = last + seconds
        while time.time() < end and not told.is_set():
            f.write(b"%d:%d\\n" % (number, k)); f.flush()
            words = f.readline().decode().split()
            if not words or words[0] != "%d:%d" % (number, k): raise Exception("sent %d:%d, got %r" % (number, k, words))
            if int(words[1]) <= seen: raise Exception("counter went from %d to %s" % (seen, words[1]))
            seen = int(words[1]); result["counter"] = max(result["counter"], seen); now = time.time(); result["worstMs"] = max(result["worstMs"], round((now - last) * 1000)); last = now
            if words[2] not in result["hosts"]: result["hosts"].append(words[2])
            result["requests"] += 1; k += 1; time.sleep(0.005)
    except Exception as error: result["errors"].append("%d: %r" % (number, error))
threads = [threading.Thread(target=run, args=(n,)) for n in range(connections)]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(result))
`

// Uses as many thousandths of a processor as the file says.
const burner = `
import time
def wanted():
    try: return min(1000, int(open("/data/burn").read() or 0))
    except (OSError, ValueError): return 0
while True:
    end = time.time() + 0.1
    busy = time.time() + 0.0001 * wanted()
    while time.time() < busy: pass
    time.sleep(max(0, end - time.time()))
`

export interface EchoOptions {
  name: string
  replicas?: number
  nodeName?: string
  ballastMiB?: number
  /** CPU request of the echo container. */
  cpu?: string
  /** The second container burns the thousandths of a processor that /data/burn says. */
  burner?: boolean
  /** A pod without a controller. */
  bare?: boolean
  /** Changes to the pod's spec, for the pods that must be refused. */
  spec?: Record<string, unknown>
}

export function echoManifests(options: EchoOptions): object {
  const pod = options.bare ? barePod(options) : deployment(options)
  return { apiVersion: 'v1', kind: 'List', items: [pod, service(options)] }
}

function barePod(options: EchoOptions): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: options.name, namespace: 'default', labels: { app: options.name } },
    spec: podSpec(options),
  }
}

function deployment(options: EchoOptions): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: options.name, namespace: 'default' },
    spec: {
      replicas: options.replicas ?? 1,
      selector: { matchLabels: { app: options.name } },
      template: { metadata: { labels: { app: options.name } }, spec: podSpec(options) },
    },
  }
}

function podSpec(options: EchoOptions): object {
  return {
    runtimeClassName,
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 2,
    ...(options.nodeName ? { affinity: { nodeAffinity: prefer(options.nodeName) } } : {}),
    volumes: [{ name: 'data', emptyDir: {} }],
    containers: [
      {
        name: 'echo',
        image: 'podmotion.local/app:1',
        command: ['python3', '-u', '-c', server.replace('BALLAST', String(options.ballastMiB ?? 1))],
        ports: [{ containerPort: 7000 }],
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
        resources: { requests: { cpu: options.cpu ?? '20m', memory: '32Mi' } },
        readinessProbe: { tcpSocket: { port: 7000 }, periodSeconds: 1 },
      },
      {
        name: 'side',
        image: 'podmotion.local/app:1',
        command: options.burner ? ['python3', '-c', burner] : ['sleep', '1000000'],
        ...(options.burner ? { volumeMounts: [{ name: 'data', mountPath: '/data' }] } : {}),
        resources: { requests: { cpu: '10m', memory: '8Mi' } },
      },
    ],
    ...options.spec,
  }
}

function prefer(nodeName: string): object {
  const expression = { key: 'kubernetes.io/hostname', operator: 'In', values: [nodeName] }
  return { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: { matchExpressions: [expression] } }] }
}

function service(options: EchoOptions): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: options.name, namespace: 'default' },
    spec: { selector: { app: options.name }, ports: [{ port: 7000 }] },
  }
}
