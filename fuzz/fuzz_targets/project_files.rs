//! Any bytes as the files of a Godot project.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::project_files(data));
