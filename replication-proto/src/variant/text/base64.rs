//! Standard base64 with padding, in which scene files keep byte arrays.

use alloc::vec::Vec;

/// The bytes of a base64 text, which may be broken into lines, or nothing if it is none.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let lines = text.trim_end_matches([' ', '\r', '\n']).bytes();
    let mut body: Vec<u8> = lines.filter(|byte| !b"\r\n".contains(byte)).collect();
    let length = body.len();
    while body.last() == Some(&b'=') && length - body.len() < 2 {
        body.pop();
    }
    if !length.is_multiple_of(4) {
        return None;
    }
    let mut bytes = Vec::with_capacity(length / 4 * 3);
    for group in body.chunks(4) {
        let mut bits = 0u32;
        for byte in group {
            bits = bits << 6 | digit(*byte)?;
        }
        let missing = 4 - group.len();
        bits <<= 6 * missing;
        bytes.extend_from_slice(bits.to_be_bytes().get(1..4 - missing)?);
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_bytes_or_nothing() {
        assert_eq!(decode("AQID").unwrap(), [1, 2, 3]);
        assert_eq!(decode("AQI=").unwrap(), [1, 2]);
        assert_eq!(decode("AQ==").unwrap(), [1]);
        assert_eq!(decode("").unwrap(), []);
        assert_eq!(decode("AQ\r\nID\n").unwrap(), [1, 2, 3]);
        for bad in ["A", "AQI", "A===", "====", "AQ=D", "!!!!", "é===", " AQID"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
