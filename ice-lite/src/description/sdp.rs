//! Whole offers and answers, through the crate `sdp`: [`parse_sdp`], [`Description::from_sdp`], [`Description::write_sdp`].

use super::lines::{DescriptionError, ReadDescription};
use super::{Candidate, Description};
use crate::{CandidateAddress, CandidateKind, Transport};
use ::sdp::SessionDescription;
use ::sdp::description::common::{Address, Attribute, ConnectionInformation};
use ::sdp::description::media::MediaDescription;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Longest session description that is read, in bytes.
const MOST_BYTES: usize = 65_536;
/// Most media sections in one.
const MOST_MEDIA: usize = 16;
/// The port of an address that says nothing yet (RFC 8839 section 4.3.1, RFC 8840 section 4.1.1).
const DISCARD: isize = 9;

/// The attributes that this module reads and writes.
const OURS: [&str; 8] = [
    "ice-ufrag",
    "ice-pwd",
    "ice-lite",
    "ice-options",
    "ice-pacing",
    "ice-mismatch",
    "candidate",
    "end-of-candidates",
];

/// Reads an offer or answer, within bounds: 64 KiB, 1,024 lines, 16 media sections.
///
/// # Errors
/// [`DescriptionError::TooLong`] or [`DescriptionError::NotSdp`].
#[cfg_attr(docsrs, doc(cfg(feature = "sdp")))]
pub fn parse_sdp(text: &str) -> Result<SessionDescription, DescriptionError> {
    let media = text.lines().filter(|line| line.starts_with("m="));
    if text.len() > MOST_BYTES
        || text.lines().count() > Description::MOST_LINES
        || media.count() > MOST_MEDIA
    {
        return Err(DescriptionError::TooLong);
    }
    // RFC 8866 demands CRLF, and the crate with it; what was edited by hand or passed through JSON often has LF.
    let mut lines = String::with_capacity(text.len() + 64);
    for line in text.lines() {
        lines.push_str(line);
        lines.push_str("\r\n");
    }
    SessionDescription::try_from(lines).map_err(|_| DescriptionError::NotSdp)
}

impl Description {
    /// What a session says of ICE for one media section, counted from 0. What the section does not say itself, the session says
    /// for all of them.
    ///
    /// ```
    /// use ice_lite::{Description, parse_sdp};
    ///
    /// let offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
    ///     m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
    ///     a=ice-ufrag:731c\r\na=ice-pwd:935448418aaf93b68e3745\r\na=ice-options:trickle\r\n";
    /// let mut session = parse_sdp(offer)?;
    /// let read = Description::from_sdp(&session, 0)?;
    /// assert_eq!(read.description.credentials.ufrag(), "731c");
    /// // And back, changed.
    /// read.description.write_sdp(&mut session, 0)?;
    /// assert!(session.marshal().contains("a=ice-ufrag:731c\r\n"));
    /// # Ok::<(), ice_lite::DescriptionError>(())
    /// ```
    ///
    /// # Errors
    /// [`DescriptionError`]; [`DescriptionError::NoMedia`] if there is no such section.
    #[cfg_attr(docsrs, doc(cfg(feature = "sdp")))]
    pub fn from_sdp(
        session: &SessionDescription,
        media: usize,
    ) -> Result<ReadDescription, DescriptionError> {
        let section = session.media_descriptions.get(media);
        let section = section.ok_or(DescriptionError::NoMedia)?;
        let attributes = session.attributes.iter().chain(&section.attributes);
        let lines: Vec<String> = attributes
            .filter(|attribute| OURS.contains(&attribute.key.as_str()))
            .map(Attribute::to_string)
            .collect();
        let mut read = Self::from_attributes(lines.iter().map(String::as_str))?;
        read.mismatch = is_mismatch(session, section, &read.description);
        Ok(read)
    }

    /// Writes the description into one media section, counted from 0, in place of what it says of ICE, and the default
    /// destination with it: that of the best UDP candidate that a peer without ICE could reach, relayed before reflexive before
    /// host, or the address that says nothing.
    ///
    /// # Errors
    /// [`DescriptionError::NoMedia`] if there is no such section.
    #[cfg_attr(docsrs, doc(cfg(feature = "sdp")))]
    pub fn write_sdp(
        &self,
        session: &mut SessionDescription,
        media: usize,
    ) -> Result<(), DescriptionError> {
        let foreign = |attribute: &Attribute| !OURS.contains(&attribute.key.as_str());
        let section = session.media_descriptions.get_mut(media);
        let section = section.ok_or(DescriptionError::NoMedia)?;
        section.attributes.retain(foreign);
        for line in self.attributes() {
            let (key, value) = line.split_once(':').unwrap_or((&line, ""));
            let attribute = Attribute {
                key: key.to_string(),
                value: (!value.is_empty()).then(|| value.to_string()),
            };
            // Being lite is a property of the session (RFC 8839 section 5.3).
            if key != "ice-lite" {
                section.attributes.push(attribute);
            }
        }
        self.write_default(section);
        session.attributes.retain(foreign);
        if self.lite {
            session.attributes.push(Attribute {
                key: "ice-lite".to_string(),
                value: None,
            });
        }
        Ok(())
    }

    fn write_default(&self, section: &mut MediaDescription) {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9);
        let default = self.default_destination().unwrap_or(nowhere);
        section.media_name.port.value = isize::try_from(default.port()).unwrap_or(DISCARD);
        section.connection_information = Some(ConnectionInformation {
            network_type: "IN".to_string(),
            address_type: family(default.ip()).to_string(),
            address: Some(Address {
                address: default.ip().to_string(),
                ttl: None,
                range: None,
            }),
        });
    }

    fn default_destination(&self) -> Option<SocketAddr> {
        let rank = |candidate: &Candidate| match candidate.kind {
            CandidateKind::Relayed => 2,
            CandidateKind::ServerReflexive | CandidateKind::PeerReflexive => 1,
            CandidateKind::Host => 0,
        };
        let udp = self.candidates.iter().filter(|candidate| {
            candidate.transport == Transport::Udp && candidate.address.ip().is_some()
        });
        let best = udp.max_by_key(|candidate| (rank(candidate), candidate.priority))?;
        best.address.ip()
    }
}

const fn family(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    }
}

/// Whether the default destination is no candidate, so that something on the way has changed it (RFC 8839 section 4.2.5).
fn is_mismatch(
    session: &SessionDescription,
    section: &MediaDescription,
    description: &Description,
) -> bool {
    let connection = section.connection_information.as_ref();
    let connection = connection.or(session.connection_information.as_ref());
    let address = connection.and_then(|connection| connection.address.as_ref());
    let Some(ip) = address.and_then(|address| address.address.parse::<IpAddr>().ok()) else {
        // A name, which browsers write beside names of multicast DNS.
        return false;
    };
    let port = section.media_name.port.value;
    if description.candidates.is_empty() || (ip.is_unspecified() && port == DISCARD) {
        return false;
    }
    !description.candidates.iter().any(|candidate| {
        isize::try_from(candidate.address.port()) == Ok(port)
            && match candidate.address {
                CandidateAddress::Ip(address) => address.ip() == ip,
                CandidateAddress::Name { .. } => true,
            }
    })
}
