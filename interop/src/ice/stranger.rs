//! Answers that the peer did not give: [`Stranger`].

use super::Meeting;
use std::net::{Ipv4Addr, UdpSocket};
use stun_proto::attribute::{ErrorCode, ErrorNumber, XorMappedAddress};
use stun_proto::{Class, Key, Message, MessageWriter, Method, TransactionId};

/// Somebody on this host who has seen our requests.
#[derive(Debug)]
pub struct Stranger {
    socket: UdpSocket,
    /// The request that was answered last.
    answered: Option<TransactionId>,
}

impl Stranger {
    /// With a socket of its own.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn on_this_host() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let answered = None;
        Self { socket, answered }
    }

    /// Answers our last request if it is new: with the right key from the wrong place, with a wrong key, and to another
    /// request; each as a success and as a word that consent has ended.
    ///
    /// # Panics
    /// When our socket cannot be sent to.
    pub fn answer(&mut self, meeting: &Meeting) {
        let Ok(request) = Message::parse(&meeting.sent) else {
            return;
        };
        let id = request.transaction_id();
        if request.class() != Class::Request || self.answered == Some(id) {
            return;
        }
        self.answered = Some(id);
        let right = Key::short_term(meeting.their_credentials().password());
        let wrong = Key::short_term("anotherpasswordoftwentyfour");
        let other = TransactionId::new([7; 12]);
        for (id, key) in [(id, &right), (id, &wrong), (other, &right)] {
            for class in [Class::Success, Class::Error] {
                let mut buffer = [0; 512];
                let writer = MessageWriter::new(&mut buffer, class, Method::BINDING, id);
                let writer = match class {
                    Class::Success => writer.attribute(&XorMappedAddress(meeting.address())),
                    _ => writer.attribute(&ErrorCode::new(ErrorNumber::FORBIDDEN)),
                };
                let message = writer.integrity(key).fingerprint().finish();
                let message = message.expect("it fits");
                self.socket
                    .send_to(message, meeting.address())
                    .expect("our own socket");
            }
        }
    }
}
