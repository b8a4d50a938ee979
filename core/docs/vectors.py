#!/usr/bin/env python3
"""Golden datagrams for the wire format, put together byte by byte as protocol.md says.

It shares no code with any other implementation, so that the vectors check an implementation against the
specification and not against itself. It only writes; decoder.mjs reads.

    vectors.py > vectors.jsonl      writes the vectors
    vectors.py --check              says whether vectors.jsonl is what this program writes
"""

import json
import pathlib
import struct
import sys
import zlib

KINDS = ["counter", "gauge", "timing", "distribution", "set", "event"]
PRIORITIES = ["normal", "low", "high", "critical"]


def varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def text(s):
    raw = s.encode() if isinstance(s, str) else s
    return varint(len(raw)) + raw


def datagram(body=b"", records=0, sender=7, epoch=3, sequence=0, unit=0, base=1_000_000, dropped=0, failed=0, flags=0,
             padding=0, magic=b"RS", version=0x10, key=0, unit_bytes=None, floor=None):
    out = magic + bytes([version, key]) + struct.pack("<QII", sender, epoch, sequence)
    out += struct.pack("<HB", records, flags) + (unit_bytes or varint(unit)) + varint(base) + varint(dropped) + varint(failed)
    out += b"" if floor is None else varint(floor)
    return sealed(out + body + bytes(padding))


def nanoseconds(time, unit):
    return min(time * 1000 ** unit, 2 ** 64 - 1)


def header(sender=7, epoch=3, sequence=0, unit=0, base=1_000_000, dropped=0, failed=0, flags=0, floor=None, **_):
    return {"sender": sender, "epoch": epoch, "sequence": sequence, "time_unit": unit,
            "base_time_ns": nanoseconds(base, unit),
            "dropped": dropped, "failed": failed, "since_boot": bool(flags & 1), "packed": bool(flags & 4),
            "ack_floor": floor, "wants_receipt": bool(flags & 8), "goodbye": bool(flags & 16)}


def event(kind, form, name, delta, value, tags=b"", second=0, rate=b"", dynamic=b"", above=b""):
    """One event; `name`, `tags`, `value`, `rate`, `dynamic` and `above` are bytes as they stand on the wire."""
    first = KINDS.index(kind) | form << 3 | (0x40 if tags else 0) | (0x80 if second else 0)
    return bytes([first]) + (bytes([second]) if second else b"") + name + tags + varint(delta) + value + rate + dynamic + above


def meaning(kind, name, value, time_ns=1_000_000, tags=(), priority="normal", rate=1, id=None):
    out = {"kind": kind, "name": name, "tags": [list(t) for t in tags], "time_ns": time_ns, "priority": priority,
           "rate": rate}
    if id is not None:
        out["id"] = id
    out["text" if isinstance(value, str) else "value"] = value
    return out


def new(s):
    """A string spelled out."""
    return b"\x00" + text(s)


def ref(i):
    """A string by its index."""
    return varint(2 * i + 2)


def like(i, prefix, suffix):
    """A string that begins like string `i`, in the short layout."""
    raw = suffix.encode() if isinstance(suffix, str) else suffix
    return varint(2 * i + 3) + bytes([prefix - 1 << 4 | len(raw)]) + raw


def like_long(i, prefix, suffix):
    """The same in the long layout."""
    return b"\x01" + varint(i) + bytes([prefix, len(suffix)]) + suffix.encode()


ALPHABET = [chr(c) for c in (*range(0x20, 0x40), *range(0x60, 0x7F))] + ["_"]


