//! Preparing names, realms and passwords: [`opaque_string`] (RFC 8265 section 4.2, RFC 8264).

use alloc::borrow::Cow;
use alloc::string::String;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Why a text cannot be a name, a realm or a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum OpaqueStringError {
    /// There is nothing in it.
    #[error("the text is empty")]
    Empty,
    /// A character that is not allowed: a control, one that nobody sees, one that has no meaning yet.
    #[error("the character at byte {at} is not allowed")]
    Disallowed {
        /// Where it begins, in bytes.
        at: usize,
    },
    /// A character that is allowed between certain others only.
    #[error("the character at byte {at} is not allowed in this place")]
    Context {
        /// Where it begins, in bytes.
        at: usize,
    },
}

/// Prepares a name, a realm or a password as both ends of long-term and short-term credentials have to (the profile
/// OpaqueString): every kind of space becomes a plain one, and the text is put into the normal form NFC.
///
/// Text of letters, digits and ASCII marks is its own result and is not copied. Where RFC 5892 asks for the script of a
/// neighbour, blocks of Unicode stand for scripts; and a zero-width non-joiner is taken after a virama only.
///
/// ```
/// use stun_proto::opaque_string;
///
/// assert_eq!(opaque_string("correct horse"), Ok("correct horse".into()));
/// assert_eq!(opaque_string("caf\u{65}\u{301}\u{3000}au lait"), Ok("caf\u{e9} au lait".into()));
/// assert!(opaque_string("tab\t").is_err());
/// ```
///
/// # Errors
/// [`OpaqueStringError`] about the first character that is not allowed.
pub fn opaque_string(text: &str) -> Result<Cow<'_, str>, OpaqueStringError> {
    if text.is_empty() {
        return Err(OpaqueStringError::Empty);
    }
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(Cow::Borrowed(text));
    }
    for (at, character) in text.char_indices() {
        match class(character) {
            Class::Valid => {}
            Class::Disallowed => return Err(OpaqueStringError::Disallowed { at }),
            Class::Context if fits(text, at, character) => {}
            Class::Context => return Err(OpaqueStringError::Context { at }),
        }
    }
    let spaced = text.chars().map(|character| match character {
        other if other.general_category() == GeneralCategory::SpaceSeparator => ' ',
        other => other,
    });
    let prepared: String = spaced.nfc().collect();
    Ok(if prepared == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(prepared)
    })
}

/// What RFC 8264 section 8 says about a character in the class FreeformClass.
enum Class {
    Valid,
    Context,
    Disallowed,
}

fn class(character: char) -> Class {
    use GeneralCategory as G;
    match u32::from(character) {
        // The exceptions of RFC 5892 section 2.6.
        0xDF | 0x3C2 | 0x6FD | 0x6FE | 0xF0B | 0x3007 | 0x21..=0x7E => return Class::Valid,
        0xB7 | 0x375 | 0x5F3 | 0x5F4 | 0x30FB | 0x660..=0x669 | 0x6F0..=0x6F9 => {
            return Class::Context;
        }
        0x640 | 0x7FA | 0x302E | 0x302F | 0x3031..=0x3035 | 0x303B => return Class::Disallowed,
        // Joiners.
        0x200C | 0x200D => return Class::Context,
        code if is_old_jamo(code) || is_ignorable(code) => return Class::Disallowed,
        _ => {}
    }
    match character.general_category() {
        G::Unassigned | G::Control => Class::Disallowed,
        _ if core::iter::once(character)
            .nfkc()
            .ne(core::iter::once(character)) =>
        {
            Class::Valid
        }
        G::Format | G::Surrogate | G::PrivateUse | G::LineSeparator | G::ParagraphSeparator => {
            Class::Disallowed
        }
        _ => Class::Valid,
    }
}

/// Jamo of Hangul that are no syllables by themselves.
const fn is_old_jamo(code: u32) -> bool {
    matches!(code, 0x1100..=0x11FF | 0xA960..=0xA97C | 0xD7B0..=0xD7C6 | 0xD7CB..=0xD7FB)
}

/// Default_Ignorable_Code_Point and Noncharacter_Code_Point.
const fn is_ignorable(code: u32) -> bool {
    let noncharacter = code & 0xFFFE == 0xFFFE || matches!(code, 0xFDD0..=0xFDEF);
    noncharacter
        || matches!(
            code,
            0xAD | 0x34F
                | 0x61C
                | 0x115F..=0x1160
                | 0x17B4..=0x17B5
                | 0x180B..=0x180F
                | 0x200B..=0x200F
                | 0x202A..=0x202E
                | 0x2060..=0x206F
                | 0x3164
                | 0xFE00..=0xFE0F
                | 0xFEFF
                | 0xFFA0
                | 0xFFF0..=0xFFF8
                | 0x1_BCA0..=0x1_BCA3
                | 0x1_D173..=0x1_D17A
                | 0xE_0000..=0xE_0FFF
        )
}

