//! What a response means for the request that it answers.

use super::StunClient;
use super::config::{Answered, ClientEvent, DropReason, Failure, Transport};
use super::operation::{Operation, State, pause};
use super::redirect::RedirectError;
use crate::attribute::{
    AlternateDomain, AlternateServer, AttributeType, ErrorCode, ErrorNumber, MappedAddress,
    UnknownAttributes, XorMappedAddress,
};
use crate::auth::{Attempts, ResponseVerdict};
use crate::crypto::Provider;
use crate::message::{Class, Message, Method};
use crate::scope::{Scope, same};
use crate::transaction::RttEstimator;
use core::net::SocketAddr;
use proto_core::Instant;

impl<P: Provider> StunClient<P> {
    /// Handles a message; `from` is given for datagrams.
    pub(super) fn on_message(
        &mut self,
        now: Instant,
        from: Option<SocketAddr>,
        message: &Message<'_>,
    ) -> Result<(), DropReason> {
        if !matches!(message.class(), Class::Success | Class::Error) {
            return Err(DropReason::NoResponse);
        }
        let id = message.transaction_id();
        let running = |operation: &Operation<P>| operation.is_running() && operation.id == id;
        let (index, operation) = self
            .operations
            .iter_mut()
            .enumerate()
            .find(|(_, operation)| running(operation))
            .filter(|_| message.method() == Method::BINDING)
            .ok_or(DropReason::UnknownTransaction)?;
        if from.is_some_and(|from| !same(from, operation.to)) {
            return Err(DropReason::WrongAddress);
        }
        let (sent, attempts) = (&operation.sent, &mut operation.attempts);
        let verdict = self.auth.handle_response(message, sent, attempts);
        match verdict {
            ResponseVerdict::Accept => self.on_accepted(now, index, message)?,
            ResponseVerdict::Retry => {
                self.stats.challenges += 1;
                operation.on_response(now);
                operation.requeue(State::Queued);
            }
            ResponseVerdict::Discard if self.config.transport == Transport::Stream => {
                self.fail(index, Failure::IntegrityViolated);
            }
            ResponseVerdict::Discard => {
                operation.violated = true;
                return Err(DropReason::Unauthentic);
            }
            ResponseVerdict::Fail(failure) => self.fail(index, failure.into()),
        }
        self.start_queued(now);
        Ok(())
    }

    /// Acts on a response that is as authentic as it has to be.
    fn on_accepted(
        &mut self,
        now: Instant,
        index: usize,
        message: &Message<'_>,
    ) -> Result<(), DropReason> {
        if !message.unknown_required(is_known).is_empty() {
            self.fail(index, Failure::AnswerNotUnderstood);
            return Ok(());
        }
        if message.class() == Class::Success {
            let mapped = mapped(message).ok_or(DropReason::BadAnswer)?;
            self.on_answer(now, index, mapped);
            return Ok(());
        }
        let error = message.get::<ErrorCode<'_>>().ok().flatten();
        let number = error.ok_or(DropReason::BadAnswer)?.number();
        match number.get() {
            300..=399 => self.on_redirect(now, index, message),
            500..=599 => self.on_server_error(now, index, number),
            _ if number == ErrorNumber::UNKNOWN_ATTRIBUTE => {
                let list = message.get::<UnknownAttributes>();
                let list = list.map_err(|_| DropReason::BadAnswer)?;
                self.fail(index, Failure::UnknownAttributes(list.unwrap_or_default()));
            }
            _ => self.fail(index, Failure::Refused(number)),
        }
        Ok(())
    }

    fn on_answer(&mut self, now: Instant, index: usize, mapped: SocketAddr) {
        if index >= self.operations.len() {
            return;
        }
        let mut operation = self.operations.remove(index);
        let rtt = operation.on_response(now);
        if let Some(rtt) = rtt.filter(|_| same(operation.to, self.server)) {
            self.rtt.sample(now, rtt);
        }
        let public = self.visits.begins_public();
        self.events.push_back(ClientEvent::Answered(Answered {
            request: operation.request,
            mapped,
            is_plausible: !public || Scope::of(mapped.ip()) == Scope::Public,
            server: operation.to,
            rtt,
            sends: operation.sends(),
            is_authentic: operation.sent.is_signed(),
        }));
    }

    fn on_server_error(&mut self, now: Instant, index: usize, number: ErrorNumber) {
        let Some(operation) = self.operations.get_mut(index) else {
            return;
        };
        if operation.server_errors >= self.config.server_errors {
            self.fail(index, Failure::Refused(number));
            return;
        }
        self.stats.server_errors += 1;
        operation.server_errors += 1;
        let until = now + pause(operation.server_errors);
        operation.requeue(State::Pausing(until));
    }

    fn on_redirect(&mut self, now: Instant, index: usize, message: &Message<'_>) {
        let to = message.get::<AlternateServer>().ok().flatten();
        let domain = message.get::<AlternateDomain<'_>>().ok().flatten();
        if let Err(error) = self.redirect(now, index, to.map(|to| to.0), domain) {
            self.fail(index, error.into());
        }
    }

    /// Sends one operation to another server, and all that come after it.
    fn redirect(
        &mut self,
        now: Instant,
        index: usize,
        to: Option<SocketAddr>,
        domain: Option<AlternateDomain<'_>>,
    ) -> Result<(), RedirectError> {
        let Some(operation) = self.operations.get_mut(index) else {
            return Ok(());
        };
        let to = to.ok_or(RedirectError::NoAddress)?;
        if operation.redirects >= self.config.redirects_in_a_row {
            return Err(RedirectError::TooMany);
        }
        // Another request may have learned it first.
        if same(operation.to, self.server) || !same(to, self.server) {
            self.visits.follow(now, operation.to, to)?;
            self.server = to;
            self.rtt = RttEstimator::new();
            self.stats.redirects += 1;
            let domain = domain.map(|domain| domain.as_str().into());
            self.events
                .push_back(ClientEvent::Redirected { to, domain });
        }
        operation.redirects += 1;
        let is_stream = self.config.transport == Transport::Stream;
        for (other, operation) in self.operations.iter_mut().enumerate() {
            // With the connection everything that is open moves.
            if other == index || is_stream || !operation.is_running() {
                operation.to = to;
                operation.attempts = Attempts::default();
            }
            if other == index || is_stream && operation.is_running() {
                operation.requeue(State::Queued);
            }
        }
        Ok(())
    }
}

/// The comprehension-required attributes that are understood in a response.
const fn is_known(kind: AttributeType) -> bool {
    matches!(
        kind,
        AttributeType::MAPPED_ADDRESS
            | AttributeType::XOR_MAPPED_ADDRESS
            | AttributeType::ERROR_CODE
            | AttributeType::UNKNOWN_ATTRIBUTES
            | AttributeType::REALM
            | AttributeType::NONCE
            | AttributeType::USERNAME
            | AttributeType::USERHASH
            | AttributeType::PASSWORD_ALGORITHM
    )
}

/// The mapped address in a success response; the plain one is all that servers of RFC 3489 know.
fn mapped(message: &Message<'_>) -> Option<SocketAddr> {
    let xored = message.get::<XorMappedAddress>().ok()?.map(|a| a.0);
    let plain = || Some(message.get::<MappedAddress>().ok()??.0);
    xored.or_else(plain)
}