def six(s):
    """Packed characters."""
    return sum(ALPHABET.index(c) << 6 * i for i, c in enumerate(s)).to_bytes((6 * len(s) + 7) // 8, "little")


def packed_new(s):
    """`new` where strings are packed, and this one is."""
    return b"\x00" + varint(2 * len(s) + 1) + six(s)


def unpacked_new(s):
    """`new` where strings are packed, but not this one."""
    return b"\x00" + varint(2 * len(s.encode())) + s.encode()


def packed_like(i, prefix, suffix):
    """`like` where strings are packed."""
    return varint(2 * i + 3) + bytes([prefix - 1 << 4 | len(suffix)]) + six(suffix)


def tag(key, value):
    """A new tag of two strings as they stand on the wire."""
    return b"\x00" + key + value


def tag_ref(i):
    """A tag, or a tag set, by its index."""
    return varint(i + 1)


def tag_set(*tags):
    """A new tag set of tags as they stand on the wire."""
    return b"\x00" + varint(len(tags)) + b"".join(tags)


def sealed(raw):
    return raw + struct.pack("<I", zlib.crc32(raw))


lines = []


def valid(name, body, records, canonical=False, dynamic=None, **kw):
    raw = datagram(body, len(records), **kw)
    line = {"name": name, "hex": raw.hex(), "header": header(**kw), "records": records}
    if canonical:
        line["canonical"] = True
    if dynamic:
        line["dynamic"] = dynamic
    lines.append(line)


def refused(name, refusal, raw):
    lines.append({"name": name, "hex": raw.hex(), "refusal": refusal})


valid("heartbeat", b"", [], canonical=True)
valid("header fields", b"", [], sender=0x0102030405060708, epoch=0xFFFFFFFF, sequence=0xFFFFFFFE,
      dropped=300, failed=2, canonical=True)
valid("since boot, microseconds, acknowledgement wanted", b"", [], unit=1, flags=3, floor=300, canonical=True)
valid("a receipt wanted", b"", [], flags=12, canonical=True)
valid("goodbye", b"", [], flags=20, canonical=True)
valid("all flags", b"", [], flags=31, floor=0, canonical=True)
valid("milliseconds", event("gauge", 0, new("g"), 5, varint(9)), [meaning("gauge", "g", 9, 1_005_000_000)],
      unit=2, base=1000, canonical=True)
valid("padding to 128 bytes", event("counter", 7, new("c"), 0, b""), [meaning("counter", "c", 1)], padding=91,
      canonical=True)
valid("every kind", b"".join(event(k, 0, new(k), 0, varint(i + 2)) for i, k in enumerate(KINDS)),
      [meaning(k, k, i + 2) for i, k in enumerate(KINDS)], canonical=True)

FORMS = [
    (0, varint(0), 0), (0, varint(127), 127), (0, varint(128), 128), (0, varint(2 ** 64 - 1), 2 ** 64 - 1),
    (1, varint(0), -1), (1, varint(2 ** 63 - 1), -2 ** 63),
    (2, varint(125 << 3 | 0), 12.5), (2, varint(1 << 3 | 7), 1e-8), (3, varint(12345 << 3 | 1), -123.45),
    (4, struct.pack("<f", 0.1), struct.unpack("<f", struct.pack("<f", 0.1))[0]),
    (5, struct.pack("<d", 3.141592653589793), 3.141592653589793), (5, struct.pack("<d", -1e300), -1e300),
    (7, b"", 1),
]
for form, raw, number in FORMS:
    valid(f"form {form}: {number}", event("gauge", form, new("g"), 0, raw), [meaning("gauge", "g", number)],
          canonical=True)
valid("a needlessly wide form", event("gauge", 5, new("g"), 0, struct.pack("<d", 2.0)), [meaning("gauge", "g", 2)])
big = (2 ** 61 - 1 << 3 | 7, float(2 ** 61 - 1) / 1e8)
valid("form 2: the largest mantissa", event("gauge", 2, new("g"), 0, varint(big[0])), [meaning("gauge", "g", big[1])])
valid("form 6: text", event("set", 6, new("users"), 0, text("zoë")), [meaning("set", "users", "zoë")], canonical=True)
valid("a text of 255 bytes", event("event", 6, new("log"), 0, text("é" * 127 + "!")),
      [meaning("event", "log", "é" * 127 + "!")], canonical=True)
valid("the longest text", event("event", 6, new("log"), 0, text("é" * 499 + "!!")),
      [meaning("event", "log", "é" * 499 + "!!")])
valid("an empty text", event("set", 6, new("s"), 0, text("")), [meaning("set", "s", "")], canonical=True)
for code, priority in enumerate(PRIORITIES[1:], 1):
    valid(f"priority {priority}", event("event", 7, new("e"), 0, b"", second=code),
          [meaning("event", "e", 1, priority=priority)], canonical=True)
valid("times forward and backward",
      event("gauge", 7, new("t"), 500, b"") + event("gauge", 7, ref(0), 700, b"", second=4) + event("gauge", 7, ref(0), 1, b""),
      [meaning("gauge", "t", 1, 1_000_500), meaning("gauge", "t", 1, 999_800), meaning("gauge", "t", 1, 999_801)],
      canonical=True)
valid("the first and the last time",
      event("gauge", 7, new("t"), 1_000_000, b"", second=4) + event("gauge", 7, ref(0), 2 ** 64 - 1, b""),
      [meaning("gauge", "t", 1, 0), meaning("gauge", "t", 1, 2 ** 64 - 1)], canonical=True)
valid("milliseconds beyond 64 bits of nanoseconds", event("gauge", 7, new("t"), 0, b""),
      [meaning("gauge", "t", 1, 2 ** 64 - 1)], unit=2, base=2 ** 63)
valid("sampling rate", event("counter", 0, new("c"), 0, varint(5), second=8, rate=varint(300)),
      [meaning("counter", "c", 5, rate=300)])
valid("a sampling rate of one byte, high priority", event("counter", 0, new("c"), 0, varint(5), second=10, rate=varint(10)),
      [meaning("counter", "c", 5, priority="high", rate=10)], canonical=True)
pairs = [["service", "shop"], ["region", "eu"]]
valid("tags and tag sets, defined once",
      event("counter", 7, new("c"), 0, b"", tags=tag_set(tag(new("service"), like(1, 1, "hop")), tag(new("region"), new("eu"))))
      + event("counter", 7, ref(0), 0, b"", tags=tag_ref(0))
      + event("counter", 7, ref(0), 0, b"", tags=tag_set(tag(ref(1), like(0, 1, "art")), tag_ref(1)))
      + event("counter", 7, ref(0), 0, b"", tags=tag_ref(1)),
      [meaning("counter", "c", 1, tags=pairs)] * 2 + [meaning("counter", "c", 1, tags=[["service", "cart"], pairs[1]])] * 2,
      canonical=True)
valid("a tag that is defined twice",
      event("counter", 7, new("c"), 0, b"", tags=tag_set(tag(new("a"), new("b")), tag(ref(1), ref(2)), tag_ref(1))),
      [meaning("counter", "c", 1, tags=[["a", "b"]] * 3)])
valid("a set with one tag twice", event("counter", 7, new("c"), 0, b"", tags=tag_set(tag(new("a"), new("b")), tag_ref(0))),
      [meaning("counter", "c", 1, tags=[["a", "b"]] * 2)], canonical=True)
valid("an empty tag set", event("counter", 7, new("c"), 0, b"", tags=tag_set()), [meaning("counter", "c", 1)])
valid("shared prefixes",
      event("counter", 7, new("http.server.requests"), 0, b"")
      + event("counter", 7, like(0, 12, "errors"), 0, b"")
      + event("counter", 7, like_long(0, 20, ".by.method"), 0, b""),
      [meaning("counter", n, 1) for n in ("http.server.requests", "http.server.errors", "http.server.requests.by.method")],
      canonical=True)
valid("a prefix of nothing, and nothing behind one",
      event("gauge", 7, new("ab"), 0, b"") + event("gauge", 7, like_long(0, 0, "c"), 0, b"") + event("gauge", 7, like(0, 2, ""), 0, b""),
      [meaning("gauge", n, 1) for n in ("ab", "c", "ab")])
valid("a prefix of characters of two bytes",
      event("gauge", 7, new("été.a"), 0, b"") + event("gauge", 7, like(0, 5, ".b"), 0, b""),
      [meaning("gauge", "été.a", 1), meaning("gauge", "été.b", 1)])
valid("characters that share a byte", event("gauge", 7, new("température"), 0, b"") + event("gauge", 7, like(0, 4, "ère"), 0, b""),
      [meaning("gauge", "température", 1), meaning("gauge", "tempère", 1)], canonical=True)
valid("packed strings",
      event("counter", 7, packed_new("http.server.requests"), 0, b"")
      + event("counter", 7, packed_like(0, 12, "errors"), 0, b"",
              tags=tag_set(tag(packed_new("zone_id"), packed_new("9-a/b:~`")), tag(unpacked_new("Zone"), packed_new("eu"))))
      + event("counter", 7, packed_like(0, 16, "ests.by.method"), 0, b"")
      + event("counter", 7, unpacked_new("Zürich.a"), 0, b"")
      + event("counter", 7, like_long(7, 8, "b"), 0, b""),
      [meaning("counter", "http.server.requests", 1),
       meaning("counter", "http.server.errors", 1, tags=[["zone_id", "9-a/b:~`"], ["Zone", "eu"]]),
       meaning("counter", "http.server.requests.by.method", 1), meaning("counter", "Zürich.a", 1),
       meaning("counter", "Zürich.b", 1)], flags=4, canonical=True)
valid("all characters that can be packed", event("gauge", 7, packed_new("".join(ALPHABET)), 0, b""),
      [meaning("gauge", "".join(ALPHABET), 1)], flags=4, canonical=True)
valid("the longest packed string", event("gauge", 7, packed_new("n" * 255), 0, b""), [meaning("gauge", "n" * 255, 1)], flags=4,
      canonical=True)
valid("a packed suffix of a string that cannot be packed", event("gauge", 7, unpacked_new("é"), 0, b"")
      + event("gauge", 7, packed_like(0, 2, "_a"), 0, b"") + event("gauge", 7, packed_like(1, 4, ""), 0, b""),
      [meaning("gauge", n, 1) for n in ("é", "é_a", "é_a")], flags=4)
valid("bits left over behind packed characters", event("gauge", 7, b"\x00" + varint(3) + b"\xe1", 0, b""), [meaning("gauge", "a", 1)],
      flags=4)
valid("dynamic tags where strings are packed",
      event("set", 6, packed_new("users"), 0, text("zoë"), second=16, dynamic=b"\x01" + packed_new("plan") + text("free_1")),
      [meaning("set", "users", "zoë", tags=[["plan", "free_1"]])], flags=4, canonical=True, dynamic=[1])
valid("dynamic tags",
      event("timing", 2, new("db.query"), 0, varint(15 << 3), second=16, dynamic=b"\x02" + new("table") + text("orders") + new("op") + text(""))
      + event("timing", 2, ref(0), 0, varint(25 << 3), second=16, dynamic=b"\x01" + ref(1) + text("users")),
      [meaning("timing", "db.query", 1.5, tags=[["table", "orders"], ["op", ""]]),
       meaning("timing", "db.query", 2.5, tags=[["table", "users"]])], canonical=True, dynamic=[2, 1])
valid("no dynamic tags after all", event("gauge", 7, new("g"), 0, b"", second=16, dynamic=b"\x00"), [meaning("gauge", "g", 1)])
sixteen = [[f"{i}", "v"] for i in range(16)]
valid("16 dynamic tags", event("gauge", 7, new("g"), 0, b"", second=16, dynamic=b"\x10" + b"".join((new(k) if len(k) == 1 else like(2, 1, k[1])) + text(v) for k, v in sixteen)),
      [meaning("gauge", "g", 1, tags=sixteen)], canonical=True, dynamic=[16])
valid("static, then dynamic tags",
      event("counter", 7, new("c"), 0, b"", tags=tag_set(tag(new("a"), new("b"))), second=16,
            dynamic=b"\x01" + ref(1) + text("d")),
      [meaning("counter", "c", 1, tags=[["a", "b"], ["a", "d"]])])
valid("1024 strings", b"".join(event("gauge", 7, new(f"{i}"), 0, b"") for i in range(1024)),
      [meaning("gauge", f"{i}", 1) for i in range(1024)])
valid("the longest string", event("gauge", 7, new("n" * 255), 0, b""), [meaning("gauge", "n" * 255, 1)], canonical=True)
valid("a needlessly long integer", event("gauge", 0, new("g"), 0, b"\x85\x80\x00"), [meaning("gauge", "g", 5)])
for n in (0, 7):
    valid(f"form 2 without digits, {n}", event("gauge", 2, new("g"), 0, varint(n)), [meaning("gauge", "g", 0)])
    valid(f"form 3 without digits, {n}: -0.0", event("gauge", 3, new("g"), 0, varint(n)), [meaning("gauge", "g", -0.0)])
valid("-0.0 as a level, in two forms", b"\x0e" + new("g") + b"\x03\x00" + b"\x0e" + ref(0) + b"\x04" + struct.pack("<f", -0.0),
      [{"kind": "level", "name": "g", "tags": [], "level": -0.0}] * 2)
valid("a second byte that says nothing", bytes([0xB9, 0]) + new("g") + b"\x00", [meaning("gauge", "g", 1)])
valid("1024 tags of one set", event("gauge", 7, new("g"), 0, b"", tags=tag_set(*[tag(ref(0), ref(0))] * 1024)),
      [meaning("gauge", "g", 1, tags=[["g", "g"]] * 1024)])
valid("a time unit in more bytes than it needs", b"", [], unit=1, unit_bytes=b"\x81" + b"\x80" * 8 + b"\x00")
valid("a counter's total", b"\x06" + new("requests") + varint(1_000_000),
      [{"kind": "total", "name": "requests", "tags": [], "total": 1_000_000}], canonical=True)
valid("the highest total", b"\x06" + new("c") + varint(2 ** 64 - 1),
      [{"kind": "total", "name": "c", "tags": [], "total": 2 ** 64 - 1}], canonical=True)
valid("a gauge's level, with tags", b"\x4e" + new("celsius") + tag_set(tag(new("room"), new("lab"))) + b"\x02" + varint(215 << 3),
      [{"kind": "level", "name": "celsius", "tags": [["room", "lab"]], "level": 21.5}], canonical=True)


def info(name, heartbeat=1000, started=0, process=0, host="", version="", tags=b""):
    """What a sender says of itself; `name`, `host` and `version` are bytes as they stand on the wire, or texts."""
    raw = [t if isinstance(t, bytes) else text(t) for t in (host, version)]
    return bytes([0x1E | (0x40 if tags else 0)]) + name + tags + varint(heartbeat) + varint(started) + varint(process) + b"".join(raw)


def said(name, heartbeat=1000, started=0, process=0, host="", version="", tags=()):
    return {"kind": "info", "name": name, "tags": [list(t) for t in tags], "heartbeat_ms": heartbeat, "started_ms": started,
            "process": process, "host": host, "version": version}


valid("who a chip is", info(new("thermostat")), [said("thermostat")], canonical=True)
valid("who a process is",
      info(new("shop"), 250, 1_790_000_000_123, 4711, "höst-1", "1.4.2", tags=tag_set(tag(new("zone"), new("eu")))),
      [said("shop", 250, 1_790_000_000_123, 4711, "höst-1", "1.4.2", [("zone", "eu")])], canonical=True)
valid("who a sender is, with the longest texts and highest numbers",
      info(new("n" * 255), 2 ** 64 - 1, 2 ** 64 - 1, 2 ** 32 - 1, "h" * 255, "v" * 255),
      [said("n" * 255, 2 ** 64 - 1, 2 ** 64 - 1, 2 ** 32 - 1, "h" * 255, "v" * 255)], canonical=True)
valid("who a sender is that makes no promise", info(new("once"), 0) + event("counter", 7, ref(0), 0, b""), [said("once", 0), meaning("counter", "once", 1)],
      canonical=True)


def description(name, unit=0, said="", tags=b""):
    """What a name means; `name` and `said` are bytes as they stand on the wire, or a text."""
    return bytes([0x26 | (0x40 if tags else 0)]) + name + tags + bytes([unit]) + (said if isinstance(said, bytes) else text(said))


def meant(name, unit=0, text="", tags=()):
    return {"kind": "description", "name": name, "tags": [list(t) for t in tags], "unit": unit, "text": text}


valid("what a name means", description(new("sent"), 5, "Payload sent, without headers.") + b"\x06" + ref(0) + varint(7),
      [meant("sent", 5, "Payload sent, without headers."), {"kind": "total", "name": "sent", "tags": [], "total": 7}], canonical=True)
valid("what a name means, in the longest text", description(new("n" * 255), 0, "\u00e9" * 127 + "."), [meant("n" * 255, 0, "\u00e9" * 127 + ".")],
      canonical=True)
valid("a unit without a text", description(new("load"), 6), [meant("load", 6)], canonical=True)
valid("a description with tags, which say nothing", description(new("a"), 0, "A.", tags=tag_set(tag(new("k"), new("v")))),
      [meant("a", 0, "A.", [("k", "v")])], canonical=True)
buckets = b"\x16" + new("latency") + b"\x01\x03\x00" + b"\x00" + varint(300) + varint(1) + varint(2) + varint(9) + varint(4) + varint(0)
valid("a histogram", buckets, [{"kind": "buckets", "name": "latency", "tags": [], "unit": 1, "precision": 3,
                                "min_exponent": 0, "sum": 300, "buckets": [[0, 2], [9, 4]]}],
      canonical=True)
half = {"kind": "buckets", "name": "latency", "tags": [], "unit": 2, "precision": 4, "min_exponent": -1, "sum": 75.5}
valid("a histogram in two records",
      b"\x16" + new("latency") + b"\x02\x04\xff" + b"\x02" + varint(755 << 3) + b"\x03\x01\x01\x02\x00"
      + b"\x16" + ref(0) + b"\x02\x04\xff" + b"\x02" + varint(755 << 3) + varint(65_536) + varint(300) + b"\x00",
      [half | {"buckets": [[2, 1], [3, 2]]}, half | {"buckets": [[65_535, 300]]}], canonical=True)
valid("a histogram with negative exponents and no buckets", b"\x16" + new("h") + b"\x00\x08\xec" + b"\x07" + b"\x00",
      [{"kind": "buckets", "name": "h", "tags": [], "unit": 0, "precision": 8, "min_exponent": -20, "sum": 1, "buckets": []}],
      canonical=True)

valid("critical events with identifiers, and one without",
      event("event", 7, new("door.open"), 0, b"", second=0x23, above=varint(0))
      + event("gauge", 7, new("g"), 0, b"")
      + event("counter", 0, ref(0), 5, varint(2), second=0x3B, rate=varint(3), dynamic=b"\x01" + new("k") + text("v"), above=varint(1023)),
      [meaning("event", "door.open", 1, priority="critical", id=70_000), meaning("gauge", "g", 1),
       meaning("counter", "door.open", 2, 1_000_005, tags=[["k", "v"]], priority="critical", rate=3, id=71_023)],
      flags=2, floor=70_000, canonical=True, dynamic=[0, 0, 1])
valid("the highest identifier, of a normal event", event("gauge", 7, new("g"), 0, b"", second=0x20, above=varint(1)),
      [meaning("gauge", "g", 1, id=2 ** 64 - 1)], flags=2, floor=2 ** 64 - 2, canonical=True)

good = datagram(event("counter", 7, new("c"), 0, b""), 1)
refused("empty", "truncated", b"")
refused("header cut short", "truncated", good[:19])
refused("a header and nothing else", "truncated", good[:20])
refused("magic, and no room for a checksum", "bad_magic", b"XS" + good[2:23])
refused("key id, and no room for a checksum", "bad_mode", good[:3] + b"\x01" + good[4:20])
refused("no room for a checksum", "truncated", good[:22])
refused("longer than UDP allows", "too_long", b"RS" + bytes(65_506))
refused("magic", "bad_magic", datagram(magic=b"XS"))
refused("version", "bad_version", datagram(version=0x20))
refused("mode", "bad_mode", datagram(version=0x11))
refused("key id", "bad_mode", datagram(key=1))
refused("damaged", "bad_checksum", good[:30] + bytes([good[30] ^ 1]) + good[31:])
refused("cut in the middle", "bad_checksum", good[:-1])
refused("the record count is missing", "truncated", sealed(good[:21]))
refused("the account ends early", "truncated", sealed(good[:27]))
refused("the account holds an integer of 65 bits", "bad_varint", sealed(good[:23] + b"\x00" + b"\xff" * 9 + b"\x02"))
refused("the floor is missing", "truncated", datagram(flags=2))
refused("a floor of 65 bits", "bad_varint", sealed(datagram(flags=2)[:-4] + b"\xff" * 9 + b"\x02"))
refused("a reserved flag", "bad_prologue", datagram(flags=32))
refused("an unknown time unit", "bad_prologue", datagram(unit=3))
refused("an unknown time unit that 32 bits do not hold", "bad_prologue", datagram(unit=2 ** 40))


def bad(name, refusal, body, records=1, **kw):
    refused(name, refusal, datagram(body, records, **kw))


bad("fewer records than announced", "truncated", b"")
bad("a string cut short", "truncated", b"\x38\x00\x05ab")
bad("an integer of 65 bits", "bad_varint", event("gauge", 0, new("g"), 0, b"\xff" * 9 + b"\x02"))
bad("kind 7", "bad_record", b"\x07" + new("x") + b"\x00\x00")
for bit in (0x40, 0x80):
    bad(f"reserved bit {bit:#x}", "bad_record", event("gauge", 7, new("g"), 0, b"", second=bit))
bad("an identifier without a floor", "bad_record", event("gauge", 7, new("g"), 0, b"", second=0x20, above=varint(0)))
bad("an identifier beyond 64 bits", "bad_number", event("gauge", 7, new("g"), 0, b"", second=0x20, above=varint(1)), flags=2, floor=2 ** 64 - 1)
bad("an identifier cut short", "truncated", event("gauge", 7, new("g"), 0, b"", second=0x20), flags=2, floor=0)
bad("a reserved bit before an empty name", "bad_record", event("gauge", 7, new(""), 0, b"", second=0x20))
bad("kind 7 behind an empty name", "empty_name", b"\x07" + new("") + b"\x00\x00")
bad("kind 7 with a reserved bit before an empty name", "bad_record", b"\x87\x40" + new(""))
bad("a state with an identifier before an empty name", "bad_record", b"\x86\x20" + new(""))
bad("a state with a priority behind an empty name", "empty_name", b"\x86\x01" + new(""))
bad("a state with an identifier and a floor behind a name", "bad_record", b"\x86\x20" + new("c"), flags=2, floor=0)
for kind in KINDS[:4]:
    bad(f"a text as a {kind}", "bad_record", event(kind, 6, new("c"), 0, text("a")))
bad("a text as a counter, behind an empty name", "empty_name", event("counter", 6, new(""), 0, text("a")))
bad("a text as a counter, and nothing behind its name", "bad_record", b"\x30" + new("c"))
bad("a text as the sum of a histogram", "bad_record", b"\x16" + new("h") + b"\x00\x03\x00\x06\x01a\x00")
bad("a sound record, then one cut short", "truncated", event("gauge", 7, new("g"), 0, b"") + b"\x39" + ref(0), 2)
bad("a float cut short by the checksum", "truncated", event("gauge", 5, new("g"), 0, bytes(7)))
bad("a second byte on a state", "bad_record", b"\x86\x01" + new("c") + b"\x05")
bad("a second byte on a state that says nothing", "truncated", b"\x86\x00" + new("c"))
bad("an undefined state", "bad_record", b"\x2e" + new("c") + b"\x05")
bad("text as a level", "bad_record", b"\x0e" + new("c") + b"\x06\x01a")
bad("form 8 of a level", "bad_record", b"\x0e" + new("c") + b"\x08\x01")
bad("a string index too high", "bad_string_index", event("gauge", 7, ref(0), 0, b""))
bad("a prefix of nothing", "bad_string_index", event("gauge", 7, like(0, 2, "a"), 0, b""))
bad("a long prefix of nothing", "bad_string_index", event("gauge", 7, like_long(0, 2, "a"), 0, b""))
bad("a prefix longer than its string", "bad_string_index", event("gauge", 7, new("ab"), 0, b"") + event("gauge", 7, like(0, 4, "c"), 0, b""), 2)
bad("a long prefix longer than its string, and nothing behind it", "bad_string_index", event("gauge", 7, new("ab"), 0, b"") + b"\x39\x01\x00\x03", 2)
bad("a long prefix of nothing, and nothing behind it", "bad_string_index", b"\x39\x01\x00")
bad("a string index beyond 16 bits", "bad_string_index", event("gauge", 7, new("g"), 0, b"") + event("gauge", 7, ref(2 ** 16), 0, b""), 2)
bad("a prefix of a string beyond 16 bits", "bad_string_index", event("gauge", 7, new("g"), 0, b"") + event("gauge", 7, like(2 ** 16, 1, "a"), 0, b""), 2)
bad("a prefix of the highest index", "bad_string_index", event("gauge", 7, new("g"), 0, b"") + event("gauge", 7, like_long(2 ** 64 - 1, 1, "a"), 0, b""), 2)
bad("a string of the next record", "bad_string_index", event("gauge", 7, new("g"), 0, b"", tags=tag_set(tag(ref(0), ref(1)))))
bad("a tag index too high", "bad_tag_index", event("gauge", 7, new("g"), 0, b"", tags=tag_set(tag_ref(0))))
bad("a tag set index too high", "bad_tag_index", event("gauge", 7, new("g"), 0, b"", tags=tag_ref(0)))
bad("a tag set index beyond 16 bits", "bad_tag_index", event("gauge", 7, new("g"), 0, b"", tags=tag_set()) + event("gauge", 7, ref(0), 0, b"", tags=tag_ref(2 ** 16)), 2)
bad("not UTF-8", "bad_utf8", event("gauge", 7, new(b"\xff\xfe"), 0, b""))
bad("a prefix that cuts a character", "bad_utf8", event("gauge", 7, new("é"), 0, b"") + event("gauge", 7, like(0, 1, "a"), 0, b""), 2)
bad("a long prefix that cuts a character, and nothing behind it", "bad_utf8", event("gauge", 7, new("é"), 0, b"") + b"\x39\x01\x00\x01", 2)
bad("a prefix that cuts a character, and a suffix cut short", "bad_utf8", event("gauge", 7, new("é"), 0, b"") + b"\x39" + varint(3) + b"\x05", 2)
bad("text that is not UTF-8", "bad_utf8", event("set", 6, new("s"), 0, text(b"\x80")))
bad("a dynamic tag that is not UTF-8", "bad_utf8", event("gauge", 7, new("g"), 0, b"", second=16, dynamic=b"\x01" + new("k") + text(b"\xc3")))
bad("a surrogate", "bad_utf8", event("gauge", 7, new(b"\xed\xa0\x80"), 0, b""))
bad("a suffix that is not UTF-8 by itself", "bad_utf8", event("gauge", 7, new("aé"), 0, b"") + event("gauge", 7, like(0, 2, b"\xa9"), 0, b""), 2)
bad("a string of 256 bytes", "string_too_long", event("gauge", 7, new("n" * 256), 0, b""))
bad("a string longer than 255 and than the datagram", "string_too_long", b"\x39\x00" + varint(2 ** 63))
bad("a text of 1001 bytes", "string_too_long", event("set", 6, new("s"), 0, text("t" * 1001)))
bad("a dynamic tag of 256 bytes", "string_too_long", event("gauge", 7, new("g"), 0, b"", second=16, dynamic=b"\x01" + new("k") + text("v" * 256)))
bad("a prefixed string of 256 bytes", "string_too_long", event("gauge", 7, new("n" * 250), 0, b"") + event("gauge", 7, like_long(0, 250, "nnnnnn"), 0, b""), 2)
long = event("gauge", 7, new("n" * 250), 0, b"")
bad("a prefixed string of 256 bytes, and nothing behind its lengths", "string_too_long", long + b"\x39\x01\x00" + bytes([250, 6]), 2)
bad("a prefixed string of 256 bytes that are not UTF-8", "string_too_long", long + b"\x39\x01\x00" + bytes([250, 6]) + b"\xff" * 6, 2)
bad("a packed string of 256 characters", "string_too_long", event("gauge", 7, packed_new("n" * 256), 0, b""), flags=4)
bad("an unpacked string of 256 bytes among packed ones", "string_too_long", event("gauge", 7, unpacked_new("n" * 256), 0, b""), flags=4)
bad("a packed string cut short", "truncated", b"\x38" + packed_new("abcdef")[:-1], flags=4)
bad("an unpacked string that is not UTF-8 among packed ones", "bad_utf8", event("gauge", 7, b"\x00\x02\xff", 0, b""), flags=4)
bad("an empty packed name", "empty_name", event("gauge", 7, packed_new(""), 0, b""), flags=4)
bad("an empty name", "empty_name", event("gauge", 7, new(""), 0, b""))
bad("17 dynamic tags", "table_full", event("gauge", 7, new("g"), 0, b"", second=16, dynamic=b"\x11" + (new("k") + text("v")) * 17))
bad("an absurd number of dynamic tags", "table_full", event("gauge", 7, new("g"), 0, b"", second=16, dynamic=varint(2 ** 40)))
bad("an absurd number of tags", "table_full", event("gauge", 7, new("g"), 0, b"", tags=b"\x00" + varint(2 ** 40)))
bad("1025 tags", "table_full", event("gauge", 7, new("g"), 0, b"", tags=tag_set(*[tag(ref(0), ref(0))] * 1025)))
full = b"".join(event("gauge", 7, new(f"{i}"), 0, b"") for i in range(1024))
bad("the 1025th string cut short", "truncated", full + b"\x39\x00\x02a", 1025)
bad("a 1025th string that is not UTF-8", "bad_utf8", full + b"\x39" + new(b"\xff"), 1025)
bad("a 1025th string of 256 bytes", "string_too_long", full + b"\x39\x00" + varint(256), 1025)
bad("a 1025th string that is an empty name", "table_full", full + b"\x39" + new(""), 1025)
bad("1025 strings", "table_full", b"".join(event("gauge", 7, new(f"{i}"), 0, b"") for i in range(1025)), 1025)
bad("1025 members of two sets", "table_full", event("gauge", 7, new("g"), 0, b"", tags=tag_set(tag(ref(0), ref(0)), *[tag_ref(0)] * 999))
    + event("gauge", 7, ref(0), 0, b"", tags=tag_set(*[tag_ref(0)] * 25)), 2)
bad("1025 tag sets", "table_full", event("gauge", 7, new("g"), 0, b"", tags=tag_set()) + event("gauge", 7, ref(0), 0, b"", tags=tag_set()) * 1024, 1025)
sets = event("gauge", 7, new("g"), 0, b"", tags=tag_set()) + event("gauge", 7, ref(0), 0, b"", tags=tag_set()) * 1023
bad("the 1025th tag set cut short", "truncated", sets + b"\x79" + ref(0) + b"\x00", 1025)
bad("a 1025th tag set of an unknown tag", "bad_tag_index", sets + b"\x79" + ref(0) + tag_set(tag_ref(0)), 1025)
bad("more string bytes than 16384", "table_full", event("gauge", 7, new("n" * 255), 0, b"") + event("gauge", 7, like_long(0, 255, ""), 0, b"") * 64, 65)
bytes_left = event("gauge", 7, new("n" * 255), 0, b"") + event("gauge", 7, like_long(0, 255, ""), 0, b"") * 63
bad("byte 16385 of a string cut short", "truncated", bytes_left + b"\x39\x00" + varint(65), 65)
bad("byte 16385 of a string that is not UTF-8", "bad_utf8", bytes_left + b"\x39" + new(b"n" * 64 + b"\xff"), 65)
bad("a time before zero", "bad_time", event("gauge", 7, new("g"), 2_000_000, b"", second=4))
bad("a time beyond 64 bits", "bad_time", event("gauge", 7, new("g"), 2 ** 64 - 1, b""))
bad("a process of 2^32", "bad_number", info(new("p"), process=2 ** 32))
bad("a process of 2^32 and a host of 256 bytes", "bad_number", info(new("p"), process=2 ** 32, host="h" * 256))
bad("a host of 256 bytes", "string_too_long", info(new("p"), host="h" * 256))
bad("a version of 256 bytes, cut short", "string_too_long", info(new("p"), version=varint(256)))
bad("a host that is not UTF-8", "bad_utf8", info(new("p"), host=text(b"\xff"), version=varint(256)))
bad("a version cut short", "truncated", info(new("p"), version=b"\x05v"))
bad("who a sender is, without a name", "empty_name", info(new("")))
bad("a description in an unknown unit", "bad_buckets", description(new("n"), 7, "x"))
bad("a description of 256 bytes", "string_too_long", description(new("n"), 0, "x" * 256))
bad("a description that is not UTF-8", "bad_utf8", description(new("n"), 0, text(b"\xff")))
bad("a description cut short", "truncated", description(new("n"), 0, b"\x05x"))
bad("a description of nothing", "empty_name", description(new("")))
bad("not a number", "bad_number", event("gauge", 5, new("g"), 0, struct.pack("<d", float("nan"))))
bad("infinite", "bad_number", event("gauge", 4, new("g"), 0, struct.pack("<f", float("inf"))))
bad("an infinite level", "bad_number", b"\x0e" + new("g") + b"\x05" + struct.pack("<d", float("-inf")))
bad("below the lowest integer", "bad_number", event("gauge", 1, new("g"), 0, varint(2 ** 63)))
bad("a sampling rate of 0", "bad_number", event("gauge", 7, new("g"), 0, b"", second=8, rate=b"\x00"))
bad("a sampling rate beyond 32 bits", "bad_number", event("gauge", 7, new("g"), 0, b"", second=8, rate=varint(2 ** 32)))
bad("an unknown unit", "bad_buckets", b"\x16" + new("h") + b"\x07\x03\x00\x07\x00")
bad("a precision of 9", "bad_buckets", b"\x16" + new("h") + b"\x00\x09\x00\x07\x00")
bad("a precision of 0", "bad_buckets", b"\x16" + new("h") + b"\x00\x00\x00\x07\x00")
bad("an unknown unit and nothing behind it", "bad_buckets", b"\x16" + new("h") + b"\x07")
bad("a precision of 9 and no sum", "bad_buckets", b"\x16" + new("h") + b"\x00\x09\x00")
bad("a precision of 9 and nothing behind it", "bad_buckets", b"\x16" + new("h") + b"\x00\x09")
bad("a bucket far away and no count", "bad_buckets", b"\x16" + new("h") + b"\x00\x03\x00\x07" + varint(65537))
bad("buckets without an end", "truncated", b"\x16" + new("h") + b"\x00\x03\x00\x07\x01\x05")
bad("a bucket far away", "bad_buckets", b"\x16" + new("h") + b"\x00\x03\x00\x07\x01\x01" + varint(2 ** 64 - 1) + b"\x01\x00")
bad("a bucket of 0", "bad_buckets", b"\x16" + new("h") + b"\x00\x03\x00\x07\x01\x00\x00")
bad("a bucket index of 65536", "bad_buckets", b"\x16" + new("h") + b"\x00\x03\x00\x07" + varint(65537) + b"\x01\x00")
bad("something behind the last record", "trailing_bytes", b"\x00\x01", 0)
bad("one record more than announced", "trailing_bytes", event("gauge", 7, new("g"), 0, b"") * 2)


def ack(sender=7, epoch=3, base=0, bitmap=b"", magic=b"RS", version=0x18, key=0):
    return sealed(magic + bytes([version, key]) + struct.pack("<QIQ", sender, epoch, base) + bitmap)


def acknowledged(name, raw, sender=7, epoch=3, base=0, stored=(), canonical=False):
    line = {"name": name, "hex": raw.hex(), "ack": {"sender": sender, "epoch": epoch, "base": base, "stored": list(stored)}}
    if canonical:
        line["canonical"] = True
    lines.append(line)


def bad_ack(name, refusal, raw):
    lines.append({"name": name, "hex": raw.hex(), "ack": {"refusal": refusal}})


acknowledged("acknowledgement of nothing", ack(), canonical=True)
acknowledged("acknowledgement of all below", ack(base=70_001), base=70_001, canonical=True)
acknowledged("acknowledgement with gaps", ack(base=5, bitmap=b"\x06\x00\x80"), base=5, stored=[6, 7, 28], canonical=True)
acknowledged("acknowledgement of the whole window", ack(base=0, bitmap=b"\xff" * 128), stored=range(1024), canonical=True)
acknowledged("acknowledgement with zeros at its end", ack(base=5, bitmap=b"\x01\x00"), base=5, stored=[5])
acknowledged("acknowledgement with the highest numbers",
             ack(sender=2 ** 64 - 1, epoch=2 ** 32 - 1, base=2 ** 64 - 1, bitmap=b"\x01"),
             sender=2 ** 64 - 1, epoch=2 ** 32 - 1, base=2 ** 64 - 1, stored=[2 ** 64 - 1], canonical=True)
acknowledged("acknowledgement with bits beyond the highest number", ack(base=2 ** 64 - 2, bitmap=b"\xfe"), base=2 ** 64 - 2,
             stored=[2 ** 64 - 1])
bad_ack("acknowledgement: empty", "truncated", b"")
bad_ack("acknowledgement: cut short", "truncated", ack()[:27])
bad_ack("acknowledgement: more than the window", "too_long", ack(bitmap=b"\x01" * 129))
bad_ack("acknowledgement: magic", "bad_magic", ack(magic=b"XS"))
bad_ack("acknowledgement: version", "bad_version", ack(version=0x28))
bad_ack("acknowledgement: a datagram of records", "bad_mode", datagram(b"", padding=8))
bad_ack("acknowledgement: key id", "bad_mode", ack(key=1))
bad_ack("acknowledgement: damaged", "bad_checksum", ack(base=4)[:-1] + b"\x00")
refused("an acknowledgement, to a receiver", "bad_mode", ack())


def receipt(sender=7, epoch=3, sequence=0, instance=5, first=0, datagrams=1, events=0, magic=b"RS", version=0x19, key=0):
    return sealed(magic + bytes([version, key]) + struct.pack("<QIIIIQQ", sender, epoch, sequence, instance, first, datagrams, events))


def received(name, **kw):
    told = {"sender": 7, "epoch": 3, "sequence": 0, "instance": 5, "first": 0, "datagrams": 1, "events": 0} | kw
    lines.append({"name": name, "hex": receipt(**kw).hex(), "receipt": told})


def bad_receipt(name, refusal, raw):
    lines.append({"name": name, "hex": raw.hex(), "receipt": {"refusal": refusal}})


received("receipt for the first datagram")
received("receipt from a receiver that began in the middle", sequence=70_000, first=60_000, datagrams=9_990, events=999_000)
received("receipt with the highest numbers", sender=2 ** 64 - 1, epoch=2 ** 32 - 1, sequence=2 ** 32 - 1, instance=2 ** 32 - 1,
         first=2 ** 32 - 1, datagrams=2 ** 64 - 1, events=2 ** 64 - 1)
bad_receipt("receipt: empty", "truncated", b"")
bad_receipt("receipt: cut short", "truncated", receipt()[:47])
bad_receipt("receipt: one byte more", "too_long", receipt() + b"\x00")
bad_receipt("receipt: magic", "bad_magic", receipt(magic=b"XS"))
bad_receipt("receipt: version", "bad_version", receipt(version=0x29))
bad_receipt("receipt: an acknowledgement", "bad_mode", ack(bitmap=b"\x01" * 20))
bad_receipt("receipt: key id", "bad_mode", receipt(key=1))
bad_receipt("receipt: damaged", "bad_checksum", receipt()[:-1] + b"\x00")
refused("a receipt, to a receiver", "bad_mode", receipt())
bad_ack("acknowledgement: a receipt", "bad_mode", receipt())


# Sequences of datagrams, and what a receiver knows behind them.

def beat(sequence, epoch=3):
    """A datagram without records."""
    return datagram(sequence=sequence, epoch=epoch)


def goodbye(sequence, epoch=3):
    """The last datagram of a sender."""
    return datagram(sequence=sequence, epoch=epoch, flags=16)


def critical(sequence, floor, *ids, epoch=3):
    """A datagram with events of these identifiers."""
    body = b"".join(event("event", 7, ref(0) if i else new("e"), 0, b"", second=0x23, above=varint(id - floor)) for i, id in enumerate(ids))
    return datagram(body, len(ids), sequence=sequence, epoch=epoch, flags=2, floor=floor)


def arrived(name, *steps, joins=False, settled=None, **account):
    """Steps are pairs: a datagram, and the verdict on it; or triples, with the identifiers of the events that are stored."""
    counts = dict.fromkeys(("received", "lost", "outstanding", "late", "duplicate", "too_late", "old_epoch", "unconfirmed",
                            "strangers", "twins", "restarts", "jumps", "first"), 0)
    line = {"name": name, "arrivals": [step[0].hex() for step in steps], "joins": joins,
            "verdicts": [step[1] for step in steps], "account": counts | {"epoch": 3} | account}
    if settled:
        line["stored"] = [list(step[2]) for step in steps]
        line["settled"] = {"base": settled[0], "stored": settled[1]}
    assert line["account"].keys() == counts.keys() | {"epoch", "next"}
    lines.append(line)


arrived("in order", *[(beat(i), "new") for i in range(4)], received=4, next=4)
arrived("overtaken, twice, and missing",
        *[(beat(i), v) for i, v in ((0, "new"), (2, "new"), (1, "late"), (1, "duplicate"), (4, "new"))],
        received=4, outstanding=1, late=1, duplicate=1, next=5)
arrived("the first ones are missing", (beat(2), "new"), (beat(0), "late"), received=2, late=1, outstanding=1, next=3)
arrived("a number leaves the window", (beat(0), "new"), (beat(1024), "new"), (beat(1025), "new"), (beat(1), "too_late"), (beat(2), "late"),
        received=4, lost=1, outstanding=1021, late=1, too_late=1, next=1026)
arrived("the longest step", (beat(0), "new"), (beat(1024), "new"), (beat(1), "late"), received=3, outstanding=1022, late=1, next=1025)
arrived("a step too far, alone", *[(beat(i), v) for i, v in ((0, "new"), (1025, "unconfirmed"), (1, "new"))],
        received=2, unconfirmed=1, next=2)
arrived("a far jump that a second one confirms", (beat(0), "new"), (beat(100_000), "unconfirmed"), (beat(100_002), "jump"),
        received=3, lost=98_978, outstanding=1022, jumps=1, next=100_003)
arrived("a far jump that one from behind confirms", (beat(0), "new"), (beat(100_000), "unconfirmed"), (beat(99_999), "jump"),
        received=3, lost=98_976, outstanding=1022, jumps=1, next=100_001)
arrived("a far jump twice the same", (beat(0), "new"), (beat(100_000), "unconfirmed"), (beat(100_000), "duplicate"), (beat(1), "new"),
        received=2, unconfirmed=1, duplicate=1, next=2)
arrived("two far jumps that disagree",
        *[(beat(i), v) for i, v in ((0, "new"), (100_000, "unconfirmed"), (500_000, "unconfirmed"), (500_001, "jump"))],
        received=3, unconfirmed=1, lost=498_977, outstanding=1022, jumps=1, next=500_002)
arrived("the number held is what the first step falls behind", (beat(0), "new"), (beat(1500), "unconfirmed"), (beat(1000), "jump"), (beat(999), "late"),
        received=4, lost=476, outstanding=1021, late=1, jumps=1, next=1501)
arrived("before 0 there is nothing", (beat(0), "new"), (beat(2 ** 32 - 1), "too_late"), (beat(2 ** 31 + 1), "too_late"), (beat(2 ** 31), "unconfirmed"),
        received=1, too_late=2, unconfirmed=1, next=1)
arrived("numbers wrap", *[(beat(i % 2 ** 32), "new") for i in range(2 ** 32 - 2, 2 ** 32 + 2)], joins=True,
        received=4, first=2 ** 32 - 2, next=2 ** 32 + 2)
arrived("joined in the middle", (beat(5000), "new"), (beat(4998), "late"), (beat(3976), "too_late"), (beat(5000), "duplicate"), joins=True,
        received=2, outstanding=1, late=1, too_late=1, duplicate=1, first=4998, next=5001)
arrived("a restart settles the old epoch",
        (beat(0), "new"), (beat(2), "new"), (beat(0, 9), "stranger"), (beat(1, 9), "restart"), (beat(1), "old_epoch"), (beat(2, 9), "new"),
        received=5, lost=1, old_epoch=1, restarts=1, epoch=9, next=3)
arrived("a restart whose first datagrams are missing", (beat(7), "new"), (beat(3, 4), "stranger"), (beat(2, 4), "restart"), (beat(0, 4), "late"),
        received=4, lost=7, outstanding=1, late=1, restarts=1, epoch=4, next=4)
arrived("a restart in the middle of an epoch that was joined", (beat(7), "new"), (beat(0, 4), "stranger"), (beat(1, 4), "restart"), joins=True,
        received=3, restarts=1, epoch=4, next=2)
arrived("a restart far from 0", (beat(0), "new"), (beat(100_001, 4), "stranger"), (beat(100_000, 4), "restart"), (beat(100_002, 4), "new"),
        received=4, lost=98_979, outstanding=1021, restarts=1, jumps=1, epoch=4, next=100_003)
arrived("one stray of another epoch", (beat(0), "new"), (beat(5, 4), "stranger"), (beat(5, 4), "duplicate"), (beat(1), "new"), (beat(2), "new"),
        received=3, duplicate=1, strangers=1, next=3)
arrived("a stray keeps no restart out", (beat(0), "new"), (beat(9, 5), "stranger"), (beat(0, 4), "stranger"), (beat(1, 4), "restart"), (beat(10, 5), "stranger"),
        received=3, strangers=2, restarts=1, epoch=4, next=2)
arrived("strays of many epochs", (beat(0), "new"), *[(beat(5, e), "stranger") for e in (4, 5, 6, 5, 6)], (beat(6, 4), "restart"),
        received=3, lost=0, outstanding=5, strangers=4, restarts=1, epoch=4, next=7)
arrived("a stray is passed by 64 times", (beat(0), "new"), *[(beat(5, e), "stranger") for e in range(100, 166)], (beat(6, 100), "stranger"), (beat(6, 165), "restart"),
        received=3, outstanding=5, strangers=66, restarts=1, epoch=165, next=7)
arrived("three processes with one number",
        (beat(0), "new"), (beat(0, 4), "stranger"), (beat(0, 5), "stranger"), (beat(1), "new"), (beat(1, 4), "stranger"), (beat(1, 5), "stranger"),
        (beat(2), "new"), (beat(2, 4), "twin"), (beat(2, 5), "twin"), (beat(3), "new"), received=4, twins=6, next=4)
arrived("strangers that do not agree", (beat(0), "new"), (beat(0, 4), "stranger"), (beat(1024, 4), "stranger"), (beat(2047, 4), "restart"),
        received=3, lost=1024, outstanding=1022, strangers=1, restarts=1, jumps=1, epoch=4, next=2048)
arrived("a straggler of the run that ended", (beat(0), "new"), (beat(0, 4), "stranger"), (beat(1), "new"), (beat(1, 4), "stranger"), (beat(2, 4), "stranger"),
        (beat(3, 4), "restart"), received=6, restarts=1, epoch=4, next=4)
arrived("two processes with one number",
        (beat(0), "new"), (beat(0, 4), "stranger"), (beat(1), "new"), (beat(2), "new"), (beat(1, 4), "twin"), (beat(3), "new"),
        received=4, twins=2, next=4)
arrived("late and repeated datagrams do not say that a run goes on",
        (beat(0), "new"), (beat(3), "new"), (beat(0, 4), "stranger"), (beat(1), "late"), (beat(3), "duplicate"), (beat(2), "late"), (beat(1, 4), "restart"),
        received=6, late=2, duplicate=1, restarts=1, epoch=4, next=2)
arrived("an epoch that had not ended after all",
        (beat(0), "new"), (beat(7, 4), "stranger"), (beat(8, 4), "restart"), (beat(0), "old_epoch"), (beat(2), "stranger"), (beat(1), "restart"), (beat(3), "new"),
        (beat(0), "duplicate"), received=6, lost=7, old_epoch=1, duplicate=1, restarts=2, first=1, next=4)
arrived("behind a goodbye one is enough", (beat(0), "new"), (goodbye(1), "new"), (beat(0, 4), "restart"), (beat(2), "old_epoch"),
        received=3, old_epoch=1, restarts=1, epoch=4, next=1)
arrived("a goodbye that comes behind a stranger", (beat(0), "new"), (beat(0, 4), "stranger"), (goodbye(2), "new"), (beat(1, 4), "restart"),
        received=4, lost=1, restarts=1, epoch=4, next=2)
arrived("a goodbye that was overtaken", (beat(0), "new"), (beat(2), "new"), (goodbye(1), "late"), (beat(0, 4), "stranger"),
        received=3, late=1, strangers=1, next=3)
arrived("a goodbye that did not count", (goodbye(0), "new"), (beat(1), "new"), (beat(0, 4), "stranger"), received=2, strangers=1, next=2)
arrived("a restart behind a goodbye, with a far jump", (goodbye(0), "new"), (beat(100_000, 4), "restart"), (beat(0, 4), "new"), (beat(100_001, 4), "jump"),
        received=4, lost=98_977, outstanding=1022, restarts=1, jumps=1, epoch=4, next=100_002)
arrived("three ended epochs are remembered",
        *[(beat(i, e), ("restart" if i else "stranger") if e else "new") for e in range(5) for i in range(2)],
        *[(beat(1, e), "old_epoch") for e in (1, 2, 3)], (beat(1, 0), "stranger"),
        received=10, old_epoch=3, strangers=1, restarts=4, epoch=4, next=2)

arrived("a critical event comes again", (critical(0, 5, 5, 7), "new", [5, 7]), (critical(1, 5, 5, 6), "new", [6]), (critical(1, 5, 6), "duplicate", []),
        settled=(5, [5, 6, 7]), received=2, duplicate=1, next=2)
arrived("the floor rises and, overtaken, falls",
        (critical(0, 0, 0, 9), "new", [0, 9]), (critical(2, 9, 10), "new", [10]), (critical(1, 2, 8, 9, 11), "late", [11]),
        settled=(9, [9, 10, 11]), received=3, late=1, next=3)
arrived("identifiers beyond the window", (critical(0, 0, 1023, 1024), "new", [1023]), (critical(1, 1, 1024), "new", [1024]), (critical(3, 5000, 5000), "new", [5000]),
        (critical(2, 4, 6023, 6024), "late", [6023]), settled=(5000, [5000, 6023]), received=4, late=1, next=4)
arrived("a new epoch has its own identifiers", (critical(0, 70, 71), "new", [71]), (critical(1, 0, 0, 1, epoch=4), "stranger", []),
        (critical(0, 0, 1, 2, epoch=4), "restart", [0, 1, 2]), (critical(0, 70, 72), "old_epoch", []),
        settled=(0, [0, 1, 2]), received=3, restarts=1, old_epoch=1, epoch=4, next=2)
arrived("the highest floor", (critical(0, 2 ** 64 - 2, 2 ** 64 - 1), "new", [2 ** 64 - 1]), settled=(2 ** 64 - 2, [2 ** 64 - 1]), received=1, next=1)


text_of_file = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
if sys.argv[1:] == ["--check"]:
    if (pathlib.Path(__file__).parent / "vectors.jsonl").read_text() != text_of_file:
        sys.exit("vectors.jsonl is not what this program writes")
elif len(sys.argv) == 1:
    print(text_of_file, end="")
else:
    sys.exit(__doc__)
