//! Chooses the memory map for the target: a micro:bit for Cortex-M0, Arm's MPS2 board for Cortex-M3.

use std::path::PathBuf;
use std::{env, fs};

const MICROBIT: &str =
    "MEMORY { FLASH : ORIGIN = 0, LENGTH = 256K RAM : ORIGIN = 0x20000000, LENGTH = 16K }";
const MPS2: &str =
    "MEMORY { FLASH : ORIGIN = 0, LENGTH = 4M RAM : ORIGIN = 0x20000000, LENGTH = 4M }";

fn main() {
    let microbit = env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv6m"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("memory.x"), if microbit { MICROBIT } else { MPS2 })
        .expect("a writable OUT_DIR");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=build.rs");
    if microbit {
        println!("cargo:rustc-cfg=microbit");
    }
}
