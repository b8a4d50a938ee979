#!/usr/bin/env node
// A receiver of ringstat's wire format, version 1, written from protocol.md alone: it shares no code with any other
// implementation, so that comparing it with one checks both against the page.
//
// Reads lines from standard input and prints one line of JSON for each:
//
//     HEX              a datagram of records: header, records, and the refusal if there is one
//     ack HEX          an acknowledgement
//     receipt HEX      a receipt
//     arrive HEX…      datagrams of one sender in the order in which they arrive: the verdict on each, the identifiers
//                      stored of it, the account in the end, and what the receiver would acknowledge
//     join HEX…        the same, to a receiver that may have come in the middle of an epoch
//
// Integers are printed with all their digits, and other numbers as the 16 hexadecimal digits of their 64-bit float, so
// that two programs which mean the same print the same.

import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const KINDS = ['counter', 'gauge', 'timing', 'distribution', 'set', 'event'];
const PRIORITIES = ['normal', 'low', 'high', 'critical'];
const ALPHABET = packedAlphabet();
const U64_MAX = 2n ** 64n - 1n;

/** Why a datagram is refused: the message is the name that protocol.md gives it. */
class Refusal extends Error {}

function refuseIf(condition, reason) {
  if (condition) throw new Refusal(reason);
}

function packedAlphabet() {
  const characters = [];
  for (let c = 0x20; c <= 0x3f; c++) characters.push(c);
  for (let c = 0x60; c <= 0x7e; c++) characters.push(c);
  characters.push(0x5f);
  return characters;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ CRC_TABLE[(sum ^ byte) & 0xff];
  return ~sum >>> 0;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function checkUtf8(bytes) {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Refusal('bad_utf8');
  }
}


/** The primitives, read one behind the other. */
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  take(n) {
    refuseIf(this.at + n > this.bytes.length, 'truncated');
    this.at += n;
    return this.bytes.subarray(this.at - n, this.at);
  }

  byte() {
    return this.take(1)[0];
  }

  view(n) {
    const bytes = this.take(n);
    return new DataView(bytes.buffer, bytes.byteOffset, n);
  }

  varint() {
    let value = 0n;
    for (let i = 0n; ; i++) {
      const byte = BigInt(this.byte());
      refuseIf(i === 9n && byte > 1n, 'bad_varint');
      value |= (byte & 127n) << (7n * i);
      if (byte < 128n) return value;
    }
  }

  text(limit = 255n) {
    const length = this.varint();
    refuseIf(length > limit, 'string_too_long');
    return checkUtf8(this.take(Number(length)));
  }

  packed(characters) {
    const bytes = this.take(Math.ceil((characters * 6) / 8));
    const out = new Uint8Array(characters);
    for (let i = 0; i < characters; i++) {
      const bit = 6 * i;
      const pair = bytes[bit >> 3] | ((bytes[(bit >> 3) + 1] ?? 0) << 8);
      out[i] = ALPHABET[(pair >> (bit & 7)) & 63];
    }
    return out;
  }
}

/** What strings, tags and tag sets a datagram has defined so far. */
class Tables {
  strings = [];
  bytes = 0;
  tags = [];
  sets = [];
  members = 0;

  constructor(reader, packed) {
    this.r = reader;
    this.packed = packed;
  }

  /** A string reference; returns the string's bytes. */
  string() {
    const c = this.r.varint();
    if (c === 0n) return this.defineString(new Uint8Array(), this.wholeString());
    if (c === 1n) {
      const earlier = this.known(this.r.varint());
      const prefix = this.prefix(earlier, this.r.byte());
      const length = this.r.byte();
      refuseIf(prefix.length + length > 255, 'string_too_long');
      const suffix = this.r.take(length);
      checkUtf8(suffix);
      return this.defineString(prefix, suffix);
    }
    if (c % 2n === 0n) return this.known((c - 2n) / 2n);
    const earlier = this.known((c - 3n) / 2n);
    const b = this.r.byte();
    const prefix = this.prefix(earlier, (b >> 4) + 1);
    const suffix = this.packed ? this.r.packed(b & 15) : this.r.take(b & 15);
    checkUtf8(suffix);
    return this.defineString(prefix, suffix);
  }

