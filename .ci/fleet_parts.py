"""What fleet.py runs and asks: processes, proxies that can be cut, the log, and pages in Prometheus' form."""

import base64
import itertools
import json
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request

# How long anything may take that is waited for, in seconds.
PATIENCE = 60


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path, data=None):
    """The body of the answer, or nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def wait_for(what, check):
    until = time.monotonic() + PATIENCE
    while not (found := check()):
        if time.monotonic() > until:
            raise SystemExit(f"fleet: {what}: not within {PATIENCE} s")
        time.sleep(0.1)
    return found


def samples(text):
    """Name, labels and value of each sample of a page."""
    for line in text.splitlines():
        match = re.fullmatch(r'([a-zA-Z_:0-9]+)(?:\{(.*)\})? (\S+)', line)
        if match:
            labels = dict(re.findall(r'([a-zA-Z_0-9]+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            yield match[1], labels, float(match[3])


class Process:
    """A process that can be killed, stopped, and started again with the same arguments."""

    def __init__(self, directory, name, *args):
        self.log, self.args = directory / f"{name}.log", [str(arg) for arg in args]
        self.start()

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.args, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stand_still(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


class Proxy:
    """Passes TCP on, unless it is cut: then connections stay open and nothing arrives, as in a partitioned network."""

    def __init__(self, to):
        self.to, self.passes = to, threading.Event()
        self.passes.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def cut(self):
        self.passes.clear()

    def heal(self):
        self.passes.set()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                near.close()
                continue
            for ends in (near, far), (far, near):
                threading.Thread(target=self.copy, args=ends, daemon=True).start()

    def copy(self, source, target):
        try:
            while data := source.recv(1 << 16):
                self.passes.wait()
                target.sendall(data)
        except OSError:
            pass
        for end in source, target:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class JetStream:
    """A client of the log, as small as it can be."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(PATIENCE)
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.send(b'CONNECT {"verbose":false,"headers":true,"protocol":1}\r\nSUB _INBOX.test.* 1\r\n')
        self.inboxes = (f"_INBOX.test.{n}" for n in itertools.count())

    def send(self, data):
        self.socket.sendall(data)

    def next(self):
        """Subject, reply subject and payload of the next message."""
        while True:
            words = self.lines.readline().decode().split()
            if not words:
                raise OSError("the log has closed the connection")
            if words[0] == "PING":
                self.send(b"PONG\r\n")
            elif words[0] in ("MSG", "HMSG"):
                body = self.lines.read(int(words[-1]) + 2)[:-2]
                headers = int(words[-2]) if words[0] == "HMSG" else 0
                reply = words[3] if len(words) == (5 if words[0] == "MSG" else 6) else ""
                return words[1], reply, body[headers:]

    def ask(self, subject, payload=b"", header=b""):
        inbox = next(self.inboxes)
        if header:
            header = b"NATS/1.0\r\n" + header + b"\r\n\r\n"
            sizes = f"{len(header)} {len(header) + len(payload)}"
        else:
            sizes = str(len(payload))
        self.send(f"{'HPUB' if header else 'PUB'} {subject} {inbox} {sizes}\r\n".encode() + header + payload + b"\r\n")
        while True:
            at, _, body = self.next()
            if at == inbox:
                return json.loads(body)

    def api(self, what, **request):
        return self.ask(f"$JS.API.{what}", json.dumps(request).encode() if request else b"")

    def archive(self, shards):
        """Begins to keep a copy of everything that comes into the shards' streams, whoever removes it there."""
        sources = [{"name": f"ringstat-{shard}"} for shard in range(shards)]
        made = self.api("STREAM.CREATE.archive", name="archive", sources=sources, storage="file", num_replicas=1,
                        retention="limits", discard="old", duplicate_window=100_000_000)
        assert "error" not in made, made

    def state(self, shard):
        """The numbers and the size of a shard's stream."""
        return self.api(f"STREAM.INFO.ringstat-{shard}")["state"]

    def last(self, shard):
        """The number of the last message that came into a shard's stream."""
        return self.state(shard)["last_seq"]

    def archived(self, shard):
        """The number in a shard's stream of the last message that the archive has of it."""
        found = self.api("STREAM.MSG.GET.archive", last_by_subj=f"ringstat.{shard}")
        headers = base64.b64decode(found.get("message", {}).get("hdrs", ""))
        source = re.search(rb"Nats-Stream-Source: \S+ (\d+)", headers)
        return int(source[1]) if source else 0

    def archive_messages(self):
        """All messages of the archive, in order."""
        self.send(b"SUB _INBOX.archive 2\r\n")
        inbox, got = "_INBOX.archive", 0
        config = {"deliver_subject": inbox, "ack_policy": "none", "deliver_policy": "all", "replay_policy": "instant"}
        total = self.api("STREAM.INFO.archive")["state"]["messages"]
        subject = "$JS.API.CONSUMER.CREATE.archive"
        payload = json.dumps({"stream_name": "archive", "config": config}).encode()
        self.send(f"PUB {subject} _INBOX.test.archive {len(payload)}\r\n".encode() + payload + b"\r\n")
        while got < total:
            _, reply, body = self.next()
            if reply.startswith("$JS.ACK."):
                got += 1
                yield body

    def fill(self, shard, size):
        """Fills the stream of a shard up to so many bytes, with messages that only tell the time."""
        while (left := size - self.state(shard)["bytes"]) > 0:
            # Headers may have 64 KiB.
            answer = self.ask(f"ringstat.{shard}", b"RSL\x01", b"Fill: " + b"x" * min(left, 32 << 10))
            assert "error" not in answer, answer


def datagrams(message):
    """The datagrams of a message of the log."""
    assert message.startswith(b"RSL\x01"), message[:8]
    at = 4
    while at < len(message):
        length, address = struct.unpack_from("<HB", message, at)
        at += 3 + (address + 2 if address else 0)
        yield message[at:at + length]
        at += length


def sequence(datagram):
    """Sender, epoch and sequence number."""
    return struct.unpack_from("<QII", datagram, 4)
