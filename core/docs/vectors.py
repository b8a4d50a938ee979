#!/usr/bin/env python3
"""Writes vectors.jsonl: golden datagrams for the wire format, made from protocol.md alone.

It shares no code with any other implementation, so that the vectors check an implementation against the
specification and not against itself. `vectors.py > vectors.jsonl`.
"""

import json
import struct
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
             padding=0, magic=b"RS", version=0x10, key=0):
    out = magic + bytes([version, key]) + struct.pack("<QII", sender, epoch, sequence)
    out += struct.pack("<HB", records, flags) + varint(unit) + varint(base) + varint(dropped) + varint(failed)
    out += body + bytes(padding)
    return out + struct.pack("<I", zlib.crc32(out))


def header(sender=7, epoch=3, sequence=0, unit=0, base=1_000_000, dropped=0, failed=0, flags=0, **_):
    return {"sender": sender, "epoch": epoch, "sequence": sequence, "base_time_ns": base * 1000 ** unit,
            "dropped": dropped, "failed": failed, "since_boot": bool(flags & 1), "wants_ack": bool(flags & 2)}


def event(kind, form, name, delta, value, tags=b"", second=0, rate=b"", dynamic=b""):
    """One event; `name`, `tags`, `value`, `rate` and `dynamic` are bytes as they stand on the wire."""
    first = KINDS.index(kind) | form << 3 | (0x40 if tags else 0) | (0x80 if second else 0)
    return bytes([first]) + (bytes([second]) if second else b"") + name + tags + varint(delta) + value + rate + dynamic


def meaning(kind, name, value, time_ns=1_000_000, tags=(), priority="normal", rate=1):
    out = {"kind": kind, "name": name, "tags": [list(t) for t in tags], "time_ns": time_ns, "priority": priority,
           "rate": rate}
    out["text" if isinstance(value, str) else "value"] = value
    return out


def new(s):
    """A string spelled out."""
    return b"\x00" + text(s)


def ref(i):
    """A string by its index."""
    return varint(2 * i + 2)


def like(i, prefix, suffix):
    """A string that begins like string `i`."""
    raw = suffix.encode()
    return varint(2 * i + 3) + bytes([prefix - 1 << 4 | len(raw)]) + raw


def tag_set(*tags):
    """A new tag set of tags as they stand on the wire."""
    return b"\x00" + varint(len(tags)) + b"".join(tags)


lines = []


def valid(name, body, records, **kw):
    raw = datagram(body, len(records), **kw)
    lines.append({"name": name, "hex": raw.hex(), "header": header(**kw), "records": records})


def refused(name, refusal, raw):
    lines.append({"name": name, "hex": raw.hex(), "refusal": refusal})


valid("heartbeat", b"", [])
valid("header fields", b"", [], sender=0x0102030405060708, epoch=0xFFFFFFFF, sequence=0xFFFFFFFE, dropped=300, failed=2)
valid("since boot, microseconds, acknowledgement wanted", b"", [], unit=1, flags=3)
valid("milliseconds", event("gauge", 0, new("g"), 5, varint(9)), [meaning("gauge", "g", 9, 1_005_000_000)], unit=2, base=1000)
valid("padding", event("counter", 7, new("c"), 0, b""), [meaning("counter", "c", 1)], padding=37)
valid("every kind", b"".join(event(k, 0, new("a" + k), 0, varint(i)) for i, k in enumerate(KINDS)),
      [meaning(k, "a" + k, i) for i, k in enumerate(KINDS)])

FORMS = [
    (0, varint(0), 0), (0, varint(127), 127), (0, varint(128), 128), (0, varint(2 ** 64 - 1), 2 ** 64 - 1),
    (1, varint(0), -1), (1, varint(2 ** 63 - 1), -2 ** 63),
    (2, varint(125 << 3 | 0), 12.5), (2, varint(1 << 3 | 7), 1e-8), (3, varint(12345 << 3 | 1), -123.45),
    (4, struct.pack("<f", 0.1), struct.unpack("<f", struct.pack("<f", 0.1))[0]),
    (5, struct.pack("<d", 3.141592653589793), 3.141592653589793), (5, struct.pack("<d", -1e300), -1e300),
    (7, b"", 1),
]
for form, raw, number in FORMS:
    valid(f"form {form}: {number}", event("gauge", form, new("g"), 0, raw), [meaning("gauge", "g", number)])
valid("form 6: text", event("set", 6, new("users"), 0, text("zoë")), [meaning("set", "users", "zoë")])
for code, priority in enumerate(PRIORITIES[1:], 1):
    valid(f"priority {priority}", event("event", 7, new("e"), 0, b"", second=code),
          [meaning("event", "e", 1, priority=priority)])