  wholeString() {
    const n = this.r.varint();
    const length = this.packed ? n >> 1n : n;
    refuseIf(length > 255n, 'string_too_long');
    if (this.packed && n % 2n === 1n) return this.r.packed(Number(length));
    const bytes = this.r.take(Number(length));
    checkUtf8(bytes);
    return bytes;
  }

  known(index) {
    refuseIf(index >= BigInt(this.strings.length), 'bad_string_index');
    return this.strings[Number(index)];
  }

  prefix(string, length) {
    refuseIf(length > string.length, 'bad_string_index');
    refuseIf(length < string.length && (string[length] & 0xc0) === 0x80, 'bad_utf8');
    return string.subarray(0, length);
  }

  defineString(prefix, suffix) {
    const string = Uint8Array.from([...prefix, ...suffix]);
    refuseIf(this.strings.length === 1024 || this.bytes + string.length > 16384, 'table_full');
    this.bytes += string.length;
    this.strings.push(string);
    return string;
  }

  tag() {
    const c = this.r.varint();
    if (c !== 0n) {
      refuseIf(c > BigInt(this.tags.length), 'bad_tag_index');
      return this.tags[Number(c) - 1];
    }
    const key = utf8.decode(this.string());
    const tag = [key, utf8.decode(this.string())];
    this.tags.push(tag);
    return tag;
  }

  tagSet() {
    const c = this.r.varint();
    if (c !== 0n) {
      refuseIf(c > BigInt(this.sets.length), 'bad_tag_index');
      return this.sets[Number(c) - 1];
    }
    const count = this.r.varint();
    refuseIf(BigInt(this.members) + count > 1024n, 'table_full');
    this.members += Number(count);
    const set = [];
    for (let i = 0n; i < count; i++) set.push(this.tag());
    refuseIf(this.sets.length === 1024, 'table_full');
    this.sets.push(set);
    return set;
  }
}

/** The same number is always the same here: a whole one that 64 bits hold a BigInt, any other a float. */
function number(value) {
  const isWhole = Number.isInteger(value) && !Object.is(value, -0);
  return isWhole && value >= -(2 ** 63) && value < 2 ** 64 ? BigInt(value) : value;
}

function readNumber(r, form) {
  if (form === 7) return 1n;
  if (form === 4 || form === 5) {
    const value = form === 4 ? r.view(4).getFloat32(0, true) : r.view(8).getFloat64(0, true);
    refuseIf(!Number.isFinite(value), 'bad_number');
    return number(value);
  }
  const n = r.varint();
  if (form === 0) return n;
  if (form === 1) {
    refuseIf(n >= 2n ** 63n, 'bad_number');
    return -1n - n;
  }
  const mantissa = n >> 3n;
  const power = 10n ** ((n & 7n) + 1n);
  if (mantissa === 0n) return form === 3 ? -0 : 0n;
  if (mantissa % power === 0n) return form === 3 ? -(mantissa / power) : mantissa / power;
  const value = Number(mantissa) / Number(power);
  return number(form === 3 ? -value : value);
}

/** A number with its form in a byte before it, as states have it. */
function readNumberWithForm(r) {
  const form = r.byte();
  refuseIf(form === 6 || form > 7, 'bad_record');
  return readNumber(r, form);
}

function nanoseconds(time, unit) {
  const nanos = time * 1000n ** unit;
  return nanos > U64_MAX ? U64_MAX : nanos;
}

function readBuckets(r, record) {
  record.unit = r.byte();
  refuseIf(record.unit > 6, 'bad_buckets');
  record.precision = r.byte();
  refuseIf(record.precision < 1 || record.precision > 8, 'bad_buckets');
  record.min_exponent = r.view(1).getInt8(0);
  record.sum = readNumberWithForm(r);
  record.buckets = [];
  let index = -1n;
  for (;;) {
    const step = r.varint();
    if (step === 0n) return;
    index += step;
    refuseIf(index >= 65536n, 'bad_buckets');
    const count = r.varint();
    refuseIf(count === 0n, 'bad_buckets');
    record.buckets.push([index, count]);
  }
}