/// Whether `character`, at byte `at` of `text`, stands between characters that allow it (RFC 5892 appendix A).
fn fits(text: &str, at: usize, character: char) -> bool {
    let (before, rest) = text.split_at_checked(at).unwrap_or_default();
    let before = before.chars().next_back();
    let after = rest.chars().nth(1);
    let holds = |low: char, high: char| text.chars().any(|other| (low..=high).contains(&other));
    match character {
        '\u{200C}' | '\u{200D}' => {
            before.is_some_and(|other| canonical_combining_class(other) == 9)
        }
        '\u{B7}' => before == Some('l') && after == Some('l'),
        '\u{375}' => {
            after.is_some_and(|c| matches!(c, '\u{370}'..='\u{3FF}' | '\u{1F00}'..='\u{1FFF}'))
        }
        '\u{5F3}' | '\u{5F4}' => {
            before.is_some_and(|c| matches!(c, '\u{591}'..='\u{5F4}' | '\u{FB1D}'..='\u{FB4F}'))
        }
        '\u{30FB}' => text.chars().any(is_japanese),
        '\u{660}'..='\u{669}' => !holds('\u{6F0}', '\u{6F9}'),
        '\u{6F0}'..='\u{6F9}' => !holds('\u{660}', '\u{669}'),
        _ => false,
    }
}

/// Hiragana, Katakana or Han.
const fn is_japanese(character: char) -> bool {
    matches!(
        character,
        '\u{3005}' | '\u{3007}'
            | '\u{3041}'..='\u{309F}'
            | '\u{30A1}'..='\u{30FA}'
            | '\u{30FC}'..='\u{30FF}'
            | '\u{31F0}'..='\u{31FF}'
            | '\u{3400}'..='\u{4DBF}'
            | '\u{4E00}'..='\u{9FFF}'
            | '\u{F900}'..='\u{FAFF}'
            | '\u{FF66}'..='\u{FF9D}'
            | '\u{20000}'..='\u{3FFFD}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    // req: S-32, S-44
    #[test]
    fn the_examples_of_the_rfc_come_out_as_they_should() {
        for same in [
            "correct horse battery staple",
            "Correct Horse Battery Staple",
            "\u{3C0}\u{DF}\u{E5}",
            "Jack of \u{2666}s",
            "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}",
        ] {
            let prepared = opaque_string(same);
            assert!(matches!(prepared, Ok(Cow::Borrowed(text)) if text == same));
        }
        assert_eq!(opaque_string("foo\u{1680}bar"), Ok("foo bar".into()));
        assert_eq!(opaque_string(""), Err(OpaqueStringError::Empty));
        let tab = opaque_string("my cat is a \u{9}by");
        assert_eq!(tab, Err(OpaqueStringError::Disallowed { at: 12 }));
    }

    #[test]
    fn two_ways_to_write_a_text_give_one_result() {
        let composed = opaque_string("\u{C5}ngstr\u{F6}m");
        assert_eq!(opaque_string("A\u{30A}ngstro\u{308}m"), composed);
        assert_eq!(opaque_string("\u{212B}ngstr\u{F6}m"), composed);
        // Preparing twice changes nothing.
        let once = opaque_string("a\u{A0}b\u{3000}e\u{301}").expect("it is allowed");
        assert_eq!(opaque_string(&once), Ok(once.clone()));
        assert_eq!(once, "a b \u{E9}");
        // The compatibility forms stay: OpaqueString is not SASLprep.
        assert_eq!(
            opaque_string("M\u{AA}tr\u{2168}"),
            Ok("M\u{AA}tr\u{2168}".into())
        );
    }

    #[test]
    fn what_nobody_sees_or_knows_is_refused() {
        for text in [
            "\u{0}",
            "The\u{AD}M",
            "a\u{200B}",
            "a\u{2028}",
            "\u{E000}",
            "\u{FFFE}",
            "\u{378}",
            "\u{1100}",
            "\u{640}",
            "\u{FEFF}a",
        ] {
            let refused = opaque_string(text);
            assert!(
                matches!(refused, Err(OpaqueStringError::Disallowed { .. })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn some_characters_are_allowed_between_certain_others_only() {
        for (good, bad) in [
            ("l\u{B7}l", "a\u{B7}l"),
            ("\u{375}\u{3B1}", "\u{375}a"),
            ("\u{5D0}\u{5F3}", "a\u{5F3}"),
            ("\u{30A2}\u{30FB}", "a\u{30FB}"),
            ("\u{661}\u{662}", "\u{661}\u{6F1}"),
            ("\u{6F1}\u{6F2}", "\u{6F1}\u{661}"),
            ("\u{915}\u{94D}\u{200D}", "a\u{200D}"),
            ("\u{915}\u{94D}\u{200C}", "a\u{200C}"),
        ] {
            assert!(opaque_string(good).is_ok(), "{good:?}");
            let refused = opaque_string(bad);
            assert!(
                matches!(refused, Err(OpaqueStringError::Context { .. })),
                "{bad:?}"
            );
        }
    }
}
