"""Runs a fleet on this machine: a broker with its log on disk, three receivers, three workers, sixteen shards, and
VictoriaMetrics. Senders send counters, histograms, critical events and ordinary ones, a third of them to two receivers,
while everything goes wrong that can: a receiver, a worker and the broker are killed, a receiver is cut off from the broker,
the store stands still, streams are full, and a worker is stopped for longer than its lease. At the end every number is exact:

- what clients numbered = what is in the log + what workers call missing, by sequence;
- what is in the log, as another implementation of the wire format reads it, = what workers store;
- counters, histograms and critical events are complete, whatever was lost;
- what VictoriaMetrics has = what workers store, and no series ever went back.

    fleet.py RINGSTAT [SENDERS] [SECONDS]
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections import defaultdict

from fleet_parts import JetStream, Process, Proxy, datagrams, free_port, get, samples, sequence, wait_for, PATIENCE
import socket

RINGSTAT = pathlib.Path(sys.argv[1]).resolve()
SENDERS = int(sys.argv[2]) if len(sys.argv) > 2 else 24
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 30
HERE = pathlib.Path(__file__).resolve().parent
SHARDS, RATE = 16, 80
ORDINARY, CRITICAL, INCREMENTS = 60 * SECONDS, 3 * SECONDS, 17 * SECONDS
# Milliseconds, far from the bounds of buckets, and how often each occurs.
TIMINGS = {3: 5 * SECONDS, 30: 2 * SECONDS, 300: SECONDS}
# So few bytes that a stream can be filled.
SHARD_BYTES = 4 << 20
# How many streams are filled.
FULL = 6
# The receivers whose queue is on disk.
ON_DISK = (1, 2)
KINDS = ("ordinary", "critical", "increments", "spent")

directory = pathlib.Path(tempfile.mkdtemp(prefix="ringstat-fleet-"))
broker_port, store_port = free_port(), free_port()
UDP = [free_port(socket.SOCK_DGRAM) for _ in range(3)]
receiver_http = [free_port() for _ in UDP]
worker_http = [free_port() for _ in range(3)]
wrong = []


def check(holds, what):
    if not holds:
        wrong.append(what)


def ready(ports):
    return all(get(port, "/ready") == "ready\n" for port in ports)


def number(port, name):
    """The sum of a family of a part's metrics."""
    return sum(value for found, _, value in samples(get(port, "/metrics")) if found == name)


def status():
    run = [RINGSTAT, "fleet", "status", "--log", f"nats://127.0.0.1:{broker_port}", "--json"]
    done = subprocess.run(run, capture_output=True, text=True)
    return json.loads(done.stdout) if done.stdout else {"shards": [], "receivers": [], "workers": []}


def shard_status():
    return status()["shards"]


def pages():
    """What all workers know of themselves and their shards."""
    for port in worker_http:
        for name, labels, value in samples(get(port, "/metrics")):
            yield port, name, labels, value


def caught_up():
    """Whether each shard has one owner, which has read all that is in the stream."""
    all_pages = list(pages())
    owned = [labels["shard"] for _, name, labels, _ in all_pages if name == "ringstat_worker_lag_messages"]
    if sorted(map(int, owned)) != list(range(SHARDS)):
        return False
    positions = {int(l["shard"]): v for _, name, l, v in all_pages if name == "ringstat_worker_position"}
    log = JetStream(broker_port)
    return all(positions.get(shard, 0) >= log.last(shard) for shard in range(SHARDS))


def shares():
    """How many shards each worker reads."""
    return [int(v) for _, name, _, v in pages() if name == "ringstat_worker_shards"]


# ---- What is sent -------------------------------------------------------------------------------------------------


def records():
    """The records of one sender: ordinary and critical events, and what is merged into a counter and a histogram."""
    lines = []
    for n in range(ORDINARY):
        lines.append({"kind": "distribution", "name": "ordinary", "value": n % 100})
        if n < CRITICAL:
            lines.append({"kind": "event", "name": "critical", "value": 1, "priority": "critical"})
    merged = [{"kind": "counter", "name": "increments", "value": 1}] * INCREMENTS
    for value, times in TIMINGS.items():
        merged += [{"kind": "timing", "name": "spent", "value": value}] * times
    step = len(merged) / len(lines)
    for n, line in enumerate(lines):
        yield line
        yield from merged[int(n * step):int((n + 1) * step)]


def targets(sender):
    """The receivers of a sender: one, or two."""
    first = sender % len(UDP)
    return [first, (first + 1) % len(UDP)] if sender % 3 == 0 else [first]


