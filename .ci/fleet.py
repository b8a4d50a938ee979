"""Runs a fleet on this machine: a broker with its log on disk, three receivers, three workers, sixteen shards. Senders send
counters, critical events and ordinary ones, while a receiver, a worker and the broker are killed and another worker is
stopped for longer than its lease. At the end every number must be exact.

    fleet.py RINGSTAT [SENDERS]
"""

import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

RINGSTAT = pathlib.Path(sys.argv[1]).resolve()
SENDERS = int(sys.argv[2]) if len(sys.argv) > 2 else 24
SHARDS, ORDINARY, CRITICAL, INCREMENTS = 16, 2000, 100, 500
# How long anything may take that is waited for, in seconds.
PATIENCE = 60


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A process that can be killed and started again with the same arguments."""

    def __init__(self, name, *args):
        self.name, self.args = name, [str(arg) for arg in args]
        self.start()

    def start(self):
        self.log = open(directory / f"{self.name}.log", "ab")
        self.process = subprocess.Popen(self.args, stdout=self.log, stderr=self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)


def get(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""


def wait_for(what, check):
    until = time.monotonic() + PATIENCE
    while not (found := check()):
        if time.monotonic() > until:
            sys.exit(f"fleet: {what}: not within {PATIENCE} s; the logs are in {directory}")
        time.sleep(0.1)
    return found


def status():
    run = [RINGSTAT, "fleet", "status", "--log", LOG, "--json"]
    done = subprocess.run(run, capture_output=True, text=True)
    return json.loads(done.stdout)["shards"] if done.stdout else []


def ready(ports):
    return all(get(port, "/ready") == "ready\n" for port in ports)


def samples(text):
    """Name, labels and value of each sample of a page."""
    for line in text.splitlines():
        match = re.fullmatch(r'([a-zA-Z_:0-9]+)(?:\{(.*)\})? (\S+)', line)
        if match:
            labels = dict(re.findall(r'([a-zA-Z_0-9]+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            yield match[1], labels, float(match[3])


def sender(number, reports):
    """One client: its events are of two kinds, and its counter is sent as a total."""
    lines = []
    for n in range(ORDINARY):
        lines.append({"kind": "timing", "name": "ordinary", "value": n % 100})
        if n < CRITICAL:
            event = {"kind": "timing", "name": "critical", "value": 1, "priority": "critical"}
            lines.append(event)
    lines += [{"kind": "counter", "name": "increments", "value": 1}] * INCREMENTS
    receiver = UDP[number % len(UDP)]
    run = [RINGSTAT, "send", "--file", "-", "--aggregate", "--rate", "80", "--mtu", "300", "--json"]
    run += ["--to", f"127.0.0.1:{receiver}", "--sender", f"{number + 1:016x}", "--timeout", str(PATIENCE)]
    text = "\n".join(json.dumps(line) for line in lines)
    done = subprocess.run(run, input=text, capture_output=True, text=True)
    reports[number] = json.loads(done.stdout.splitlines()[-1]) if done.stdout else done.stderr


directory = pathlib.Path(tempfile.mkdtemp(prefix="ringstat-fleet-"))
broker_port = free_port(socket.SOCK_STREAM)
LOG = f"nats://127.0.0.1:{broker_port}"
broker = Process("broker", "nats-server", "-js", "-sd", directory / "log", "-a", "127.0.0.1", "-p", broker_port)
processes = [broker]
UDP = [free_port(socket.SOCK_DGRAM) for _ in range(3)]
receiver_http = [free_port(socket.SOCK_STREAM) for _ in UDP]
worker_http = [free_port(socket.SOCK_STREAM) for _ in range(3)]


def pages():
    """What all workers know: the pages of their shards, and how far they have read."""
    for port in worker_http:
        own = get(port, "/metrics")
        for name, labels, value in samples(own):
            yield port, name, labels, value


def caught_up():
    owned = [labels["shard"] for _, name, labels, _ in pages() if name == "ringstat_worker_lag_messages"]
    if sorted(map(int, owned)) != list(range(SHARDS)):
        return False
    positions = {int(l["shard"]): v for _, name, l, v in pages() if name == "ringstat_worker_position"}
    return all(positions.get(of["shard"], 0) >= of["last"] for of in status())


def shares():
    """How many shards each worker reads."""
    return [int(v) for _, name, _, v in pages() if name == "ringstat_worker_shards"]


def count():
    """For each sender what the shards have of it, by name."""
    known, lost = {}, {}
    for port, name, labels, _ in list(pages()):
        if name != "ringstat_worker_lag_messages":
            continue
        for name, of, value in samples(get(port, f"/shards/{labels['shard']}/metrics")):
            if name in ("ordinary_seconds_count", "critical_seconds_count", "increments_total",
                        "ordinary_count", "critical_count"):
                key = (of["sender"], name.removesuffix("_count").removesuffix("_seconds").removesuffix("_total"))
                known[key] = known.get(key, 0) + int(value)
            # What is missing counts as lost when a thousand numbers have followed; until then it is outstanding.
            if name in ("ringstat_sender_lost_total", "ringstat_sender_outstanding"):
                lost[of["sender"]] = lost.get(of["sender"], 0) + int(value)
    return known, lost


try:
    wait_for("the broker listens", lambda: socket.socket().connect_ex(("127.0.0.1", broker_port)) == 0)
    receivers = [
        Process(f"receiver{n}", RINGSTAT, "receive", "--log", LOG, "--shards", SHARDS, "--shard-bytes", 64 << 20,
                "--udp", f"127.0.0.1:{udp}", "--http", f"127.0.0.1:{http}")
        for n, (udp, http) in enumerate(zip(UDP, receiver_http))
    ]
    processes += receivers
    wait_for("the receivers are ready", lambda: ready(receiver_http))
    workers = [
        Process(f"worker{n}", RINGSTAT, "work", "--log", LOG, "--name", f"w{n}", "--http", f"127.0.0.1:{http}")
        for n, http in enumerate(worker_http)
    ]
    processes += workers
    wait_for("each shard has a worker", caught_up)

    reports = {}
    threads = [threading.Thread(target=sender, args=(n, reports)) for n in range(SENDERS)]
    [thread.start() for thread in threads]
    # Each fault has begun and is over before the next one begins; the senders go on through all of them.
    time.sleep(1)
    receivers[0].kill()
    receivers[0].start()
    wait_for("the killed receiver is back", lambda: ready(receiver_http))
    workers[0].kill()
    wait_for("its shards are taken over", caught_up)
    broker.kill()
    broker.start()
    wait_for("the killed broker is back", lambda: ready(receiver_http))
    workers[1].process.send_signal(signal.SIGSTOP)
    wait_for("the shards of a worker that stands still are taken over",
             lambda: all((of["worker"] or "").startswith("w2") for of in status()))
    workers[1].process.send_signal(signal.SIGCONT)
    workers[0].start()
    [thread.join() for thread in threads]
    # Those that came back get their share, and nobody else says that it has what was handed over.
    # The first by name has the one that is left over.
    wait_for("the shards are shared evenly", lambda: shares() == [6, 5, 5])
    wait_for("all that is in the log is read", caught_up)

    known, lost = count()
    wrong = []
    for number in range(SENDERS):
        report, name = reports[number], f"{number + 1:016x}"
        if not isinstance(report, dict) or not report["ledger_closes"]:
            wrong.append(f"{name}: {report}")
            continue
        have = {kind: known.get((name, kind), 0) for kind in ("ordinary", "critical", "increments")}
        if have["increments"] != INCREMENTS:
            wrong.append(f"{name}: {have['increments']} increments of {INCREMENTS}")
        if have["critical"] != CRITICAL:
            wrong.append(f"{name}: {have['critical']} critical events of {CRITICAL}")
        # Of a sender that lost no datagram everything must be there; what is missing must be in lost datagrams. Those may also
        # have held nothing but totals, which came again.
        missing = ORDINARY - sum(report["dropped"].values()) - have["ordinary"]
        if missing < 0 or (missing > 0 and lost.get(name, 0) == 0):
            wrong.append(f"{name}: {missing} ordinary events missing, {lost.get(name, 0)} datagrams lost")
    totals = {name: int(sum(v for _, n, _, v in pages() if n == f"ringstat_worker_{name}_total"))
              for name in ("datagrams", "accepted", "duplicates", "too_late", "lost", "missing_messages")}
    print(f"{SENDERS} senders, {totals}")
    if totals["missing_messages"]:
        wrong.append("messages are missing from the log")
    for receiver in receivers:
        receiver.end()
    if wrong:
        sys.exit("fleet:\n" + "\n".join(wrong) + f"\nthe logs are in {directory}")
    print("fleet: every number is exact")
finally:
    for process in processes:
        process.process.send_signal(signal.SIGCONT)
        process.kill()
