//! `rtc-stun`.

use super::{ID, PASSWORD, PRIORITY, Side, TIE_BREAKER, USERNAME};
use core::fmt;
use core::net::SocketAddr;
use rtc_crypto::RTCCryptoProvider;
use rtc_stun::attributes::{
    ATTR_FINGERPRINT, ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME,
};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter, TransactionId,
};
use rtc_stun::xoraddr::XorMappedAddress;
use std::sync::Arc;

/// The side of `rtc-stun`, with `ring` below it. It prepares the key anew for each message.
pub struct RtcStun {
    provider: Arc<dyn RTCCryptoProvider>,
    read: Message,
    written: Message,
}

impl fmt::Debug for RtcStun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RtcStun")
    }
}

impl RtcStun {
    fn start(&mut self, kind: MessageType, id: TransactionId) {
        self.written.reset();
        self.written.typ = kind;
        self.written.transaction_id = id;
        self.written.write_header();
    }
}

fn set(message: &mut Message, setter: &dyn Setter) {
    setter.add_to(message).expect("it can be added");
}

impl Side for RtcStun {
    const NAME: &'static str = "rtc-stun";

    fn new() -> Self {
        Self {
            provider: rtc_crypto::default_provider().expect("ring is compiled in"),
            read: Message::new(),
            written: Message::new(),
        }
    }

    fn parse(&mut self, message: &[u8]) -> bool {
        self.read.unmarshal_binary(message).is_ok()
            && (!self.read.contains(ATTR_FINGERPRINT) || FINGERPRINT.check(&self.read).is_ok())
    }

    fn verify(&mut self, message: &[u8]) -> bool {
        let key = PASSWORD.as_bytes();
        self.parse(message)
            && MessageIntegrity::check(&mut self.read, key, self.provider.crypto()).is_ok()
    }

    fn build<'a>(&'a mut self, _: &'a mut [u8]) -> &'a [u8] {
        self.start(BINDING_REQUEST, TransactionId(ID));
        self.written.add(ATTR_USERNAME, USERNAME.as_bytes());
        self.written.add(ATTR_PRIORITY, &PRIORITY.to_be_bytes());
        self.written
            .add(ATTR_ICE_CONTROLLING, &TIE_BREAKER.to_be_bytes());
        self.written.add(ATTR_USE_CANDIDATE, &[]);
        let crypto = self.provider.crypto();
        let mac = MessageIntegrity::new_raw_integrity_with_provider(PASSWORD, crypto);
        set(&mut self.written, &mac);
        set(&mut self.written, &FINGERPRINT);
        &self.written.raw
    }

    fn answer<'a>(&'a mut self, request: &[u8], from: SocketAddr, _: &'a mut [u8]) -> &'a [u8] {
        assert!(self.parse(request), "it is good");
        let id = self.read.transaction_id;
        self.start(BINDING_SUCCESS, id);
        let address = XorMappedAddress {
            ip: from.ip(),
            port: from.port(),
        };
        set(&mut self.written, &address);
        set(&mut self.written, &FINGERPRINT);
        &self.written.raw
    }
}