def send(sender, reports):
    first, *second = [f"127.0.0.1:{UDP[n]}" for n in targets(sender)]
    config = directory / f"sender{sender}.toml"
    redundant = f'redundant = "{second[0]}"\n' if second else ""
    config.write_text(f"[client]\n{redundant}aggregate = {{ counters = true, timings = true }}\n")
    run = [RINGSTAT, "send", "--file", "-", "--config", config, "--rate", RATE, "--mtu", 300, "--json",
           "--to", first, "--sender", f"{sender + 1:016x}", "--timeout", PATIENCE]
    text = "\n".join(json.dumps(line) for line in records())
    done = subprocess.run([str(arg) for arg in run], input=text, capture_output=True, text=True)
    reports[sender] = json.loads(done.stdout.splitlines()[-1]) if done.stdout else done.stderr


# ---- What comes out -----------------------------------------------------------------------------------------------


def in_the_log(log):
    """Of each sender: the numbers of its datagrams, and of the events in them, each once."""
    whole = {}
    for message in log.archive_messages():
        for datagram in datagrams(message):
            whole.setdefault(sequence(datagram), datagram)
    text = "\n".join(datagram.hex() for datagram in whole.values())
    decoder = HERE / "../core/docs/decoder.mjs"
    done = subprocess.run(["node", decoder], input=text, capture_output=True, text=True, check=True)
    numbers, ordinary, critical = defaultdict(set), defaultdict(int), defaultdict(set)
    for (sender, epoch, at), line in zip(whole, done.stdout.splitlines()):
        of = f"{sender:016x}"
        numbers[of].add((epoch, at))
        for record in json.loads(line)["records"]:
            if record["name"] == "ordinary":
                ordinary[of] += 1
            if record["name"] == "critical":
                critical[of].add(record["id"])
    return numbers, ordinary, critical


def stored():
    """What the shards have: a value for each sender, name and further labels."""
    values = {}
    for port, name, labels, _ in list(pages()):
        if name == "ringstat_worker_lag_messages":
            for name, of, value in samples(get(port, f"/shards/{labels['shard']}/metrics")):
                if "sender" in of:
                    values[key(name, of)] = value
    return values


def key(name, labels):
    # The store's own label for the histogram's bounds may be written in another way.
    le = [str(float(labels["le"]))] if "le" in labels else []
    return (labels["sender"], name, *le)


def check_sender(sender, report, values, log):
    numbers, ordinary, critical = (of[f"{sender + 1:016x}"] for of in log)
    of = f"{sender + 1:016x}"
    if not isinstance(report, dict) or not report["ledger_closes"]:
        return wrong.append(f"{of}: {report}")
    have = lambda name, *le: int(values.get((of, name, *le), 0))
    equal = lambda what, is_, must: check(is_ == must, f"{of}: {what}: {is_}, and not {must}")

    missing = have("ringstat_sender_lost_total") + have("ringstat_sender_outstanding")
    equal("datagrams received", have("ringstat_sender_received_total"), len(numbers))
    equal("datagrams numbered", len(numbers) + missing, report["datagrams"] + report["failed_datagrams"])
    equal("ordinary events", have("ordinary_count"), ordinary)
    equal("critical events in the log", len(critical), CRITICAL)
    equal("critical events", have("critical_total"), CRITICAL)
    equal("increments", have("increments_total"), INCREMENTS)
    equal("timings", have("spent_seconds_count"), sum(TIMINGS.values()))
    equal("sum of timings", round(values.get((of, "spent_seconds_sum"), 0) * 1000), sum(v * n for v, n in TIMINGS.items()))
    for (_, name, *le), value in values.items():
        if name == "spent_seconds_bucket" and _ == of:
            equal(f"timings up to {le[0]} s", value, sum(n for v, n in TIMINGS.items() if v <= float(le[0]) * 1000))
    # What a receiver has confirmed is stored, whatever became of the receiver, if its queue is on disk.
    if all(n in ON_DISK for n in targets(sender)):
        check(report["sent"] <= have("ordinary_count") + CRITICAL,
              f"{of}: {report['sent']} events confirmed, and {have('ordinary_count')} and {CRITICAL} stored")
    lost = ORDINARY - report["dropped"].get("total", sum(report["dropped"].values())) - ordinary
    check(lost >= 0 and (missing > 0 or lost == 0), f"{of}: {lost} events lost in {missing} datagrams")


