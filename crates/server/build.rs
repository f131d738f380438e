//! A new build of the web part is a new build of this crate.

fn main() {
    println!("cargo:rerun-if-changed=../../web/dist");
}
