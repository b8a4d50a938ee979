"""Sends with the StatsD clients that others wrote, of Python and of Node.js, to `ringstat collect`, and compares /metrics
with what was recorded: exactly.

`statsd_clients.py RINGSTAT NODE_MODULES`; the Python clients have to be importable.
"""
import json
import re
import subprocess
import sys
import time
import urllib.request

RINGSTAT, NODE_MODULES = sys.argv[1:]
COUNT = 500

NODE = """
const port = Number(process.argv[1]), count = Number(process.argv[2]), modules = process.argv[3];
const load = name => require(modules + "/" + name);
const HotShots = load("hot-shots"), NodeStatsd = load("node-statsd"), StatsdClient = load("statsd-client");
const hot = new HotShots({ host: "127.0.0.1", port, maxBufferSize: 1000, globalTags: { lang: "js" } });
const telegraf = new HotShots({ host: "127.0.0.1", port, telegraf: true, prefix: "telegraf." });
const old = new NodeStatsd({ host: "127.0.0.1", port });
const client = new StatsdClient({ host: "127.0.0.1", port });
let left = count;
function some() {
  for (let i = 0; i < 25 && left > 0; i++, left--) {
    hot.increment("hot.counter", 2, { route: "/a" });
    hot.timing("hot.timer", 7);
    hot.histogram("hot.histogram", 0.5);
    hot.distribution("hot.distribution", 4);
    hot.gauge("hot.gauge", left);
    hot.set("hot.set", "user" + left % 10);
    telegraf.increment("counter", 3, { zone: "eu" });
    old.increment("old.counter");
    old.timing("old.timer", 3);
    client.increment("client.counter", 2);
    client.gauge("client.gauge", 10);
    client.gaugeDelta("client.gauge", -4);
  }
  if (left > 0) return setTimeout(some, 2);
  hot.event("deployed", "all of it", { alert_type: "info" });
  hot.check("hot.check", hot.CHECKS.CRITICAL);
  hot.close(() => telegraf.close(() => setTimeout(() => { old.close(); client.close(); }, 100)));
}
some();
"""


def python_clients(port):
    import statsd
    from datadog.dogstatsd import DogStatsd

    plain = statsd.StatsClient("127.0.0.1", port, prefix="py")
    dog = DogStatsd(host="127.0.0.1", port=port, constant_tags=["lang:py"], disable_telemetry=True)
    for n in range(COUNT):
        plain.incr("counter", 3)
        plain.timing("timer", 20)
        plain.gauge("gauge", n)
        plain.set("set", f"user{n % 10}")
        dog.increment("dog.counter", 2, tags=["route:/a"])
        dog.timing("dog.timer", 5)
        dog.histogram("dog.histogram", 1.5)
        dog.distribution("dog.distribution", 2.5)
        dog.gauge("dog.gauge", -n, tags=["sign:minus"])
        dog.set("dog.set", f"user{n % 10}")
        if n % 50 == 49:
            dog.flush()
            time.sleep(0.005)
    plain.gauge("delta", 10)
    plain.gauge("delta", -4, delta=True)
    with plain.pipeline() as pipe:
        for _ in range(100):
            pipe.incr("pipe")
    dog.event("shipped", "two\nlines", alert_type="error")
    dog.service_check("dog.check", dog.WARNING, tags=["db:a"], message="slow")
    dog.flush()


# The sums over all senders, as a client may say in which container it runs, and then is one of its own.
EXPECTED = {
    "py_counter_total": 3 * COUNT,
    "py_timer_seconds_sum": 0.02 * COUNT,
    "py_timer_seconds_count": COUNT,
    "py_gauge": COUNT - 1,
    "py_set_distinct": 10,
    "py_delta": 6,
    "py_pipe_total": 100,
    "dog_counter_total": 2 * COUNT,
    "dog_timer_seconds_count": COUNT,
    "dog_histogram_sum": 1.5 * COUNT,
    "dog_distribution_sum": 2.5 * COUNT,
    "dog_gauge": 1 - COUNT,
    "dog_set_distinct": 10,
    "shipped_total": 1,
    "dog_check": 1,
    "hot_counter_total": 2 * COUNT,
    "hot_timer_seconds_sum": 0.007 * COUNT,
    "hot_histogram_sum": 0.5 * COUNT,
    "hot_distribution_count": COUNT,
    "hot_gauge": 1,
    "hot_set_distinct": 10,
    "telegraf_counter_total": 3 * COUNT,
    "old_counter_total": COUNT,
    "old_timer_seconds_sum": 0.003 * COUNT,
    "client_counter_total": 2 * COUNT,
    "client_gauge": 6,
    "deployed_total": 1,
    "hot_check": 2,
    "ringstat_collector_refused_lines_total": 0,
    "ringstat_collector_malformed_total": 0,
}
LABELS = ['lang="py",route="/a"', 'lang="js",route="/a"', 'zone="eu"', 'db="a"', 'alert_type="error"']


def sums(page):
    found = {}
    for name, value in re.findall(r"^(\w+)(?:\{.*\})? (\S+)$", page, re.M):
        found[name] = found.get(name, 0) + float(value)
    return found


def main():
    command = [RINGSTAT, "collect", "--udp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--json"]
    collector = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        addresses = json.loads(collector.stdout.readline())
        port = int(addresses["udp"][0].rsplit(":", 1)[1])
        python_clients(port)
        subprocess.run(["node", "-e", NODE, "--", str(port), str(COUNT), NODE_MODULES], check=True, timeout=60)
        deadline = time.monotonic() + 30
        while True:
            page = urllib.request.urlopen(f"http://{addresses['http']}/metrics").read().decode()
            found = sums(page)
            wrong = {
                name: (found.get(name), value)
                for name, value in EXPECTED.items()
                if abs(found.get(name, -1) - value) > 1e-9 * abs(value)
            }
            if not wrong:
                break
            if time.monotonic() > deadline:
                refused = [l for l in page.splitlines() if "refused_lines" in l and not l.endswith(" 0")]
                sys.exit(f"name: (found, expected): {wrong}\n{refused}")
            time.sleep(0.05)
        missing = [labels for labels in LABELS if labels not in page]
        assert not missing, missing
        print(f"statsd: {len(EXPECTED)} sums of five clients are exact")
    finally:
        collector.terminate()
        collector.wait(20)


main()
