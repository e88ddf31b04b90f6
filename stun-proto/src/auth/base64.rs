//! Base64 with the alphabet of RFC 4648 section 4, for nonces and time-limited passwords.

use alloc::string::String;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The character for the low six bits of `value`.
const fn digit(value: u32) -> u8 {
    ALPHABET[(value & 63) as usize]
}

/// Writes `bytes` without padding at the front of `out`; gives how many characters that took.
pub(super) fn encode(bytes: &[u8], out: &mut [u8]) -> usize {
    let mut digits = bytes.chunks(3).flat_map(|chunk| {
        let word = chunk
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0, |word, &byte| (word << 8) | u32::from(byte));
        [18, 12, 6, 0]
            .map(|shift| digit(word >> shift))
            .into_iter()
            .take(chunk.len() + 1)
    });
    let mut count = 0;
    for (to, from) in out.iter_mut().zip(&mut digits) {
        *to = from;
        count += 1;
    }
    count
}

/// The same as text, padded with `=`.
pub(super) fn padded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut quad = [b'='; 4];
        encode(chunk, &mut quad);
        text.extend(quad.map(char::from));
    }
    text
}

/// Reads what [`encode`] wrote for exactly `N` bytes; `None` for anything else.
pub(super) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (mut word, mut bits, mut at) = (0_u32, 0_u32, 0);
    for &character in text {
        let value = ALPHABET.iter().position(|&digit| digit == character)?;
        word = (word << 6) | u32::try_from(value).ok()?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            *bytes.get_mut(at)? = u8::try_from((word >> bits) & 0xFF).ok()?;
            at += 1;
            word &= (1 << bits) - 1;
        }
    }
    (at == N && bits < 6 && word == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_survives_and_no_other_text_gives_the_same_bytes() {
        assert_eq!(padded(b"light w"), "bGlnaHQgdw==");
        assert_eq!(padded(b"light wo"), "bGlnaHQgd28=");
        assert_eq!(padded(b"light wor"), "bGlnaHQgd29y");
        let mut out = [0; 19];
        assert_eq!(encode(&[0xFF; 14], &mut out), 19);
        assert_eq!(decode(&out), Some([0xFF; 14]));
        assert_eq!(decode::<13>(&out), None);
        assert_eq!(decode::<15>(&out), None);
        // The last character has two bits that are not used and must be zero.
        out[18] = b'9';
        assert_eq!(decode::<14>(&out), None);
        out[18] = b'=';
        assert_eq!(decode::<14>(&out), None);
    }
}
