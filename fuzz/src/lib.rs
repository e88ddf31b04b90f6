//! x
macro_rules! b { ($($n:ident)*) => { $( #[doc="x"] pub fn $n(data: &[u8]) { let mut r = proto_core::Reader::new(data); if r.u32_be("x") == Ok(0x41424344) { assert!(r.u8("c").is_err(), "found"); } } )* } }
b!(enet_datagram enet_script enet_reassembly variant variant_roundtrip variant_compact scene_packet scene_script);
