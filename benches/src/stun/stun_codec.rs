//! `stun_codec`.

use super::{ID, PASSWORD, PRIORITY, Side, TIE_BREAKER, USERNAME};
use bytecodec::{DecodeExt, EncodeExt};
use core::net::SocketAddr;
use stun_codec::rfc5245::attributes::{IceControlling, Priority, UseCandidate};
use stun_codec::rfc5389::attributes::{
    Fingerprint, MessageIntegrity, Software, Username, XorMappedAddress,
};
use stun_codec::rfc5389::methods::BINDING;
use stun_codec::{Message, MessageClass, MessageDecoder, MessageEncoder, TransactionId};

stun_codec::define_attribute_enums!(
    Attribute,
    AttributeDecoder,
    AttributeEncoder,
    [
        Username,
        Priority,
        UseCandidate,
        IceControlling,
        XorMappedAddress,
        Software,
        MessageIntegrity,
        Fingerprint
    ]
);

/// The side of `stun_codec`. It derives the key of a password anew for each message.
#[derive(Debug)]
pub struct StunCodec {
    decoder: MessageDecoder<Attribute>,
    encoder: MessageEncoder<Attribute>,
    bytes: Vec<u8>,
}

impl StunCodec {
    fn decode(&mut self, bytes: &[u8]) -> Option<Message<Attribute>> {
        self.decoder.decode_from_bytes(bytes).ok()?.ok()
    }

    fn encode(&mut self, message: Message<Attribute>) -> &[u8] {
        self.bytes = self
            .encoder
            .encode_into_bytes(message)
            .expect("it can be written");
        &self.bytes
    }
}

impl Side for StunCodec {
    const NAME: &'static str = "stun_codec";

    fn new() -> Self {
        Self {
            decoder: MessageDecoder::new(),
            encoder: MessageEncoder::new(),
            bytes: Vec::new(),
        }
    }

    fn parse(&mut self, message: &[u8]) -> bool {
        core::hint::black_box(self.decode(message)).is_some()
    }

    fn verify(&mut self, message: &[u8]) -> bool {
        let Some(message) = self.decode(message) else {
            return false;
        };
        let integrity = message.get_attribute::<MessageIntegrity>();
        integrity.is_some_and(|mac| mac.check_short_term_credential(PASSWORD).is_ok())
    }

    fn build<'a>(&'a mut self, _: &'a mut [u8]) -> &'a [u8] {
        let id = TransactionId::new(ID);
        let mut message = Message::new(MessageClass::Request, BINDING, id);
        let name = Username::new(USERNAME.to_owned()).expect("it is short");
        message.add_attribute(name);
        message.add_attribute(Priority::new(PRIORITY));
        message.add_attribute(IceControlling::new(TIE_BREAKER));
        message.add_attribute(UseCandidate::new());
        let mac = MessageIntegrity::new_short_term_credential(&message, PASSWORD);
        message.add_attribute(mac.expect("it can be made"));
        let crc = Fingerprint::new(&message).expect("it can be made");
        message.add_attribute(crc);
        self.encode(message)
    }

    fn answer<'a>(&'a mut self, request: &[u8], from: SocketAddr, _: &'a mut [u8]) -> &'a [u8] {
        let request = self.decode(request).expect("it is good");
        let id = request.transaction_id();
        let mut message = Message::new(MessageClass::SuccessResponse, request.method(), id);
        message.add_attribute(XorMappedAddress::new(from));
        let crc = Fingerprint::new(&message).expect("it can be made");
        message.add_attribute(crc);
        self.encode(message)
    }
}