valid("times forward and backward",
      event("gauge", 7, new("t"), 500, b"") + event("gauge", 7, ref(0), 700, b"", second=4) + event("gauge", 7, ref(0), 1, b""),
      [meaning("gauge", "t", 1, 1_000_500), meaning("gauge", "t", 1, 999_800), meaning("gauge", "t", 1, 999_801)])
valid("sampling rate", event("counter", 0, new("c"), 0, varint(5), second=8, rate=varint(300)),
      [meaning("counter", "c", 5, rate=300)])
pairs = [["service", "shop"], ["region", "eu"]]
valid("tag sets, defined once",
      event("counter", 7, new("c"), 0, b"", tags=tag_set(b"\x00" + new("service") + new("shop"), b"\x00" + new("region") + new("eu")))
      + event("counter", 7, ref(0), 0, b"", tags=b"\x01")
      + event("counter", 7, ref(0), 0, b"", tags=tag_set(b"\x00" + ref(1) + new("cart"), b"\x02"))
      + event("counter", 7, ref(0), 0, b"", tags=b"\x02"),
      [meaning("counter", "c", 1, tags=pairs)] * 2 + [meaning("counter", "c", 1, tags=[["service", "cart"], ["region", "eu"]])] * 2)
valid("an empty tag set", event("counter", 7, new("c"), 0, b"", tags=b"\x00\x00"), [meaning("counter", "c", 1)])
valid("shared prefixes",
      event("counter", 7, new("http.server.requests"), 0, b"")
      + event("counter", 7, like(0, 12, "errors"), 0, b"")
      + event("counter", 7, b"\x01\x00\x14\x0a.by.method", 0, b""),
      [meaning("counter", n, 1) for n in ("http.server.requests", "http.server.errors", "http.server.requests.by.method")])
valid("a prefix of characters of two bytes",
      event("gauge", 7, new("été.a"), 0, b"") + event("gauge", 7, like(0, 5, ".b"), 0, b""),
      [meaning("gauge", "été.a", 1), meaning("gauge", "été.b", 1)])
valid("dynamic tags",
      event("timing", 2, new("db.query"), 0, varint(15 << 3), second=16, dynamic=b"\x02" + new("table") + text("orders") + new("op") + text(""))
      + event("timing", 2, ref(0), 0, varint(25 << 3), second=16, dynamic=b"\x01" + ref(1) + text("users")),
      [meaning("timing", "db.query", 1.5, tags=[["table", "orders"], ["op", ""]]),
       meaning("timing", "db.query", 2.5, tags=[["table", "users"]])])
valid("static, then dynamic tags",
      event("counter", 7, new("c"), 0, b"", tags=tag_set(b"\x00" + new("a") + new("b")), second=16, dynamic=b"\x01" + ref(1) + text("d")),
      [meaning("counter", "c", 1, tags=[["a", "b"], ["a", "d"]])])
valid("the longest string", event("gauge", 7, new("n" * 255), 0, b""), [meaning("gauge", "n" * 255, 1)])
valid("a needlessly long integer", event("gauge", 0, new("g"), 0, b"\x85\x80\x00"), [meaning("gauge", "g", 5)])
valid("a counter's total", b"\x06" + new("requests") + varint(1_000_000),
      [{"kind": "total", "name": "requests", "tags": [], "total": 1_000_000}])
valid("a gauge's level, with tags", b"\x4e" + new("celsius") + tag_set(b"\x00" + new("room") + new("lab")) + b"\x02" + varint(215 << 3),
      [{"kind": "level", "name": "celsius", "tags": [["room", "lab"]], "level": 21.5}])
buckets = b"\x16" + new("latency") + b"\x01\x03\x00" + b"\x00" + varint(300) + varint(1) + varint(2) + varint(9) + varint(4) + varint(0)
valid("a histogram", buckets, [{"kind": "buckets", "name": "latency", "tags": [], "unit": 1, "precision": 3,
                                "min_exponent": 0, "sum": 300, "buckets": [[0, 2], [9, 4]]}])
valid("a histogram with negative exponents and no buckets", b"\x16" + new("h") + b"\x00\x08\xec" + b"\x07" + b"\x00",
      [{"kind": "buckets", "name": "h", "tags": [], "unit": 0, "precision": 8, "min_exponent": -20, "sum": 1, "buckets": []}])

good = datagram(event("counter", 7, new("c"), 0, b""), 1)
refused("empty", "truncated", b"")
refused("header cut short", "truncated", good[:19])
refused("no room for a checksum", "truncated", good[:22])
refused("longer than UDP allows", "too_long", b"RS" + bytes(65_506))
refused("magic", "bad_magic", datagram(magic=b"XS"))
refused("version", "bad_version", datagram(version=0x20))
refused("mode", "bad_mode", datagram(version=0x11))
refused("key id", "bad_mode", datagram(key=1))
refused("damaged", "bad_checksum", good[:30] + bytes([good[30] ^ 1]) + good[31:])
refused("cut in the middle", "bad_checksum", good[:-1])
refused("a reserved flag", "bad_prologue", datagram(flags=4))
refused("an unknown time unit", "bad_prologue", datagram(unit=3))