function readState(r, form, record) {
  record.kind = ['total', 'level', 'buckets', 'info', 'description'][form];
  if (form === 0) record.total = r.varint();
  else if (form === 1) record.level = readNumberWithForm(r);
  else if (form === 2) readBuckets(r, record);
  else if (form === 3) readInfo(r, record);
  else readDescription(r, record);
}

function readInfo(r, record) {
  record.heartbeat_ms = r.varint();
  record.started_ms = r.varint();
  record.process = r.varint();
  refuseIf(record.process >= 2n ** 32n, 'bad_number');
  record.host = r.text();
  record.version = r.text();
}

function readDescription(r, record) {
  record.unit = r.byte();
  refuseIf(record.unit > 6, 'bad_buckets');
  record.text = r.text();
}

function readEvent(r, tables, account, form, second, record) {
  const delta = r.varint();
  account.time += second & 4 ? -delta : delta;
  refuseIf(account.time < 0n || account.time > U64_MAX, 'bad_time');
  record.time_ns = nanoseconds(account.time, account.unit);
  record.priority = PRIORITIES[second & 3];
  if (form === 6) record.text = r.text(1000n);
  else record.value = readNumber(r, form);
  record.rate = 1n;
  if (second & 8) {
    record.rate = r.varint();
    refuseIf(record.rate === 0n || record.rate >= 2n ** 32n, 'bad_number');
  }
  if (second & 16) {
    const count = r.varint();
    refuseIf(count > 16n, 'table_full');
    record.tags = [...record.tags];
    for (let i = 0n; i < count; i++) {
      const key = utf8.decode(tables.string());
      record.tags.push([key, r.text()]);
    }
  }
  if (second & 32) {
    record.id = account.floor + r.varint();
    refuseIf(record.id > U64_MAX, 'bad_number');
  }
}

function readRecord(r, tables, account) {
  const first = r.byte();
  const second = first & 128 ? r.byte() : 0;
  refuseIf(second & 0xc0 || (second & 32 && account.floor === null), 'bad_record');
  const name = tables.string();
  refuseIf(name.length === 0, 'empty_name');
  const record = { name: utf8.decode(name), tags: first & 64 ? tables.tagSet() : [] };
  const kind = first & 7;
  const form = (first >> 3) & 7;
  refuseIf(kind === 7, 'bad_record');
  if (kind === 6) {
    refuseIf(second !== 0 || form > 4, 'bad_record');
    readState(r, form, record);
  } else {
    refuseIf(form === 6 && kind < 4, 'bad_record');
    record.kind = KINDS[kind];
    readEvent(r, tables, account, form, second, record);
  }
  return record;
}

/** The first 16 bytes of any datagram in version 1, in that mode. */
function checkFrame(bytes, mode) {
  refuseIf(bytes[0] !== 0x52 || bytes[1] !== 0x53, 'bad_magic');
  refuseIf(bytes[2] >> 4 !== 1, 'bad_version');
  refuseIf((bytes[2] & 15) !== mode || bytes[3] !== 0, 'bad_mode');
}

function checkSum(bytes) {
  const body = bytes.subarray(0, bytes.length - 4);
  const sum = new DataView(bytes.buffer, bytes.byteOffset + body.length, 4).getUint32(0, true);
  refuseIf(crc32(body) !== sum, 'bad_checksum');
  return body;
}

