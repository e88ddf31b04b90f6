//! Links the system's `libenet` (Debian: `libenet-dev`).

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-lib=dylib=enet");
}
