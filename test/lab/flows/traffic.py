# Both ends of the flows that a move must not disturb: `serve [ADDRESS...]` answers (TCP and UDP 7000, orders on 7001), `client` opens flows, and
# reports when its input ends and they have.
# A flow is {"kind", "mode", "address", "port", "count", "periodMs"}; modes: request, bulk, idle, connects, datagrams.
# Every byte that comes back is compared. A gap is the time from a request to its answer; those over GAP_MS are told with their end.
import heapq, json, os, resource, selectors, socket, stat, sys, time

GAP_MS = 25
STUCK_SECONDS = 15
DATAGRAM_SECONDS = 1
WINDOW = 64 * 1024
PATTERN = bytes((i * 7 + (i >> 8) * 13) & 255 for i in range(65536)) * 2

# Thousands of connections, where the system lets us.
open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))

loop = selectors.EpollSelector()
timers, flows, number = [], [], 0


def at(when, what):
    global number
    number += 1
    heapq.heappush(timers, (when, number, what))


def turn():
    wait = max(0, min(0.2, timers[0][0] - time.time())) if timers else 0.2
    for key, _ in loop.select(wait):
        key.data()
    now = time.time()
    while timers and timers[0][0] <= now:
        heapq.heappop(timers)[2]()


class Flow:
    def __init__(self, order, index, end):
        self.order, self.index, self.end = order, index, end
        self.mode, self.period = order["mode"], order.get("periodMs", 100) / 1000
        self.requests = self.sent = self.received = self.retried = 0
        self.worst, self.gaps, self.error, self.over = 0.0, [], None, False
        self.socket, self.waiting, self.asked = None, None, time.time()
        flows.append(self)
        # Spread: all at once would be a load of its own.
        at(time.time() + (index + 1) * 0.003 + self.period * (index % 7) / 7, self.begin)

    def begin(self):
        datagrams = self.mode == "datagrams"
        self.socket = socket.socket(socket.AF_INET6 if ":" in self.order["address"] else socket.AF_INET, socket.SOCK_DGRAM if datagrams else socket.SOCK_STREAM)
        self.socket.setblocking(False)
        if not datagrams:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked = time.time()
        self.connecting = not datagrams
        error = self.socket.connect_ex((self.order["address"], self.order["port"]))
        if error not in (0, 115):
            return self.fail("connect errno %d" % error)
        loop.register(self.socket, selectors.EVENT_WRITE if self.connecting else selectors.EVENT_READ, self.ready)
        if datagrams:
            self.ask()

    def ready(self):
        try:
            if self.connecting:
                error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if error:
                    return self.fail("connect errno %d" % error)
                self.connecting = False
                loop.modify(self.socket, selectors.EVENT_READ, self.ready)
                return self.fill() if self.mode == "bulk" else self.ask(self.asked)
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            return self.fail("errno %d" % error.errno)
        if not data:
            return self.fail("closed by the other end")
        if self.mode == "bulk":
            return self.take(data)
        self.answer(data)

    # The time of a connection counts to its first request.
    def ask(self, since=None):
        if self.over:
            return
        self.asked = since or time.time()
        self.waiting = b"%s %d %d\n" % (self.order["kind"].encode(), self.index, self.requests)
        self.got = b""
        self.send()

    def send(self):
        try:
            self.socket.send(self.waiting)
        except BlockingIOError:
            return self.fail("a request did not fit")
        except OSError as error:
            if self.mode != "datagrams":
                return self.fail("errno %d" % error.errno)
        if self.mode == "datagrams":
            at(time.time() + DATAGRAM_SECONDS, lambda asked=self.asked: self.again(asked))

    # As a resolver does: lost datagrams are asked for once more, and counted.
    def again(self, asked):
        if self.over or self.asked != asked or self.waiting is None:
            return
        self.retried += 1
        self.send()

    def answer(self, data):
        if self.waiting is None:
            return None if self.mode == "datagrams" else self.fail("bytes that nobody asked for: %r" % data[:60])
        if self.mode == "datagrams" and data != self.waiting:
            return  # an answer to the first of two
        self.got += data
        if len(self.got) < len(self.waiting):
            return
        if self.got != self.waiting:
            return self.fail("sent %r, got %r" % (self.waiting[:60], self.got[:60]))
        self.waiting = None
        self.requests += 1
        self.gap()
        if self.mode == "connects":
            self.close()
        if time.time() >= self.end:
            return self.done()
        if self.mode == "idle":
            at(self.end, self.ask)
        else:
            at(time.time() + self.period, self.begin if self.mode == "connects" else self.ask)

    def fill(self):
        if self.over:
            return
        try:
            while self.sent - self.received < WINDOW and time.time() < self.end:
                offset = self.sent % 65536
                self.sent += self.socket.send(PATTERN[offset:offset + 16384])
        except BlockingIOError:
            pass
        except OSError as error:
            return self.fail("errno %d" % error.errno)
        if time.time() >= self.end and self.sent == self.received:
            return self.done()
        at(time.time() + 0.02, self.fill)

    def take(self, data):
        offset = self.received % 65536
        if PATTERN[offset:offset + len(data)] != data:
            return self.fail("wrong bytes at %d" % self.received)
        self.received += len(data)
        self.requests += 1
        self.gap()
        self.asked = time.time()

    def gap(self):
        now = time.time()
        gap = (now - self.asked) * 1000
        self.worst = max(self.worst, gap)
        if gap > GAP_MS and len(self.gaps) < 500:
            self.gaps.append([round(now * 1000, 1), round(gap, 1)])

    def close(self):
        try:
            loop.unregister(self.socket)
        except (KeyError, ValueError, TypeError, AttributeError):
            pass
        if self.socket:
            self.socket.close()

    def done(self):
        self.over = True
        self.close()

    def fail(self, error):
        self.error = "%s %d: %s after %d requests at %.3f" % (self.order["kind"], self.index, error, self.requests, time.time())
        self.done()

    def stuck(self):
        waits = self.waiting is not None or (self.mode == "bulk" and self.sent > self.received) or self.socket is None
        if not self.over and waits and time.time() - self.asked > STUCK_SECONDS:
            self.fail("no answer for %d s" % (time.time() - self.asked))