def bad(name, refusal, body, records=1, **kw):
    refused(name, refusal, datagram(body, records, **kw))


bad("fewer records than announced", "truncated", b"")
bad("a string cut short", "truncated", b"\x38\x00\x05ab")
bad("an integer of 65 bits", "bad_varint", event("gauge", 0, new("g"), 0, b"\xff" * 9 + b"\x02"))
bad("kind 7", "bad_record", b"\x07" + new("x") + b"\x00\x00")
bad("a reserved bit", "bad_record", event("gauge", 7, new("g"), 0, b"", second=0x20))
bad("a second byte on a state", "bad_record", b"\x86\x01" + new("c") + b"\x05")
bad("an undefined state", "bad_record", b"\x1e" + new("c") + b"\x05")
bad("text as a level", "bad_record", b"\x0e" + new("c") + b"\x06\x01a")
bad("a string index too high", "bad_string_index", event("gauge", 7, ref(0), 0, b""))
bad("a prefix of nothing", "bad_string_index", event("gauge", 7, like(0, 2, "a"), 0, b""))
bad("a prefix longer than its string", "bad_string_index", event("gauge", 7, new("ab"), 0, b"") + event("gauge", 7, like(0, 4, "c"), 0, b""), 2)
bad("a tag index too high", "bad_tag_index", event("gauge", 7, new("g"), 0, b"", tags=tag_set(b"\x01")))
bad("a tag set index too high", "bad_tag_index", event("gauge", 7, new("g"), 0, b"", tags=b"\x01"))
bad("not UTF-8", "bad_utf8", event("gauge", 7, new(b"\xff\xfe"), 0, b""))
bad("a prefix that cuts a character", "bad_utf8", event("gauge", 7, new("é"), 0, b"") + event("gauge", 7, like(0, 1, "a"), 0, b""), 2)
bad("text that is not UTF-8", "bad_utf8", event("set", 6, new("s"), 0, text(b"\x80")))
bad("a string of 256 bytes", "string_too_long", event("gauge", 7, new("n" * 256), 0, b""))
bad("a prefixed string of 256 bytes", "string_too_long", event("gauge", 7, new("n" * 250), 0, b"") + event("gauge", 7, b"\x01\x00\xfa\x06nnnnnn", 0, b""), 2)
bad("an empty name", "empty_name", event("gauge", 7, new(""), 0, b""))
bad("17 dynamic tags", "table_full", event("gauge", 7, new("g"), 0, b"", second=16, dynamic=b"\x11" + (new("k") + text("v")) * 17))
bad("an absurd number of tags", "table_full", event("gauge", 7, new("g"), 0, b"", tags=b"\x00" + varint(2 ** 40)))
bad("1025 strings", "table_full", b"".join(event("gauge", 7, new(f"{i}"), 0, b"") for i in range(1025)), 1025)
bad("a time before zero", "bad_time", event("gauge", 7, new("g"), 2_000_000, b"", second=4))
bad("a time beyond 64 bits", "bad_time", event("gauge", 7, new("g"), 2 ** 64 - 1, b""))
bad("not a number", "bad_number", event("gauge", 5, new("g"), 0, struct.pack("<d", float("nan"))))
bad("infinite", "bad_number", event("gauge", 4, new("g"), 0, struct.pack("<f", float("inf"))))
bad("below the lowest integer", "bad_number", event("gauge", 1, new("g"), 0, varint(2 ** 63)))
bad("a sampling rate of 0", "bad_number", event("gauge", 7, new("g"), 0, b"", second=8, rate=b"\x00"))
bad("a sampling rate beyond 32 bits", "bad_number", event("gauge", 7, new("g"), 0, b"", second=8, rate=varint(2 ** 32)))
bad("an unknown unit", "bad_buckets", b"\x16" + new("h") + b"\x07\x03\x00\x07\x00")
bad("a precision of 9", "bad_buckets", b"\x16" + new("h") + b"\x00\x09\x00\x07\x00")
bad("a precision of 0", "bad_buckets", b"\x16" + new("h") + b"\x00\x00\x00\x07\x00")
bad("a bucket of 0", "bad_buckets", b"\x16" + new("h") + b"\x00\x03\x00\x07\x01\x00\x00")
bad("a bucket index of 65536", "bad_buckets", b"\x16" + new("h") + b"\x00\x03\x00\x07" + varint(65537) + b"\x01\x00")
bad("something behind the last record", "trailing_bytes", b"\x00\x01", 0)

for line in lines:
    print(json.dumps(line, ensure_ascii=False))