/** Reads a datagram of records into `out`, which keeps what was read before a refusal. */
function readDatagram(bytes, out) {
  refuseIf(bytes.length > 65507, 'too_long');
  refuseIf(bytes.length < 20, 'truncated');
  checkFrame(bytes, 0);
  refuseIf(bytes.length < 24, 'truncated');
  const r = new Reader(checkSum(bytes));
  const head = r.view(20);
  const count = r.view(2).getUint16(0, true);
  const flags = r.byte();
  refuseIf(flags & 0xe0, 'bad_prologue');
  const unit = r.varint();
  refuseIf(unit > 2n, 'bad_prologue');
  const [base, dropped, failed] = [r.varint(), r.varint(), r.varint()];
  const floor = flags & 2 ? r.varint() : null;
  out.header = {
    sender: head.getBigUint64(4, true),
    epoch: head.getUint32(12, true),
    sequence: head.getUint32(16, true),
    time_unit: unit,
    base_time_ns: nanoseconds(base, unit),
    dropped,
    failed,
    since_boot: (flags & 1) !== 0,
    packed: (flags & 4) !== 0,
    ack_floor: floor,
    wants_receipt: (flags & 8) !== 0,
    goodbye: (flags & 16) !== 0,
  };
  const tables = new Tables(r, out.header.packed);
  const account = { unit, time: base, floor };
  for (let i = 0; i < count; i++) out.records.push(readRecord(r, tables, account));
  refuseIf(r.bytes.subarray(r.at).some((byte) => byte !== 0), 'trailing_bytes');
}

/** What a datagram of records means: `header` (null if it was refused before), `records`, and `refusal` if there is one. */
export function decode(bytes) {
  const out = { header: null, records: [] };
  return orRefusal(out, () => readDatagram(bytes, out));
}

/** What an acknowledgement means. */
export function decodeAcknowledgement(bytes) {
  const out = {};
  return orRefusal(out, () => {
    refuseIf(bytes.length > 156, 'too_long');
    refuseIf(bytes.length < 28, 'truncated');
    checkFrame(bytes, 8);
    const body = checkSum(bytes);
    const head = new DataView(body.buffer, body.byteOffset, 24);
    out.sender = head.getBigUint64(4, true);
    out.epoch = head.getUint32(12, true);
    out.base = head.getBigUint64(16, true);
    out.stored = [];
    for (let i = 0; i < (body.length - 24) * 8; i++) {
      const id = out.base + BigInt(i);
      if (body[24 + (i >> 3)] & (1 << (i & 7)) && id <= U64_MAX) out.stored.push(id);
    }
  });
}

/** What a receipt means. */
export function decodeReceipt(bytes) {
  const out = {};
  return orRefusal(out, () => {
    refuseIf(bytes.length > 48, 'too_long');
    refuseIf(bytes.length < 48, 'truncated');
    checkFrame(bytes, 9);
    const body = checkSum(bytes);
    const view = new DataView(body.buffer, body.byteOffset, 44);
    out.sender = view.getBigUint64(4, true);
    out.epoch = view.getUint32(12, true);
    out.sequence = view.getUint32(16, true);
    out.instance = view.getUint32(20, true);
    out.first = view.getUint32(24, true);
    out.datagrams = view.getBigUint64(28, true);
    out.events = view.getBigUint64(36, true);
  });
}

function orRefusal(out, read) {
  try {
    read();
  } catch (e) {
    if (!(e instanceof Refusal)) throw e;
    out.refusal = e.message;
  }
  return out;
}

