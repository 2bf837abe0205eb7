# Runs lines of Python that it is told, and says what they gave: `prompt.py` by its input and output, `prompt.py serve PORT` over TCP.
# A line is a JSON string; an answer is {"value": ...} or {"error": "..."}. Bytes are told as text, one character each.
import array, hashlib, json, os, select, socket, struct, sys, time

told = dict(globals())


def run(line):
    source = json.loads(line)
    try:
        try:
            code = compile(source, "told", "eval")
        except SyntaxError:
            return {"value": exec(compile(source, "told", "exec"), told)}
        return {"value": eval(code, told)}
    except Exception as error:
        return {"error": "%s: %s" % (type(error).__name__, error)}


def answers(lines, say):
    for line in lines:
        say(json.dumps(run(line), default=lambda value: value.decode("latin1") if isinstance(value, bytes) else repr(value)) + "\n")


def serve(port):
    with socket.create_server(("", port)) as listener:
        while True:
            peer = listener.accept()[0].makefile("rw")
            answers(peer, lambda text: (peer.write(text), peer.flush()))


if sys.argv[1:2] == ["serve"]:
    serve(int(sys.argv[2]))
else:
    answers(sys.stdin, lambda text: print(text, end="", flush=True))
