//! The engine's own DTLS, in builds that have it: both roles, certificates, refusals, ends, compression inside.

use enet_proto::compress::Compression;
use gdwire::drive::{date, seed};
use gdwire::dtls::{Alert, DtlsClient, DtlsFailure, DtlsServer, DtlsStats, Identity};
use gdwire::{ClientConfig, DisconnectReason, Event, ServerConfig};
use interop::dtls::{Vault, has_openssl};
use interop::engine::{self, Ability, Engine};
use interop::exchange::exchange;
use interop::stage::{Ours, Stage, calls_node, client_config, peer_id, server_config};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How a test begins: with an engine that has DTLS, or not at all.
macro_rules! engine_with_dtls {
    () => {
        match engine::installed_with(Ability::Dtls) {
            Some(program) => program,
            None => return,
        }
    };
}

const NAME: &str = "game.example";

/// A certificate for [`NAME`], its key, and both as files.
struct Paper {
    identity: Identity,
    _vault: Vault,
    certificate: String,
    key: String,
}

impl Paper {
    fn new(vault: &str) -> Self {
        let identity = Identity::self_signed(NAME, date(), seed().unwrap());
        Self::of(vault, identity.unwrap())
    }

    fn of(vault: &str, identity: Identity) -> Self {
        let vault = Vault::new(vault);
        Self {
            certificate: vault.put("certificate.pem", &identity.certificate_pem()),
            key: vault.put("key.pem", &identity.key_pem()),
            identity,
            _vault: vault,
        }
    }

    fn trusting(&self, name: &str, date: SystemTime) -> DtlsClient {
        DtlsClient::new(&self.identity.certificate_pem(), name, date).unwrap()
    }

    /// What an engine that trusts this certificate is started with.
    fn for_client(&self, name: &str) -> [String; 2] {
        [
            format!("--dtls-cert={}", self.certificate),
            format!("--dtls-name={name}"),
        ]
    }

    fn server_config(&self) -> ServerConfig {
        let mut config = server_config();
        config.dtls = Some(DtlsServer::new(self.identity.clone()));
        config
    }

    /// A server of ours that shows it.
    fn serve(&self, program: &Path) -> Stage {
        self.serve_with(program, self.server_config())
    }

    fn serve_with(&self, program: &Path, config: ServerConfig) -> Stage {
        let mut stage = Stage::with_server(config, calls_node());
        stage.program = Some(program.to_owned());
        stage
    }

    /// An engine that shows it, with further options.
    fn engine(&self, program: &Path, options: &[&str]) -> Engine {
        let (certificate, key) = (
            format!("--dtls-cert={}", self.certificate),
            format!("--dtls-key={}", self.key),
        );
        Engine::server_in(program, &[&[&certificate[..], &key], options].concat())
    }
}

fn secured(dtls: DtlsClient) -> ClientConfig {
    let mut config = client_config();
    config.dtls = Some(dtls);
    config
}

/// A client of ours at `engine`, which is the first of its stage.
fn join(engine: Engine, config: ClientConfig) -> Stage {
    let mut stage = Stage::joining(config, calls_node(), engine.port());
    stage.engines.push(engine);
    stage
}

fn until_joined(stage: &mut Stage, id: i32) {
    stage.until("we are in the game", |stage| {
        stage.has_peer(1) && stage.engines[0].has_of("peer_connected", id)
    });
}

fn stats(stage: &mut Stage) -> DtlsStats {
    match stage.ours() {
        Ours::Server(driver) => driver.server().dtls_stats(),
        Ours::Client(driver) => driver.client().dtls_stats(),
    }
}

/// An engine that joins `stage` as `options` say; tells its place and its id.
fn joined(stage: &mut Stage, options: &[String]) -> (usize, i32) {
    let options: Vec<_> = options.iter().map(String::as_str).collect();
    stage.joined_engine(&options)
}

/// The next failed handshake that our server tells of.
fn next_failure(stage: &mut Stage) -> DtlsFailure {
    let find = |stage: &Stage| {
        stage.events.iter().find_map(|event| match event {
            Event::DtlsFailed { failure, .. } => Some(*failure),
            _ => None,
        })
    };
    stage.until("a handshake fails", |stage| find(stage).is_some());
    let failure = find(stage).expect("just seen");
    stage.events.clear();
    failure
}

#[test]
fn the_engine_plays_on_our_server_over_dtls() {
    let program = engine_with_dtls!();
    let paper = Paper::new("engine-as-client");
    let mut stage = paper.serve(&program);
    let (_, id) = joined(&mut stage, &paper.for_client(NAME));
    exchange(&mut stage, (1, id));
    let stats = stats(&mut stage);
    assert_eq!((stats.hellos, stats.handshakes, stats.opened), (1, 1, 1));
    assert_eq!((stats.plain, stats.failed), (0, 0));
    assert_eq!(stage.engines[0].noise(), "");
}

