//! Replays the inputs in `seeds/`: good vectors, hostile inputs, and what fuzzers found.

use std::path::Path;

/// The inputs of `target`, by name.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(format!("{target}.hex"));
    let text = std::fs::read_to_string(path).expect("a readable list of seeds");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| seed(line).unwrap_or_else(|| panic!("not a name and hex digits: {line}")))
        .collect()
}

/// A line is a name and an even number of hex digits, or `-` for no bytes.
fn seed(line: &str) -> Option<(String, Vec<u8>)> {
    let (name, digits) = line.split_once(' ')?;
    let digits = if digits == "-" { "" } else { digits };
    let pairs = digits.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok());
    Some((name.to_owned(), bytes.collect::<Option<_>>()?))
}

fn replay(target: &str, body: fn(&[u8])) {
    for (name, bytes) in seeds(target) {
        println!("{target}: {name}");
        body(&bytes);
    }
}

/// Every prefix of every seed, and every seed with one byte changed in each of four ways.
fn disturb(target: &str, body: fn(&[u8])) {
    for (name, mut bytes) in seeds(target) {
        println!("{target}: {name}");
        for length in 0..bytes.len() {
            body(&bytes[..length]);
        }
        for index in 0..bytes.len() {
            let original = bytes[index];
            for changed in [0x00, 0xff, original ^ 0x80, original.wrapping_add(1)] {
                bytes[index] = changed;
                body(&bytes);
            }
            bytes[index] = original;
        }
    }
}

/// Bytes from nothing but a counter, for bodies whose inputs are scripts.
fn scripts(count: u64, body: fn(&[u8])) {
    for number in 0..count {
        let mut state = number;
        let bytes: Vec<u8> = (0..1024)
            .map(|_| {
                // Knuth's constants for a 64-bit linear congruence.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                state.to_be_bytes()[0]
            })
            .collect();
        println!("script {number}");
        body(&bytes);
    }
}

// req: HM-5, HX-1, HG-1, HG-6, HP-8
#[test]
fn every_value_its_prefixes_and_its_neighbours_are_decoded_or_refused() {
    replay("variant", fuzz_bodies::variant);
    disturb("variant", fuzz_bodies::variant);
}

#[test]
fn generated_values_survive_every_codec() {
    replay("variant_roundtrip", fuzz_bodies::variant_roundtrip);
    scripts(256, fuzz_bodies::variant_roundtrip);
}

#[test]
fn every_compressed_value_its_prefixes_and_its_neighbours_are_decoded_or_refused() {
    replay("variant_compact", fuzz_bodies::variant_compact);
    disturb("variant_compact", fuzz_bodies::variant_compact);
}

// req: HG-1, HG-4, HP-4, HP-9
#[test]
fn hostile_and_recorded_packets_leave_the_session_alive() {
    replay("scene_packet", fuzz_bodies::scene_packet);
}

#[test]
fn session_scripts_keep_their_promises() {
    replay("scene_script", fuzz_bodies::scene_script);
    scripts(64, fuzz_bodies::scene_script);
}

// req: HM-5, HG-1, HG-4, HG-5, HG-12, HE-1, HE-2, HE-5
#[test]
fn hostile_and_recorded_datagrams_leave_the_session_beside_them_alone() {
    replay("enet_datagram", fuzz_bodies::enet_datagram);
}

// req: HB-9, HM-5, HG-1, HG-12
#[test]
fn forged_and_replayed_records_of_dtls_throw_nobody_out() {
    replay("dtls_datagram", fuzz_bodies::dtls_datagram);
}

// req: HE-15
#[test]
fn streams_their_prefixes_and_their_neighbours_stay_in_the_output_and_inputs_come_back() {
    replay("enet_decompress", fuzz_bodies::enet_decompress);
    disturb("enet_decompress", fuzz_bodies::enet_decompress);
    scripts(64, fuzz_bodies::enet_decompress);
}

// req: HG-15, HE-11
#[test]
fn connection_scripts_keep_reliable_packets_in_order_and_whole() {
    replay("enet_script", fuzz_bodies::enet_script);
    scripts(64, fuzz_bodies::enet_script);
}

// req: HE-8, HE-10
#[test]
fn fragments_of_any_shape_never_deliver_bytes_that_nobody_sent() {
    replay("enet_reassembly", fuzz_bodies::enet_reassembly);
    scripts(64, fuzz_bodies::enet_reassembly);
}

#[test]
fn projects_of_strangers_are_read_within_limits_or_refused_with_a_place() {
    replay("project_files", fuzz_bodies::project_files);
    scripts(64, fuzz_bodies::project_files);
}

// req: HM-5, HI-12, D-1
#[test]
fn candidate_lines_their_prefixes_and_their_neighbours_are_read_or_refused() {
    replay("ice_candidate", fuzz_bodies::ice_candidate);
    disturb("ice_candidate", fuzz_bodies::ice_candidate);
}

// req: HM-5, HG-1, HG-15
#[test]
fn a_mapper_comes_to_rest_whatever_its_gateway_says() {
    replay("mapping_script", fuzz_bodies::mapping_script);
    disturb("mapping_script", fuzz_bodies::mapping_script);
    scripts(64, fuzz_bodies::mapping_script);
}

// req: HM-5, D-2, D-7
#[test]
fn descriptions_their_prefixes_and_their_neighbours_are_read_or_refused() {
    replay("sdp_lines", fuzz_bodies::sdp_lines);
    disturb("sdp_lines", fuzz_bodies::sdp_lines);
}

// req: HM-5, HG-1, HG-15, HI-6
#[test]
fn agents_under_a_script_stay_in_bounds_and_come_to_rest() {
    replay("ice_agent_script", fuzz_bodies::ice_agent_script);
    scripts(64, fuzz_bodies::ice_agent_script);
}

// req: HM-5, HG-1, HG-6, HG-12, HS-1, HS-2, HS-3, HS-6
#[test]
fn recorded_and_hostile_stun_is_read_within_its_bytes_and_answered_in_few() {
    replay("stun_parse", fuzz_bodies::stun_parse);
    scripts(256, fuzz_bodies::stun_parse);
}

// req: HS-4, S-4
#[test]
fn stun_that_is_written_is_read_back_and_says_the_same_bytes() {
    replay("stun_roundtrip", fuzz_bodies::stun_roundtrip);
    scripts(256, fuzz_bodies::stun_roundtrip);
}

// req: HS-15, HG-7, S-73, S-74
#[test]
fn streams_of_stun_in_any_pieces_give_the_same_messages() {
    replay("stun_stream", fuzz_bodies::stun_stream);
    scripts(256, fuzz_bodies::stun_stream);
}

// req: HS-10, HG-15, S-22, S-55, S-56, S-62, A-22
#[test]
fn each_request_of_a_stun_client_ends_once_and_no_forgery_is_believed() {
    replay("stun_client_script", fuzz_bodies::stun_client_script);
    scripts(128, fuzz_bodies::stun_client_script);
}
