# Talks to the pod over 8 connections for as long as a chaos run lasts, and judges every answer; orders come as lines of JSON.
#   {"direct": ADDRESS, "service": ADDRESS}   where to connect from now on
#   {"abandon": "service" or "direct"}        closes what has waited for long: the node that carried it is gone, and only the other end was told
#   {"mark": true}                            prints what happened since the last mark, as one line of JSON
import json
import socket
import sys
import threading
import time

PORT = 7000
CONNECTIONS = 8
PAUSE_SECONDS = 0.02
CONNECT_SECONDS = 3
LONG_SECONDS = 3

lock = threading.Lock()
addresses = {}
starts = []  # of the program, in the order in which they were first seen
highest = {}  # (program start or file) -> the highest number seen
seen = {}  # the same -> one byte a number: seen or not
report = {"requests": 0, "worstMs": 0, "ended": [], "wrong": []}
asked = {}  # connection -> since when it waits
peers = {}  # connection -> its socket
is_open = set()


def wrong(text):
    with lock:
        if len(report["wrong"]) < 20:
            report["wrong"].append("%s at %.3f" % (text, time.time()))


def floor():
    with lock:
        return dict(highest), len(starts)


# A number may never come twice, nor be lower than one that was answered before the question was asked.
def check(what, name, number, before):
    key = what + " " + name
    with lock:
        marks = seen.setdefault(key, bytearray())
        if len(marks) <= number:
            marks.extend(bytes(number + 4096 - len(marks)))
        twice = marks[number]
        marks[number] = 1
        highest[key] = max(highest.get(key, 0), number)
    if twice:
        wrong("%s said %d twice" % (key, number))
    if number <= before.get(key, 0):
        wrong("%s went back from %d to %d" % (key, before[key], number))


# Once a later start of the program has answered, an earlier one may not any more.
def check_start(name, before):
    with lock:
        if name not in starts:
            starts.append(name)
        index = starts.index(name)
    if index < before - 1:
        wrong("start %s answered after start %s" % (name, starts[before - 1]))


def judge(question, line, before, started):
    words = line.decode("latin1").split()
    if len(words) != 7 or words[0] != question:
        return wrong("asked %s, got %r" % (question, line[:100]))
    check_start(words[1], started)
    check("memory", words[1], int(words[2]), before)
    check("file", words[3], int(words[4]), before)
    if words[5] != "ok":
        wrong("start %s at %s: %s" % (words[1], words[2], words[5]))


def talk(number, kind, serial):
    peer = socket.create_connection((addresses[kind], PORT), CONNECT_SECONDS)
    peer.settimeout(None)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peers[number] = peer
    stream = peer.makefile("rwb")
    with lock:
        is_open.add(number)
    turn = 0
    while True:
        question = "%d.%d:%d" % (number, serial, turn)
        before, started = floor()
        asked[number] = time.time()
        stream.write(question.encode() + b"\n")
        stream.flush()
        line = stream.readline()
        if not line.endswith(b"\n"):
            raise ConnectionError("closed by the pod")
        waited = (time.time() - asked.pop(number)) * 1000
        judge(question, line, before, started)
        with lock:
            report["requests"] += 1
            report["worstMs"] = max(report["worstMs"], round(waited))
        turn += 1
        time.sleep(PAUSE_SECONDS)


def kind_of(number):
    return "direct" if number % 2 else "service"


def abandon(kind):
    late = [(number, since) for number, since in list(asked.items()) if kind_of(number) == kind and time.time() - since > LONG_SECONDS]
    for number, _ in late:
        peers[number].shutdown(socket.SHUT_RDWR)
    # The next mark is to know of their ends.
    while any(asked.get(number) == since for number, since in late):
        time.sleep(0.005)


def run(number):
    kind = kind_of(number)
    serial = 0
    while True:
        serial += 1
        try:
            talk(number, kind, serial)
        except OSError as error:
            with lock:
                if number in is_open:
                    waited = time.time() - asked.pop(number, time.time())
                    ended = {"kind": kind, "atMs": round(time.time() * 1000), "waitedMs": round(waited * 1000), "error": repr(error)}
                    report["ended"].append(ended)
                    is_open.discard(number)
            time.sleep(0.2)


def mark():
    with lock:
        waiting = [time.time() - since for since in asked.values()]
        said = {**report, "open": len(is_open), "waitingMs": round(max(waiting, default=0) * 1000), "starts": len(starts)}
        report.update({"requests": 0, "worstMs": 0, "ended": [], "wrong": []})
    print(json.dumps(said), flush=True)


addresses.update(json.loads(sys.stdin.readline()))
for number in range(CONNECTIONS):
    threading.Thread(target=run, args=(number,), daemon=True).start()
for text in sys.stdin:
    order = json.loads(text)
    if "mark" in order:
        mark()
    elif "abandon" in order:
        abandon(order["abandon"])
    else:
        addresses.update(order)