#[test]
fn our_client_plays_on_the_engine_over_dtls() {
    let program = engine_with_dtls!();
    let paper = Paper::new("engine-as-server");
    let engine = paper.engine(&program, &[]);
    let config = secured(paper.trusting(NAME, date()));
    let own = config.session.id.value();
    let mut stage = join(engine, config);
    until_joined(&mut stage, own);
    exchange(&mut stage, (own, 1));
    let stats = stats(&mut stage);
    assert_eq!((stats.handshakes, stats.opened), (1, 1));
    assert_eq!(stage.engines[0].noise(), "");
}

#[test]
fn both_play_compressed_over_dtls() {
    let program = engine_with_dtls!();
    let paper = Paper::new("compressed");
    let mut config = paper.server_config();
    config.enet.compression = Compression::RangeCoder;
    let mut stage = paper.serve_with(&program, config);
    let compress = "--compress=range-coder".to_owned();
    let options = [
        &paper.for_client(NAME)[..],
        core::slice::from_ref(&compress),
    ]
    .concat();
    let (_, id) = joined(&mut stage, &options);
    exchange(&mut stage, (1, id));
    assert!(stage.enet().stats().compressed_received > 0);

    let engine = paper.engine(&program, &[&compress]);
    let mut config = secured(paper.trusting(NAME, date()));
    config.enet.compression = Compression::RangeCoder;
    let own = config.session.id.value();
    let mut stage = join(engine, config);
    until_joined(&mut stage, own);
    exchange(&mut stage, (own, 1));
    assert!(stage.enet().stats().compressed_received > 0);
}

#[test]
fn the_engine_refuses_our_server_where_it_must_and_both_say_so() {
    let program = engine_with_dtls!();
    let (paper, other) = (Paper::new("refused"), Paper::new("refused-other"));
    let mut stage = paper.serve(&program);
    let unsafe_other = [&other.for_client(NAME)[..], &["--dtls-unsafe".to_owned()]].concat();
    for (options, alert) in [
        (other.for_client(NAME).to_vec(), 48),
        (paper.for_client("other.example").to_vec(), 42),
        // TLSOptions.client_unsafe with a certificate still insists on that one.
        (unsafe_other, 48),
    ] {
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let place = stage.engine(&options);
        let failure = next_failure(&mut stage);
        assert_eq!(failure, DtlsFailure::Alert(Alert(alert)), "{options:?}");
        stage.until("the engine gives up", |stage| {
            stage.engines[place].has("connection_failed")
        });
        let noise = stage.engines[place].noise();
        assert!(noise.contains("TLS handshake error"), "{noise}");
    }
}

#[test]
fn the_engine_refuses_certificates_of_ours_that_are_not_of_today() {
    let program = engine_with_dtls!();
    let years = |count: u64| Duration::from_secs(count * 365 * 24 * 3600);
    for (made, alert) in [(date() - years(20), 45), (date() + years(2), 46)] {
        let identity = Identity::self_signed(NAME, made, seed().unwrap()).unwrap();
        let paper = Paper::of(&format!("of-another-day-{alert}"), identity);
        let mut stage = paper.serve(&program);
        let options = paper.for_client(NAME);
        stage.engine(&[&options[0], &options[1]]);
        let failure = next_failure(&mut stage);
        assert_eq!(failure, DtlsFailure::Alert(Alert(alert)));
    }
}

/// A root, an authority that it has certified, and a server that this one has, with a key on P-384: `root.pem`,
/// `middle.pem`, `server.pem` and `server.key`.
fn chain(vault: &Vault) {
    for name in ["root", "middle", "server"] {
        vault.openssl(&format!(
            "ecparam -name secp384r1 -genkey -noout -out {name}.key"
        ));
    }
    vault.put("middle.ext", "basicConstraints=critical,CA:TRUE\n");
    vault.put("server.ext", "subjectAltName=DNS:game.example\n");
    vault.openssl("req -x509 -new -key root.key -sha384 -subj /CN=root -days 30 -out root.pem");
    for (name, issuer) in [("middle", "root"), ("server", "middle")] {
        vault.openssl(&format!(
            "req -new -key {name}.key -subj /CN={name} -out {name}.csr"
        ));
        vault.openssl(&format!(
            "x509 -req -in {name}.csr -CA {issuer}.pem -CAkey {issuer}.key -CAcreateserial -sha384 -days 30 -extfile {name}.ext -out {name}.pem"
        ));
    }
}

