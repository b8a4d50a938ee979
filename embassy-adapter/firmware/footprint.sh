#!/usr/bin/env bash
# What ringstat adds to a firmware, and how many instructions its calls take, against the limits in footprint.txt.
#
# Sizes: the same firmware (embassy-net, one UDP socket) without ringstat, with the smallest configuration, with the
# full one, and with the usual one, which is the full one with receipts, linked for each target; the smallest one also
# where nothing else uses UDP; the stack's depth from running them under QEMU. Instructions: counted by QEMU.
# No limit is a time. `--set` writes what was measured, and a twentieth, as the new limits; `--markdown` prints the
# table of embassy-adapter/README.md, `--options` the one of what each option of the full configuration adds.
set -euo pipefail
cd "$(dirname "$0")"
source ../../.ci/thumb
../../.ci/install qemu-system-arm=qemu-system-arm nm=binutils
compiler="$(thumb_rustc --version | cut -d' ' -f1,2) ($thumb_from), $(qemu-system-arm --version |
  sed -n 's/^QEMU emulator version \([0-9]*\.[0-9]*\).*/QEMU \1/p')"
measured=$(mktemp)
trap 'rm -f "$measured"' EXIT

emulate() { # target, program, QEMU's arguments…
  local target=$1 program=$2 machine=microbit
  shift 2
  [ "$target" = thumbv6m-none-eabi ] || machine=mps2-an385
  timeout 120 qemu-system-arm -machine $machine -display none -monitor none -serial none \
    -semihosting-config enable=on,target=native -kernel "target/$target/release/$program" "$@"
}

# What a configuration takes: "flash ram rings", the last of which is part of the RAM.
size_of() { # target, features…
  local target=$1 elf text data bss rings=0
  shift
  thumb_cargo build -q --release --locked --target "$target" --bin footprint ${1:+--features "$*"}
  elf=target/$target/release/footprint
  read -r text data bss _ < <(size "$elf" | tail -1)
  for ring in $(nm -S "$elf" | awk '/STATS.*RING/ { print $2 }'); do
    rings=$((rings + 16#$ring))
  done
  echo "$((text + data)) $((data + bss)) $rings"
}

if [ "${1:-}" = --options ]; then
  target=thumbv7m-none-eabi
  read -r flash ram _ < <(size_of $target full)
  echo "| option | flash | RAM |"
  echo "|---|---|---|"
  for option in without-critical with-receipts with-lane with-policy with-tags with-names with-flush with-shutdown with-retained with-snapshot with-latency with-table; do
    read -r its_flash its_ram _ < <(size_of $target full $option)
    echo "| $option | $((its_flash - flash)) | $((its_ram - ram)) |"
  done
  exit
fi

for target in thumbv7m-none-eabi thumbv6m-none-eabi; do
  # In a firmware that uses UDP for something else, and the smallest one also in a firmware that does not.
  for config in none small full usual silent small_alone; do
    features=()
    case $config in
      none) ;;
      usual) features=(full with-receipts) ;;
      small_alone) features=(small silent) ;;
      *) features=("$config") ;;
    esac
    read -r flash ram rings < <(size_of $target "${features[@]}")
    # With instructions counted, so that interrupts come at the same places each time.
    stack=$(emulate $target footprint -icount shift=8,sleep=off)
    case $config in none | silent)
      before=("$flash" "$ram" "$stack")
      continue
      ;;
    esac
    {
      echo "$target $config flash $((flash - before[0]))"
      echo "$target $config ram_beside_rings $((ram - rings - before[1]))"
      echo "$target $config stack $((stack - before[2]))"
      echo "$target $config rings $rings"
    } >>"$measured"
  done
  thumb_cargo build -q --release --locked --target $target --bin instructions
  emulate $target instructions -icount shift=8,sleep=off | sed "s/^/$target instructions /" >>"$measured"
done

if [ "${1:-}" = --set ]; then
  {
    grep '^#' footprint.txt | grep -v '^#measured '
    echo "#measured $compiler"
    # Where an interrupt finds the stack is another place after each change: room for one and what it calls.
    awk '{ print $1, $2, $3, int($4 * 1.05 + ($3 == "stack" ? 128 : 0.5)) }' "$measured"
  } >footprint.new
  mv footprint.new footprint.txt
fi

if [ "${1:-}" = --markdown ]; then
  awk '
    FNR == NR { if ($1 == "#goal") goal[$3 " " $4] = $5; next }
    { key = $2 " " $3; value[$1 " " key] = $4 }
    $1 ~ /v7m/ && $3 != "rings" { order[++n] = key }
    END {
      print "| | Cortex-M3 | Cortex-M0 | goal (M3) | |"
      print "|---|---|---|---|---|"
      for (i = 1; i <= n; i++) {
        key = order[i]
        split(key, part, " ")
        what = part[1] == "instructions" ? "`" part[2] "`, instructions" : part[1] ": " part[2] ", bytes"
        gsub(/_/, " ", what)
        m3 = value["thumbv7m-none-eabi " key]
        met = !(key in goal) ? "" : m3 <= goal[key] ? "met" : "**missed**"
        printf "| %s | %d | %d | %s | %s |\n", what, m3, value["thumbv6m-none-eabi " key], goal[key], met
      }
    }' footprint.txt "$measured"
  printf '\n`embassy-adapter/firmware/footprint.sh --markdown`, %s, %s.\n' "$compiler" "$(date +%F)"
  exit
fi

measured_with=$(sed -n 's/^#measured //p' footprint.txt)
echo "with $compiler"
[ "$compiler" = "$measured_with" ] || echo "the limits are for $measured_with; another compiler may need other ones" >&2

# Goals are those of a Cortex-M3; a limit is what no change may exceed.
awk '
  FNR == NR { if ($1 == "#goal") goal[$2 " " $3 " " $4] = $5; else if ($1 !~ /^#/) limit[$1 " " $2 " " $3] = $4; next }
  FNR == 1 { printf "%-20s %-13s %-28s %8s %8s %8s\n", "target", "configuration", "what", "measured", "limit", "goal" }
  {
    key = $1 " " $2 " " $3
    verdict = ""
    if (key in goal) verdict = $4 <= goal[key] ? "met" : "missed"
    if (!(key in limit)) { verdict = verdict " NO LIMIT"; bad = 1 }
    else if ($4 > limit[key]) { verdict = verdict " OVER THE LIMIT"; bad = 1 }
    printf "%-20s %-13s %-28s %8d %8s %8s %s\n", $1, $2, $3, $4, limit[key], goal[key], verdict
    seen[key] = 1
  }
  END {
    for (key in limit) if (!(key in seen)) { print "not measured: " key; bad = 1 }
    exit bad
  }' footprint.txt "$measured"
