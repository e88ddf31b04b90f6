//! `stun-types`.

use super::{ID, PASSWORD, PRIORITY, Side, TIE_BREAKER, USERNAME};
use core::net::SocketAddr;
use stun_types::attribute::{AttributeType, RawAttribute, Username, XorMappedAddress};
use stun_types::message::{
    BINDING, IntegrityAlgorithm, IntegrityKey, Message, MessageClass, MessageType, MessageWrite,
    MessageWriteExt, MessageWriteMutSlice, ShortTermCredentials, TransactionId,
};

/// The side of `stun-types`. Its key keeps a prepared HMAC behind a lock.
#[derive(Debug)]
pub struct StunTypes(IntegrityKey);

/// The id as that crate takes it.
fn id(bytes: [u8; 12]) -> TransactionId {
    let number = bytes
        .iter()
        .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    TransactionId::from(number)
}

impl Side for StunTypes {
    const NAME: &'static str = "stun-types";

    fn new() -> Self {
        Self(ShortTermCredentials::new(PASSWORD.to_owned()).make_key())
    }

    fn parse(&mut self, message: &[u8]) -> bool {
        core::hint::black_box(Message::from_bytes(message)).is_ok()
    }

    fn verify(&mut self, message: &[u8]) -> bool {
        let message = Message::from_bytes(message);
        message.is_ok_and(|message| message.validate_integrity_with_key(&self.0).is_ok())
    }

    fn build<'a>(&'a mut self, buffer: &'a mut [u8]) -> &'a [u8] {
        let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
        let mut writer = Message::builder(kind, id(ID), MessageWriteMutSlice::new(buffer));
        let raw = |kind: u16, value| RawAttribute::new(AttributeType::new(kind), value);
        let added = [
            writer.add_attribute(&Username::new(USERNAME).expect("it is short")),
            writer.add_attribute(&raw(0x0024, &PRIORITY.to_be_bytes())),
            writer.add_attribute(&raw(0x802a, &TIE_BREAKER.to_be_bytes())),
            writer.add_attribute(&raw(0x0025, &[])),
            writer.add_message_integrity_with_key(&self.0, IntegrityAlgorithm::Sha1),
            writer.add_fingerprint(),
        ];
        assert!(added.iter().all(Result::is_ok));
        let length = writer.finish();
        &buffer[..length]
    }

    fn answer<'a>(
        &'a mut self,
        request: &[u8],
        from: SocketAddr,
        buffer: &'a mut [u8],
    ) -> &'a [u8] {
        let request = Message::from_bytes(request).expect("it is good");
        let writer = MessageWriteMutSlice::new(buffer);
        let mut writer = Message::builder_success(&request, writer);
        let address = XorMappedAddress::new(from, request.transaction_id());
        let added = [writer.add_attribute(&address), writer.add_fingerprint()];
        assert!(added.iter().all(Result::is_ok));
        let length = writer.finish();
        &buffer[..length]
    }
}