def report():
    for flow in flows:
        flow.stuck()
    return [
        {"kind": flow.order["kind"], "mode": flow.mode, "requests": flow.requests, "bytes": flow.received, "retried": flow.retried,
         "worstMs": round(flow.worst, 1), "gaps": flow.gaps, "error": flow.error, "over": flow.over}
        for flow in flows
    ]


def open_flows(orders, seconds):
    end = time.time() + seconds
    for order in orders:
        for index in range(order["count"]):
            Flow(order, index, end)


def finish():
    for flow in flows:
        flow.end = min(flow.end, time.time())
        if flow.mode == "idle" and not flow.over and flow.waiting is None and flow.socket:
            flow.ask()


class Echo:
    def __init__(self, peer):
        self.peer, self.rest = peer, b""
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.register(peer, selectors.EVENT_READ, self.ready)

    def ready(self):
        try:
            if not self.rest:
                data = self.peer.recv(65536)
                if not data:
                    return self.close()
                self.rest = data
            self.rest = self.rest[self.peer.send(self.rest):]
        except BlockingIOError:
            pass
        except OSError:
            return self.close()
        loop.modify(self.peer, selectors.EVENT_WRITE if self.rest else selectors.EVENT_READ, self.ready)

    def close(self):
        loop.unregister(self.peer)
        self.peer.close()


class Orders:
    def __init__(self, peer):
        self.peer, self.text = peer, b""
        loop.register(peer, selectors.EVENT_READ, self.ready)

    def ready(self):
        data = self.peer.recv(65536)
        self.text += data
        if data and not self.text.endswith(b"\n"):
            return
        if data:
            order = json.loads(self.text)
            if "open" in order:
                flows.clear()
                open_flows(order["open"], order["seconds"])
            if "stop" in order:
                finish()
            self.peer.settimeout(10)
            self.peer.sendall(json.dumps(report()).encode() + b"\n")
        loop.unregister(self.peer)
        self.peer.close()


def listen(port, what):
    server = socket.create_server(("::", port), family=socket.AF_INET6, backlog=512, dualstack_ipv6=True)
    loop.register(server, selectors.EVENT_READ, lambda: what(server.accept()[0]))


# On one address where there are several: a datagram that answers must come from where the question went.
def answer_datagrams(address, port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind((address, port))

    def ready():
        data, peer = server.recvfrom(65536)
        server.sendto(data, peer)

    loop.register(server, selectors.EVENT_READ, ready)


# Somebody holds the other end of the input and will close it.
def is_told():
    return stat.S_ISFIFO(os.fstat(0).st_mode) or stat.S_ISSOCK(os.fstat(0).st_mode)


def serve(addresses, port):
    listen(port, Echo)
    listen(port + 1, Orders)
    for address in addresses:
        answer_datagrams(address, port)
    if is_told():
        loop.register(sys.stdin, selectors.EVENT_READ, sys.exit)
    print("serving", flush=True)
    while True:
        turn()


def client(orders, seconds):
    open_flows(orders, seconds)
    limit = [time.time() + seconds + STUCK_SECONDS + 3]

    def stop():
        if not sys.stdin.buffer.read1(1024):
            loop.unregister(sys.stdin)
            finish()
            limit[0] = min(limit[0], time.time() + STUCK_SECONDS + 3)

    if is_told():
        loop.register(sys.stdin, selectors.EVENT_READ, stop)
    while not all(flow.over for flow in flows) and time.time() < limit[0]:
        turn()
    report()
    print(json.dumps(report()), flush=True)


def order(address, text):
    with socket.create_connection((address, 7001), 10) as peer:
        peer.sendall(text.encode() + b"\n")
        answer = b""
        while data := peer.recv(65536):
            answer += data
    print(answer.decode(), flush=True)


if sys.argv[1] == "serve":
    serve(sys.argv[2:] or ["::"], 7000)
elif sys.argv[1] == "client":
    client(json.loads(sys.argv[3]), float(sys.argv[2]))
else:
    order(sys.argv[2], sys.argv[3])
