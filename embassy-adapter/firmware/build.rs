//! Chooses the board and its memory map for the target: a micro:bit for Cortex-M0, Arm's MPS2 board for Cortex-M3, and
//! QEMU's own board for RISC-V.

use std::path::PathBuf;
use std::{env, fs};

const MICROBIT: &str =
    "MEMORY { FLASH : ORIGIN = 0, LENGTH = 256K RAM : ORIGIN = 0x20000000, LENGTH = 16K }";
const MPS2: &str =
    "MEMORY { FLASH : ORIGIN = 0, LENGTH = 4M RAM : ORIGIN = 0x20000000, LENGTH = 4M }";
const VIRT: &str = r#"
MEMORY { FLASH : ORIGIN = 0x80000000, LENGTH = 1M RAM : ORIGIN = 0x80100000, LENGTH = 64K }
REGION_ALIAS("REGION_TEXT", FLASH); REGION_ALIAS("REGION_RODATA", FLASH); REGION_ALIAS("REGION_DATA", RAM);
REGION_ALIAS("REGION_BSS", RAM); REGION_ALIAS("REGION_HEAP", RAM); REGION_ALIAS("REGION_STACK", RAM);
"#;

fn main() {
    let target = env::var("TARGET").expect("cargo sets it");
    let (board, memory) = match () {
        () if target.starts_with("thumbv6m") => ("microbit", MICROBIT),
        () if target.starts_with("riscv32") => ("virt", VIRT),
        () => ("mps2", MPS2),
    };
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("memory.x"), memory).expect("a writable OUT_DIR");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cfg={board}");
}
