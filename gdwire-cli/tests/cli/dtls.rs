//! `dtls=1` over loopback: certificates made and given, refusals with a reason.

use crate::common::{Gdwire, run};
use serde_json::json;

/// A directory of this process that goes with the value.
struct Vault(std::path::PathBuf);

impl Vault {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gdwire-cli-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn put(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A host with DTLS: itself, the URL for clients, its certificate.
fn host(arguments: &[&str]) -> (Gdwire, String, Option<String>) {
    let mut all = vec!["host", "enet://127.0.0.1:0?dtls=1", "--rpc", "Main:hello"];
    all.extend(arguments);
    let host = Gdwire::start(&all);
    let listening = host.expect("listening");
    let address = listening["address"].as_str().unwrap();
    let certificate = listening["certificate"].as_str().map(str::to_owned);
    (host, format!("enet://{address}?dtls=1"), certificate)
}

#[test]
fn a_host_shows_the_certificate_that_it_made_and_a_client_trusts_it() {
    let vault = Vault::new("made");
    let (host, url, certificate) = host(&[]);
    let trusted = vault.put("trusted.pem", &certificate.unwrap());
    let (mut client, id) = Gdwire::join(&url, &["--rpc", "Main:hello", "--dtls-ca", &trusted]);
    client
        .say(r#"{"do": "rpc", "peer": 1, "node": "Main", "method": "hello", "args": ["sealed"]}"#);
    assert_eq!(
        host.expect("rpc"),
        json!({"event": "rpc", "peer": id, "node": "Main", "method": "hello", "args": ["sealed"],
               "channel": 0, "mode": "reliable"})
    );

    let (code, output, _) = run(&[
        "connect",
        &url,
        "--dtls-ca",
        &trusted,
        "--dtls-name",
        "other.example",
        "--for",
        "20",
    ]);
    assert_eq!(code, Some(1));
    assert!(output.contains("dtls_wrong_name"), "{output}");
    let refused = host.expect("error");
    assert_eq!(refused["kind"], "dtls");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("bad certificate"), "{message}");
}

#[test]
fn a_host_takes_a_certificate_and_a_key_from_files() {
    use gdwire::drive;
    use gdwire::dtls::Identity;
    let vault = Vault::new("given");
    let identity = Identity::self_signed("game.example", drive::date(), drive::seed().unwrap());
    let identity = identity.unwrap();
    let certificate = vault.put("certificate.pem", &identity.certificate_pem());
    let key = vault.put("key.pem", &identity.key_pem());
    let (_host, url, shown) = host(&["--dtls-cert", &certificate, "--dtls-key", &key]);
    assert_eq!(shown, None);
    let named = ["--dtls-ca", &certificate, "--dtls-name", "game.example"];
    let (_client, _) = Gdwire::join(&url, &named);
    let (_anybody, _) = Gdwire::join(&url, &["--dtls-unsafe"]);

    let (code, output, _) = run(&[
        "swarm",
        &url,
        "--clients",
        "3",
        "--dtls-unsafe",
        "--for",
        "2",
        "--json",
    ]);
    assert_eq!(code, Some(0), "{output}");
}

#[test]
fn wrong_options_for_dtls_say_what_is_wrong() {
    let vault = Vault::new("wrong");
    let empty = vault.put("empty.pem", "nothing");
    for (arguments, part) in [
        (&["connect", "enet://127.0.0.1:1?dtls=1"][..], "--dtls-ca"),
        (
            &["connect", "enet://127.0.0.1:1", "--dtls-unsafe"],
            "lacks dtls=1",
        ),
        (
            &["connect", "enet://127.0.0.1:1?dtls=1", "--dtls-ca", &empty],
            "no certificate",
        ),
        (
            &[
                "connect",
                "enet://127.0.0.1:1?dtls=1",
                "--dtls-ca",
                "/nowhere",
            ],
            "/nowhere",
        ),
        (
            &["host", "enet://*:0?dtls=1", "--dtls-cert", &empty],
            "--dtls-key",
        ),
        (
            &[
                "host",
                "enet://*:0",
                "--dtls-cert",
                &empty,
                "--dtls-key",
                &empty,
            ],
            "lacks dtls=1",
        ),
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(part), "{error}");
    }
}