/** What a receiver knows of a sender's sequence numbers and runs: the section on loss. */
export class Tracker {
  #next = 0;
  #first = 0;
  #seen = new Set();
  #held = null;
  #ended = [];
  #joined;
  /** The two places for what is kept aside: an epoch, its numbers, and how much came of the current one since. */
  #places = [emptyPlace(), emptyPlace()];
  #passed = 0;
  /** Whether the current epoch has said goodbye. */
  #left = false;
  #account = {
    received: 0, lost: 0, late: 0, duplicate: 0, too_late: 0, old_epoch: 0, unconfirmed: 0, strangers: 0, twins: 0, restarts: 0,
    jumps: 0,
  };

  /** `joining`: the receiver may have come in the middle of the first epoch. */
  constructor(joining) {
    this.#joined = joining;
  }

  /** Whether a datagram is still kept aside. */
  isAside({ epoch, sequence }) {
    return this.#places.some((place) => place.epoch === epoch && place.numbers.includes(sequence));
  }

  /** The verdict on the next datagram to arrive. */
  observe({ epoch, sequence, goodbye }) {
    if (this.epoch === undefined) {
      this.epoch = epoch;
      if (this.#joined) this.#first = this.#next = sequence;
    }
    const verdict = epoch === this.epoch ? this.#judge(sequence) : this.#judgeOther(epoch, sequence);
    if (verdict in this.#account) this.#account[verdict]++;
    if (verdict === 'new' || verdict === 'jump') {
      for (const place of this.#places) place.since++;
      this.#left = false;
    }
    if (goodbye && epoch === this.epoch && !isDropped(verdict) && this.#next % 2 ** 32 === (sequence + 1) % 2 ** 32) this.#left = true;
    return verdict;
  }

  #judgeOther(epoch, sequence) {
    const ended = this.#ended.find((e) => e.epoch === epoch);
    if (ended && (ended.left || (ended.next > 0 && signed(sequence - ended.next) < 0))) return 'old_epoch';
    const place = this.#places.find(
      ({ epoch: of, numbers }) => of === epoch && numbers.length > 0 && Math.abs(signed(sequence - numbers[0])) <= 1023,
    );
    if (place?.numbers.includes(sequence)) return 'duplicate';
    if (!this.#left) {
      if (!place || (place.since === 1 && place.numbers.length < 3)) {
        (place ?? this.#placeFor(epoch)).numbers.push(sequence);
        this.#account.strangers++;
        return 'stranger';
      }
      if (place.since > 1) {
        this.#account.strangers -= place.numbers.length;
        this.#account.twins += place.numbers.length + 1;
        Object.assign(place, emptyPlace());
        return 'twin';
      }
    }
    this.#begin(epoch, ended?.next ?? 0, place?.numbers ?? [], sequence);
    return 'restart';
  }

  /** An empty place for an epoch. */
  #placeFor(epoch) {
    let index = this.#places.findIndex((place) => place.epoch === epoch);
    if (index < 0) {
      index = this.#places[0].epoch === null || this.#passed >= 64 ? 0 : 1;
      if (index === 1) this.#passed++;
    }
    if (index === 0) this.#passed = 0;
    return (this.#places[index] = { ...emptyPlace(), epoch });
  }

  /** An epoch begins, with the strangers that agree and a datagram. */
  #begin(epoch, next, strangers, sequence) {
    this.#account.lost += this.#outstanding();
    this.#account.restarts++;
    this.#account.strangers -= strangers.length;
    this.#ended = [{ epoch: this.epoch, next: this.#next, left: this.#left }, ...this.#ended].slice(0, 3);
    this.#seen.clear();
    [this.epoch, this.#next, this.#first, this.#held, this.#joined, this.#left] = [epoch, next, next, null, false, false];
    [this.#places, this.#passed] = [[emptyPlace(), emptyPlace()], 0];
    if (strangers.length === 0) {
      if (this.#ahead(this.#extend(sequence)) === 'unconfirmed') this.#account.unconfirmed++;
      return;
    }
    const all = [...strangers, sequence].sort((a, b) => signed(a - sequence) - signed(b - sequence));
    for (const number32 of all) {
      const number = this.#extend(number32);
      if (number - this.#next > 1023) this.#account.jumps++;
      this.#see(number);
    }
  }

  /** The number at or near the next that has these 32 bits. */
  #extend(sequence) {
    return this.#next + (this.#next === 0 ? sequence : signed(sequence - this.#next));
  }

  #judge(sequence) {
    if (this.#held !== null) {
      const number = this.#held + signed(sequence - this.#held);
      if (number === this.#held) return 'duplicate';
      if (Math.abs(number - this.#held) <= 1023) {
        const held = this.#held;
        this.#held = null;
        this.#account.unconfirmed--;
        this.#account.jumps++;
        [held, number].sort((a, b) => a - b).forEach((n) => this.#see(n));
        return 'jump';
      }
    }
    const number = this.#extend(sequence);
    if (number >= this.#next) return this.#ahead(number);
    if (number < this.#next - 1024 || number < 0) return 'too_late';
    if (this.#seen.has(number) || (number < this.#first && !this.#joined)) return 'duplicate';
    this.#first = Math.min(this.#first, number);
    this.#seen.add(number);
    this.#account.received++;
    return 'late';
  }

  #ahead(number) {
    if (number - this.#next > 1023) {
      this.#held = number;
      return 'unconfirmed';
    }
    this.#see(number);
    return 'new';
  }

  /** Takes a number at or above the next. */
  #see(number) {
    const leaving = Math.max(number + 1 - 1024, this.#first) - Math.max(this.#next - 1024, this.#first);
    const seen = [...this.#seen].filter((n) => n < number + 1 - 1024);
    seen.forEach((n) => this.#seen.delete(n));
    this.#account.lost += leaving - seen.length;
    this.#next = number + 1;
    this.#seen.add(number);
    this.#account.received++;
  }

  #outstanding() {
    return this.#next - Math.max(this.#first, this.#next - 1024) - this.#seen.size;
  }

  account() {
    const { epoch } = this;
    return { ...this.#account, outstanding: this.#outstanding(), epoch, first: this.#first, next: this.#next };
  }
}

function emptyPlace() {
  return { epoch: null, numbers: [], since: 0 };
}

/** The difference of two sequence numbers, which wrap at 2^32. */
function signed(difference) {
  return Number(BigInt.asIntN(32, BigInt(difference)));
}

/** Which identifiers of an epoch a receiver has stored: the section on acknowledgements. */
export class Identifiers {
  base = 0n;
  stored = new Set();

  rise(floor) {
    if (floor <= this.base) return;
    this.base = floor;
    for (const id of this.stored) if (id < floor) this.stored.delete(id);
  }

  /** Whether the event is to be stored. */
  take(id) {
    if (id < this.base || id >= this.base + 1024n || this.stored.has(id)) return false;
    this.stored.add(id);
    return true;
  }
}

/** Whether the records of a datagram are not taken, now or at all. */
function isDropped(verdict) {
  return ['duplicate', 'too_late', 'old_epoch', 'stranger', 'twin'].includes(verdict);
}

function arrive(datagrams, joining) {
  const tracker = new Tracker(joining);
  let identifiers = new Identifiers();
  let aside = [];
  const [verdicts, stored] = [[], []];
  for (const bytes of datagrams) {
    const datagram = decode(bytes);
    const verdict = tracker.observe(datagram.header);
    verdicts.push(verdict);
    const taken = isDropped(verdict) ? [] : [datagram];
    if (verdict === 'restart') {
      identifiers = new Identifiers();
      taken.unshift(...aside.filter(({ header }) => header.epoch === datagram.header.epoch));
    }
    if (verdict === 'stranger') aside.push(datagram);
    aside = aside.filter(({ header }) => tracker.isAside(header));
    const ids = [];
    for (const { header, records } of taken) {
      if (header.ack_floor !== null) identifiers.rise(header.ack_floor);
      ids.push(...records.map((record) => record.id).filter((id) => id !== undefined && identifiers.take(id)));
    }
    stored.push(ids);
  }
  const all = [...identifiers.stored].sort((a, b) => (a < b ? -1 : 1));
  return { verdicts, stored, account: tracker.account(), settled: { base: identifiers.base, stored: all } };
}

/** JSON with keys in order, all digits of integers, and floats by their bits. */
export function print(value) {
  if (Array.isArray(value)) return `[${value.map(print).join(',')}]`;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value);
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    return JSON.stringify(view.getBigUint64(0).toString(16).padStart(16, '0'));
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const fields = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${print(value[key])}`);
  return `{${fields.join(',')}}`;
}

function answer(line) {
  const [command, ...words] = line.trim().split(/\s+/);
  const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));
  switch (command) {
    case 'ack': return decodeAcknowledgement(bytes(words[0] ?? ''));
    case 'receipt': return decodeReceipt(bytes(words[0] ?? ''));
    case 'arrive': return arrive(words.map(bytes), false);
    case 'join': return arrive(words.map(bytes), true);
    default: return decode(bytes(command));
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for await (const line of createInterface({ input: process.stdin })) console.log(print(answer(line)));
}