def check_store(values):
    """What VictoriaMetrics has of a few names."""
    names = "|".join(("increments_total", "ordinary_count", "critical_total", "spent_seconds_(count|bucket)"))
    query = urllib.parse.urlencode({"match[]": f'{{__name__=~"{names}"}}'})

    def exported():
        get(store_port, "/internal/force_flush")
        return [json.loads(line) for line in get(store_port, "/api/v1/export?" + query).splitlines()]

    def last_values():
        found = {}
        for series in exported():
            of = series["metric"]
            found[key(of["__name__"], of)] = series["values"][-1]
        return found

    expected = {at: value for at, value in values.items()
                if at[1] in ("increments_total", "ordinary_count", "critical_total", "spent_seconds_count", "spent_seconds_bucket")}
    try:
        wait_for("the store has the last values", lambda: last_values() == expected)
    except SystemExit:
        found = last_values()
        differ = [(at, found.get(at), expected.get(at)) for at in {*found, *expected} if found.get(at) != expected.get(at)]
        print("\n".join(wrong[:40]))
        print(f"{len(differ)} differ in the store: key, there, and here: {sorted(differ, key=str)[:8]}")
        raise
    count = 0
    for series in exported():
        # Two samples at the same time, of two workers, must say the same: sorted by time, values never go back.
        told = sorted(zip(series["timestamps"], series["values"]))
        count += len(told)
        check(all(a[1] <= b[1] and (a[0] < b[0] or a[1] == b[1]) for a, b in zip(told, told[1:])),
              f"{series['metric']} goes back or has two values at a time")
    return count


def check_status(totals):
    """What `ringstat fleet status` says of all parts."""
    now = status()
    check([of["name"] for of in now["workers"]] == ["w0", "w1", "w2"], f"workers: {now['workers']}")
    check(len(now["receivers"]) == 3 and all(of["closes"] and of["waiting"] == 0 for of in now["receivers"]),
          f"receivers: {now['receivers']}")
    for name in ("accepted", "duplicates", "too_late", "lost", "missing_messages"):
        check(sum(of[name] for of in now["workers"]) == totals[name], f"{name}: {now['workers']}, and not {totals[name]}")
    check(sum(of["shards"] for of in now["workers"]) == SHARDS, "not all shards have a worker")


# ---- The story ----------------------------------------------------------------------------------------------------

processes = []


def start(*args):
    processes.append(Process(directory, *args))
    return processes[-1]