#[test]
fn who_trusts_the_nearest_authority_plays_and_the_root_alone_is_not_enough() {
    let program = engine_with_dtls!();
    if !has_openssl() {
        return;
    }
    let vault = Vault::new("chain");
    chain(&vault);
    let [root, middle, server] = ["root.pem", "middle.pem", "server.pem"].map(|it| vault.read(it));
    let both = vault.put("both.pem", &format!("{middle}{root}"));
    let whole = vault.put("whole.pem", &format!("{server}{middle}"));

    // Ours sends its own certificate alone.
    let identity = Identity::from_pem(&server, &vault.read("server.key")).unwrap();
    let mut config = server_config();
    config.dtls = Some(DtlsServer::new(identity));
    let mut stage = Stage::with_server(config, calls_node());
    stage.program = Some(program.clone());
    let name = format!("--dtls-name={NAME}");
    stage.joined_engine(&[&format!("--dtls-cert={both}"), &name]);
    let root_alone = format!("--dtls-cert={}", vault.path("root.pem"));
    stage.engine(&[&root_alone, &name]);
    let failure = next_failure(&mut stage);
    assert_eq!(failure, DtlsFailure::Alert(Alert(48)));

    // The engine sends what its file holds, and ours looks at the first one.
    let mut engine = Engine::server_in(
        &program,
        &[
            &format!("--dtls-cert={whole}"),
            &format!("--dtls-key={}", vault.path("server.key")),
        ],
    );
    let untrusted = DisconnectReason::Dtls(DtlsFailure::UntrustedCertificate);
    for (trusted, outcome) in [(&root, Some(untrusted)), (&middle, None)] {
        let config = secured(DtlsClient::new(trusted, NAME, date()).unwrap());
        let own = config.session.id.value();
        let mut stage = join(engine, config);
        if outcome.is_none() {
            until_joined(&mut stage, own);
        } else {
            stage.until("our client gives up", |stage| stage.over().is_some());
        }
        assert_eq!(stage.over(), outcome);
        engine = stage.engines.remove(0);
    }
}

#[test]
fn an_engine_that_is_not_particular_joins_our_server() {
    let program = engine_with_dtls!();
    let paper = Paper::new("not-particular");
    let mut stage = paper.serve(&program);
    let anybody = ["--dtls-unsafe".to_owned()];
    let any_name = [&paper.for_client("other.example")[..], &anybody].concat();
    let (one, first) = joined(&mut stage, &anybody);
    let (_, second) = joined(&mut stage, &any_name);
    stage.until("they see each other", |stage| {
        stage.engines[one].has_of("peer_connected", second)
    });
    // What is relayed goes through two sessions.
    stage.engines[one].rpc(second, "Calls", "reliable_on_0", "[4]");
    stage.until("the call is relayed", |stage| {
        !stage.engines[1].calls().is_empty()
    });
    assert_ne!(first, second);
}

#[test]
fn our_client_refuses_the_engine_where_it_must_and_says_why() {
    let program = engine_with_dtls!();
    let (paper, other) = (Paper::new("refusing"), Paper::new("refusing-other"));
    let mut engine = paper.engine(&program, &[]);
    let late = date() + Duration::from_secs(20 * 365 * 24 * 3600);
    let early = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for (dtls, failure) in [
        (
            paper.trusting("other.example", date()),
            DtlsFailure::WrongName,
        ),
        (
            other.trusting(NAME, date()),
            DtlsFailure::UntrustedCertificate,
        ),
        (paper.trusting(NAME, late), DtlsFailure::CertificateExpired),
        (
            paper.trusting(NAME, early),
            DtlsFailure::CertificateNotYetValid,
        ),
    ] {
        let mut stage = join(engine, secured(dtls));
        stage.until("our client gives up", |stage| stage.over().is_some());
        assert_eq!(stage.over(), Some(DisconnectReason::Dtls(failure)));
        engine = stage.engines.remove(0);
    }
    assert!(!engine.has("peer_connected"));
    // The engine is none the worse for it.
    let pem = paper.identity.certificate_pem();
    for dtls in [
        DtlsClient::with_any_name(&pem, date()).unwrap(),
        DtlsClient::accept_anybody(),
    ] {
        let config = secured(dtls);
        let own = config.session.id.value();
        let mut stage = join(engine, config);
        until_joined(&mut stage, own);
        engine = stage.engines.remove(0);
    }
}

#[test]
fn an_rsa_key_of_the_engine_has_nothing_in_common_with_us() {
    let program = engine_with_dtls!();
    let engine = Engine::server_in(&program, &[&format!("--dtls-rsa={NAME}")]);
    let mut stage = join(engine, secured(DtlsClient::accept_anybody()));
    stage.until("our client gives up", |stage| stage.over().is_some());
    let nothing = DisconnectReason::Dtls(DtlsFailure::NothingInCommon);
    assert_eq!(stage.over(), Some(nothing));
    assert!(nothing.to_string().contains("no RSA keys"));
}

