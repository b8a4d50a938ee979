"""What the parts of a fleet cost: one receiver and one worker around a broker on this machine, and what a worker's death costs.

    python3 benches/fleet.py RINGSTAT [DATAGRAMS]

Speeds are counted in processor time of the part, user and system, so that other programs on the machine matter little: a
figure says what one core could do if nothing else held the part up. RINGSTAT is a release build with the feature `nats`.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / ".ci"))
from fleet_parts import Process, free_port, get, samples, wait_for

RINGSTAT = pathlib.Path(sys.argv[1]).resolve()
DATAGRAMS = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
EVENTS_EACH, SENDERS, SERIES = 100, 8, 100_000
directory = pathlib.Path(tempfile.mkdtemp(prefix="ringstat-fleet-bench-"))
broker_port, udp, receiver_http, worker_http = free_port(), free_port(socket.SOCK_DGRAM), free_port(), free_port()
LOG = f"nats://127.0.0.1:{broker_port}"
processes = []
# One sender may have all series.
os.environ |= {f"RINGSTAT_COLLECTOR__MAX_SERIES{of}": "1000000" for of in ("", "_PER_SENDER")}


def start(*args):
    processes.append(Process(directory, *args))
    return processes[-1]


def seconds(process):
    """Processor time of a process so far."""
    fields = pathlib.Path(f"/proc/{process.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def number(port, name):
    return sum(value for found, _, value in samples(get(port, "/metrics")) if found == name)


def encoded(lines, sender):
    """Datagrams with these records, as `ringstat encode` packs them."""
    run = [RINGSTAT, "encode", "-", "--out", "-", "--sender", f"{sender:016x}", "--epoch", "1"]
    done = subprocess.run(run, input="\n".join(lines), capture_output=True, text=True)
    return [bytes.fromhex(line) for line in done.stdout.splitlines() if line.startswith("5253")]


def events(count, sender):
    """Timings of fifty routes at random-looking times, as a service records them."""
    base = 1_790_000_000_000_000_000 + sender
    for n in range(count):
        yield json.dumps({"kind": "timing", "name": f"http.request.of.route{n * 7 % 50}", "value": n * 37 % 1000 / 8,
                          "timestamp_ns": base + n * 10_007})


def send(datagrams):
    """Sends datagrams, no more at a time than the receiver has taken, so that the kernel drops none."""
    begun = number(receiver_http, "ringstat_receiver_datagrams_total")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", udp))
        for at in range(0, len(datagrams), 100):
            for datagram in datagrams[at:at + 100]:
                out.send(datagram)
            if at % 2000 == 1900:
                wait_for("they are taken", lambda: number(receiver_http, "ringstat_receiver_datagrams_total") >= begun + at + 100)
    wait_for("all is in the log", lambda: number(receiver_http, "ringstat_receiver_logged_total") >= begun + len(datagrams))


def start_worker(name, port):
    worker = start(name, RINGSTAT, "work", "--log", LOG, "--name", name, "--threads", 1, "--http", f"127.0.0.1:{port}")
    return worker


try:
    start("broker", "nats-server", "-js", "-sd", directory / "log", "-a", "127.0.0.1", "-p", broker_port)
    wait_for("the broker listens", lambda: socket.socket().connect_ex(("127.0.0.1", broker_port)) == 0)
    receiver = start("receiver", RINGSTAT, "receive", "--log", LOG, "--shards", 4, "--shard-bytes", 1 << 30,
                     "--udp", f"127.0.0.1:{udp}", "--http", f"127.0.0.1:{receiver_http}")
    wait_for("the receiver is ready", lambda: get(receiver_http, "/ready") == "ready\n")
    each = DATAGRAMS * EVENTS_EACH // SENDERS
    of_senders = [encoded(events(each, sender), sender) for sender in range(1, SENDERS + 1)]
    datagrams = [datagram for group in zip(*of_senders) for datagram in group]
    total = each * SENDERS

    before = seconds(receiver)
    send(datagrams)
    took = seconds(receiver) - before
    size = sum(map(len, datagrams))
    print(f"receiver: {len(datagrams)} datagrams, {size / len(datagrams):.0f} bytes each, {took:.2f} s: "
          f"{len(datagrams) / took:.0f} datagrams, {size / took / 1e6:.0f} MB a second a core, before the broker")

    worker = start_worker("w0", worker_http)
    wait_for("the worker has read all", lambda: number(worker_http, "ringstat_worker_stored_total") >= total * 0.99
             and number(worker_http, "ringstat_worker_lag_messages") == 0)
    took, stored = seconds(worker), number(worker_http, "ringstat_worker_stored_total")
    print(f"worker: {stored:.0f} events, {took:.2f} s with its start and snapshots: {stored / took / 1e6:.2f} million events a second a core")

    # One sender, so one shard, with many series; its worker dies when a snapshot has them.
    lines = (json.dumps({"kind": "counter", "name": "many", "value": 1, "tags": {"n": str(n)}}) for n in range(SERIES))
    send(encoded(lines, 99))
    wait_for("the worker has all series", lambda: number(worker_http, "ringstat_worker_series") >= SERIES)
    wait_for("they are in a snapshot", lambda: number(worker_http, "ringstat_worker_position") == number(worker_http, "ringstat_worker_saved_position"))
    bytes_ = number(worker_http, "ringstat_worker_snapshot_bytes")
    again = free_port()
    successor = start_worker("w1", again)
    wait_for("the successor is ready", lambda: get(again, "/ready") == "ready\n")
    # It gets its share at once, and then all of it.
    worker.kill()
    begun, before = time.monotonic(), seconds(successor)
    wait_for("all series are there", lambda: number(again, "ringstat_worker_shards") == 4 and number(again, "ringstat_worker_series") >= SERIES)
    print(f"take-over: {SERIES} series in one shard, snapshots of {bytes_ / 1e6:.1f} MB: {time.monotonic() - begun:.1f} s after the worker was "
          f"killed, of which {seconds(successor) - before:.2f} s of processor time")
    print(f"receiver in all: {number(receiver_http, 'ringstat_receiver_publish_failures_total'):.0f} messages sent again, "
          f"{number(receiver_http, 'ringstat_receiver_kernel_drops_total'):.0f} datagrams dropped by the kernel")
finally:
    for process in processes:
        process.kill()
    shutil.rmtree(directory)