def story():
    broker = start("broker", "nats-server", "-js", "-sd", directory / "log", "-a", "127.0.0.1", "-p", broker_port)
    wait_for("the broker listens", lambda: socket.socket().connect_ex(("127.0.0.1", broker_port)) == 0)
    start("store", "victoria-metrics", f"-storageDataPath={directory / 'store'}", f"-httpListenAddr=127.0.0.1:{store_port}")
    to_broker, to_store = [Proxy(broker_port) for _ in UDP], Proxy(store_port)
    receivers = [
        start(f"receiver{n}", RINGSTAT, "receive", "--log", f"nats://127.0.0.1:{proxy.port}", "--shards", SHARDS,
              "--shard-bytes", SHARD_BYTES, "--udp", f"127.0.0.1:{udp}", "--http", f"127.0.0.1:{http}",
              *(("--data", directory / f"queue{n}") if n in ON_DISK else ()))
        for n, (udp, http, proxy) in enumerate(zip(UDP, receiver_http, to_broker))
    ]
    wait_for("the receivers are ready", lambda: ready(receiver_http))
    JetStream(broker_port).archive(SHARDS)
    workers = [
        start(f"worker{n}", RINGSTAT, "work", "--log", f"nats://127.0.0.1:{broker_port}", "--name", f"w{n}",
              "--http", f"127.0.0.1:{http}", "--remote-write", f"http://127.0.0.1:{to_store.port}/api/v1/write",
              "--remote-write-interval", 1)
        for n, http in enumerate(worker_http)
    ]
    wait_for("each shard has a worker", caught_up)

    reports = {}
    threads = [threading.Thread(target=send, args=(n, reports)) for n in range(SENDERS)]
    [thread.start() for thread in threads]
    begun = time.monotonic()

    def told(what):
        print(f"{time.monotonic() - begun:5.1f} s: {what}", flush=True)

    # The senders go on through all of this.
    wait_for("something is stored", lambda: sum(v for _, n, _, v in pages() if n == "ringstat_worker_stored_total") > 100)
    receivers[0].kill()
    receivers[0].start()
    wait_for("the killed receiver is back", lambda: ready(receiver_http))
    told("a receiver was killed")

    # A receiver that is cut off keeps what it takes, and acknowledges nothing; meanwhile a worker dies.
    to_broker[1].cut()
    workers[0].kill()
    wait_for("what the cut-off receiver takes waits", lambda: number(receiver_http[1], "ringstat_receiver_waiting_datagrams") > 50)
    acknowledged = number(receiver_http[1], "ringstat_receiver_acknowledgements_total")
    wait_for("it notices", lambda: number(receiver_http[1], "ringstat_receiver_publish_failures_total") > 0)
    check(number(receiver_http[1], "ringstat_receiver_acknowledgements_total") == acknowledged,
          "a receiver acknowledged what the log did not have")
    to_broker[1].heal()
    wait_for("the shards of the killed worker are taken over", lambda: sum(shares()) == SHARDS)
    wait_for("what waited is in the log", lambda: number(receiver_http[1], "ringstat_receiver_waiting_datagrams") < 50)
    told("a receiver was cut off, and a worker killed")

    broker.kill()
    broker.start()
    wait_for("the killed broker is back", lambda: ready(receiver_http))
    told("the broker was killed")

    # While the store stands still no snapshot is valid, and streams fill. Receivers keep back what a full one must not get: a
    # broker would give up messages for it that nobody else has. A receiver that dies then has acknowledged nothing that is not
    # in its queue on disk.
    log = JetStream(broker_port)
    used = sorted(shard_status(), key=lambda of: of["last"])
    to_fill = [of["shard"] for of in used[-FULL:]]
    to_store.cut()
    for shard in to_fill:
        log.fill(shard, SHARD_BYTES * 15 // 16)
    full_shards = lambda: [number(port, "ringstat_receiver_full_shards") for port in receiver_http]
    wait_for("the receivers keep back what is for full streams", lambda: all(full_shards()))
    wait_for("messages wait on disk", lambda: (directory / "queue2/queue.redb").stat().st_size > 0 and
             number(receiver_http[2], "ringstat_receiver_waiting_datagrams") > 20)
    receivers[2].kill()
    receivers[2].start()
    wait_for("the receiver is back", lambda: ready(receiver_http))
    check(number(receiver_http[2], "ringstat_receiver_restored_total") > 0, "nothing was on disk")
    check(all("maximum bytes" not in of.log.read_text() for of in receivers), "the broker had to refuse messages")
    to_store.heal()
    wait_for("streams are not full any more", lambda: not any(full_shards()))
    told("the store stood still, streams were full, and a receiver was killed")

    workers[0].start()
    workers[1].stand_still()
    wait_for("the shards of a worker that stands still are taken over",
             lambda: all((of["worker"] or "").startswith(("w0", "w2")) for of in shard_status()))
    workers[1].go_on()
    told("a worker stood still for longer than its lease")
    [thread.join() for thread in threads]
    told("the senders have ended")

    # Those that came back get their share, and nobody else says that it has what was handed over.
    # The first by name has the one that is left over.
    wait_for("the shards are shared evenly", lambda: shares() == [6, 5, 5])
    waiting = lambda: sum(number(port, "ringstat_receiver_waiting_datagrams") for port in receiver_http)
    wait_for("nothing waits in a receiver", lambda: waiting() == 0)
    wait_for("all that is in the log is read", caught_up)
    wait_for("the archive is complete", lambda: all(log.archived(shard) == log.last(shard) for shard in range(SHARDS)))
    told("all is read")

    values, of_log = stored(), in_the_log(log)
    for sender in range(SENDERS):
        check_sender(sender, reports[sender], values, of_log)
    in_store = check_store(values)
    totals = {name: int(sum(v for _, n, _, v in pages() if n == f"ringstat_worker_{name}_total"))
              for name in ("datagrams", "accepted", "duplicates", "too_late", "lost", "missing_messages")}
    check_status(totals)
    told(f"{SENDERS} senders, {totals}, {in_store} samples in the store")
    check(totals["missing_messages"] == 0, "messages are missing from the log")
    check(totals["duplicates"] > 0, "redundant senders made no duplicates")
    for receiver in receivers:
        receiver.end()


try:
    story()
    if wrong:
        sys.exit("fleet:\n" + "\n".join(wrong[:40]) + f"\n{len(wrong)} are wrong")
    print("fleet: every number is exact")
    shutil.rmtree(directory)
except BaseException:
    print(f"fleet: the logs are in {directory}", file=sys.stderr)
    raise
finally:
    for process in processes:
        process.go_on()
        process.kill()