#[test]
fn a_session_ends_with_the_game_whoever_ends_it() {
    let program = engine_with_dtls!();
    let paper = Paper::new("ends");
    let mut stage = paper.serve(&program);
    let (place, first) = joined(&mut stage, &paper.for_client(NAME));
    let address = |stage: &mut Stage, id| match stage.ours() {
        Ours::Server(driver) => driver
            .server()
            .peer_address(peer_id(id))
            .expect("it joined"),
        Ours::Client(_) => unreachable!("a server"),
    };
    let port = address(&mut stage, first).port();

    stage.engines[place].command(&json!({"do": "close"}));
    stage.until("both see the end", |stage| {
        stage.left(first).is_some() && stage.engines[place].has("disconnected")
    });
    assert_eq!(stage.left(first), Some(DisconnectReason::Remote));
    stage.engines[place].events.clear();
    stage.engines[place].command(&json!({"do": "join", "local_port": port}));
    stage.until("it joins again", |stage| {
        stage.engines[place].has("connected")
    });
    let second = stage.engines[place].id();
    stage.until("our server admits it", |stage| stage.has_peer(second));
    assert_eq!(address(&mut stage, second).port(), port);

    stage.kick(second);
    stage.until("the engine is out", |stage| {
        stage.engines[place].has("disconnected")
    });
    stage.engines[place].events.clear();
    stage.engines[place].command(&json!({"do": "join", "local_port": port}));
    stage.until("it joins a third time", |stage| {
        stage.engines[place].has("connected")
    });

    stage.engines[place].events.clear();
    stage.close();
    stage.until("the engine sees the server go", |stage| {
        stage.engines[place].has("disconnected")
    });
}

#[test]
fn a_session_with_the_engines_server_ends_with_the_game_whoever_ends_it() {
    let program = engine_with_dtls!();
    let paper = Paper::new("server-ends");
    let mut engine = paper.engine(&program, &[]);
    for _ in 0..2 {
        let config = secured(paper.trusting(NAME, date()));
        let own = config.session.id.value();
        let mut stage = join(engine, config);
        until_joined(&mut stage, own);
        stage.close();
        stage.until("both see the end", |stage| {
            stage.over().is_some() && stage.engines[0].has_of("peer_disconnected", own)
        });
        assert_eq!(stage.over(), Some(DisconnectReason::Local));
        engine = stage.engines.remove(0);
    }
    let config = secured(paper.trusting(NAME, date()));
    let own = config.session.id.value();
    let mut stage = join(engine, config);
    until_joined(&mut stage, own);
    stage.engines[0].command(&json!({"do": "close"}));
    stage.until("our client sees the end", |stage| stage.over().is_some());
    assert_eq!(stage.over(), Some(DisconnectReason::Remote));
}

#[test]
fn an_engine_that_dies_can_come_back_from_the_same_port() {
    let program = engine_with_dtls!();
    let paper = Paper::new("comes-back");
    let mut stage = paper.serve(&program);
    let (place, first) = joined(&mut stage, &paper.for_client(NAME));
    let port = match stage.ours() {
        Ours::Server(driver) => driver.server().peer_address(peer_id(first)),
        Ours::Client(_) => None,
    };
    stage.engines[place].kill();
    let local = format!("--local-port={}", port.expect("it joined").port());
    let options = [&paper.for_client(NAME)[..], &[local]].concat();
    let (_, second) = joined(&mut stage, &options);
    stage.until("the dead one is missed", |stage| {
        stage.left(first).is_some()
    });
    assert_eq!(stage.left(second), None);
    stage.engines.remove(0);
    exchange(&mut stage, (1, second));
}

#[test]
fn who_has_no_dtls_does_not_disturb_those_who_have() {
    let program = engine_with_dtls!();
    let paper = Paper::new("plain");
    let mut stage = paper.serve(&program);
    let plain = stage.engine(&[]);
    stage.until("it knocks", |stage| stats(stage).plain >= 2);
    let (_, id) = joined(&mut stage, &paper.for_client(NAME));
    assert!(stage.has_peer(id) && !stage.engines[plain].has("connected"));

    let engine = paper.engine(&program, &[]);
    let mut unheard = Stage::joining(client_config(), calls_node(), engine.port());
    unheard.play(Duration::from_secs(1));
    let config = secured(paper.trusting(NAME, date()));
    let own = config.session.id.value();
    let mut stage = join(engine, config);
    until_joined(&mut stage, own);
    assert!(
        !unheard
            .events
            .iter()
            .any(|event| matches!(event, Event::Connected { .. }))
    );
}
