//! The text form of certificates and keys (RFC 7468).

use x509_cert::der::Document;
use x509_cert::der::pem::LineEnding;

/// What stands in `text` under `label`, block by block; text around the blocks is skipped.
pub(super) fn decode<'a>(
    label: &str,
    text: &'a str,
) -> impl Iterator<Item = Result<Vec<u8>, x509_cert::der::Error>> + use<'a> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut rest = text;
    core::iter::from_fn(move || {
        let block = rest.get(rest.find(&begin)?..)?;
        let length = block.find(&end)? + end.len();
        let (block, after) = block.split_at_checked(length)?;
        rest = after;
        Some(Document::from_pem(block).map(|(_, document)| document.into_vec()))
    })
}

/// `der` as text.
pub(super) fn encode(label: &'static str, der: &[u8]) -> String {
    // What was read or made here is DER, and shorter than a document may be.
    Document::try_from(der)
        .and_then(|document| document.to_pem(label, LineEnding::LF))
        .unwrap_or_default()
}
