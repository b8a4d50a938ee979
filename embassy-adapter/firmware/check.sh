#!/usr/bin/env bash
# Builds the firmwares and runs them under QEMU, against the real collector: everything arrives, two devices at once,
# the collector restarted, the link down and up, interrupts in the middle of a record call, resets. And links the proof
# that no record call can panic.
#
# Installs what is missing (QEMU, and where rustup has no thumb targets Debian's compiler); the tests make network
# namespaces, which takes root. What cannot be set up is a failure.
set -euo pipefail
cd "$(dirname "$0")"
source ../../.ci/thumb
source ../../.ci/riscv
../../.ci/install qemu-system-arm=qemu-system-arm qemu-system-riscv32=qemu-system-misc ip=iproute2 setpriv=util-linux nm=binutils

for target in thumbv7m-none-eabi thumbv6m-none-eabi; do
  bins=(--bin alone --bin preempt --bin nopanic)
  if [ "$target" = thumbv6m-none-eabi ]; then bins+=(--bin serial); else bins+=(--bin network --bin reset); fi
  thumb_cargo build -q --release --locked --target "$target" "${bins[@]}"
  # The proof is none if a call that can panic links as well.
  if thumb_cargo build -q --release --locked --target "$target" --bin nopanic --features flawed 2>target/flawed.log; then
    echo "check.sh: a record call that can panic links for $target" >&2
    exit 1
  fi
  grep -q a_record_call_can_panic target/flawed.log
  thumb_cargo build -q --release --locked --target "$target" --bin nopanic
  # Nothing that formats, allocates or divides 64 bits is reached by them either.
  if nm -C "target/$target/release/nopanic" | grep -E 'core::fmt|alloc|u64_div_rem|__aeabi_u?ldivmod'; then
    echo "check.sh: the record calls reach these on $target" >&2
    exit 1
  fi
  echo "firmware: no record call can panic, format, allocate or divide 64 bits on $target"
done

for target in riscv32imc-unknown-none-elf riscv32imac-unknown-none-elf; do
  riscv_cargo build -q --release --locked --target "$target" --bin alone --bin serial
done

cd ../..
cargo build -q --locked -p ringstat
cargo build -q --locked -p ringstat-embassy --example tap
source .ci/root
cargo test -q --locked -p ringstat-tests --features qemu --test firmware -- --test-threads=4 --nocapture "$@"
