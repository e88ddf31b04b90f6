//! Short-term credentials at the one who is asked: [`check_short_term`] (RFC 8489 section 9.1.3).

use super::Refusal;
use crate::attribute::Username;
use crate::crypto::{Key, Provider};
use crate::message::{Integrity, Message};
use core::borrow::Borrow;

/// A message whose short-term credential is right.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ShortTerm<'a, K> {
    /// The name in it.
    pub username: &'a str,
    /// The key that it was checked with, which protects the answer too.
    pub key: K,
    /// The kind of integrity that was checked, which the answer has to use too.
    pub integrity: Integrity,
}

/// Checks a request or indication. `key_of` gives the key for a name, or `None` for an unknown one.
///
/// The answer to it, good or bad, carries one integrity, made with
/// [`MessageWriter::integrity_as`](crate::MessageWriter::integrity_as), and no USERNAME.
///
/// ```
/// use stun_proto::auth::{Refusal, check_short_term};
/// use stun_proto::attribute::Username;
/// use stun_proto::{Class, Key, Message, MessageWriter, Method, TransactionId};
///
/// let key = Key::short_term("secret");
/// let mut buffer = [0; 100];
/// let id = TransactionId::new([1; 12]);
/// let bytes = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, id)
///     .attribute(&Username::new("here:there")?)
///     .integrity(&key)
///     .finish()?;
/// let request = Message::parse(bytes)?;
/// let accepted = check_short_term(&request, |name| (name == "here:there").then_some(&key));
/// assert!(accepted.is_ok());
/// let refused = check_short_term(&request, |_| None::<&Key>);
/// assert_eq!(refused.err(), Some(Refusal::Unauthenticated));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
///
/// # Errors
/// [`Refusal`]: answer a request with its number, without integrity; drop an indication.
pub fn check_short_term<'a, P: Provider, K: Borrow<Key<P>>>(
    message: &Message<'a>,
    key_of: impl FnOnce(&'a str) -> Option<K>,
) -> Result<ShortTerm<'a, K>, Refusal> {
    let username = message.get::<Username<'_>>();
    let username = username.map_err(|_| Refusal::BadRequest)?;
    let username = username.ok_or(Refusal::BadRequest)?.as_str();
    if !message.has_integrity() {
        return Err(Refusal::BadRequest);
    }
    let key = key_of(username).ok_or(Refusal::Unauthenticated)?;
    let integrity = message.verify(key.borrow());
    Ok(ShortTerm {
        username,
        integrity: integrity.map_err(super::server::refusal)?,
        key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Class, MessageWriter, Method, TransactionId};

    fn checked(name: Option<&str>, signed_with: Option<&str>) -> Result<Integrity, Refusal> {
        let mut buffer = [0; 200];
        let id = TransactionId::new([1; 12]);
        let name = name.and_then(|name| Username::new(name).ok());
        let writer = MessageWriter::new(&mut buffer, Class::Request, Method::BINDING, id)
            .attribute_if(name.as_ref());
        let bytes = match signed_with {
            Some(password) => writer.integrity(&Key::short_term(password)).finish(),
            None => writer.finish(),
        };
        let request = Message::parse(bytes.expect("it fits")).expect("it is good");
        let key_of = |name: &str| (name == "user").then(|| Key::short_term("secret"));
        check_short_term(&request, key_of).map(|accepted| accepted.integrity)
    }

    // req: S-46
    #[test]
    fn each_thing_that_can_be_wrong_gets_its_number() {
        assert_eq!(checked(Some("user"), Some("secret")), Ok(Integrity::Sha1));
        assert_eq!(checked(None, Some("secret")), Err(Refusal::BadRequest));
        assert_eq!(checked(Some("user"), None), Err(Refusal::BadRequest));
        let unknown = checked(Some("other"), Some("secret"));
        assert_eq!(unknown, Err(Refusal::Unauthenticated));
        let wrong = checked(Some("user"), Some("guess"));
        assert_eq!(wrong, Err(Refusal::Unauthenticated));
    }
}
