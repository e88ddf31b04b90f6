//! Standard base64 with padding, in which scene files keep byte arrays.

use alloc::vec::Vec;

/// The bytes of a base64 text, or nothing if it is none.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let body = text.trim_end_matches('=');
    let padding = text.len() - body.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in body.as_bytes().chunks(4) {
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
        for bad in ["A", "AQI", "A===", "====", "AQ=D", "!!!!", "é==="] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
