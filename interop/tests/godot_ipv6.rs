//! The engine's own IPv6, in builds that have it: both roles, both families in one game, DTLS over it.

use gdwire::ClientConfig;
use gdwire::drive::{date, seed};
use gdwire::dtls::{DtlsClient, DtlsServer, Identity};
use interop::dtls::Vault;
use interop::engine::{self, Ability, Engine};
use interop::exchange::exchange;
use interop::stage::{Ours, Stage, calls_node, client_config, peer_id, server_config};
use std::net::{IpAddr, Ipv6Addr};

/// How a test begins: with an engine that has this, or not at all.
macro_rules! engine_with {
    ($ability:ident) => {
        match engine::installed_with(Ability::$ability) {
            Some(program) => program,
            None => return,
        }
    };
}

const SIX: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const ALL: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// A client of ours in the game of an engine that it reaches over IPv6, and its number.
fn joined(engine: Engine, config: ClientConfig) -> (Stage, i32) {
    let own = config.session.id.value();
    let mut stage = Stage::joining_at((SIX, engine.port()).into(), config, calls_node());
    stage.engines.push(engine);
    stage.until("we are in the game", |stage| {
        stage.has_peer(1) && stage.engines[0].has_of("peer_connected", own)
    });
    (stage, own)
}

/// Where our server sees a peer.
fn seen_at(stage: &mut Stage, peer: i32) -> Option<IpAddr> {
    match stage.ours() {
        Ours::Server(driver) => driver.server().peer_address(peer_id(peer)),
        Ours::Client(_) => None,
    }
    .map(|address| address.ip())
}

#[test]
fn the_engine_plays_on_our_server_over_ipv6() {
    let program = engine_with!(Ipv6);
    let mut stage = Stage::serving_at(SIX, server_config());
    stage.program = Some(program);
    let (_, id) = stage.joined_engine(&["--address=::1"]);
    assert_eq!(seen_at(&mut stage, id), Some(SIX));
    exchange(&mut stage, (1, id));
    assert_eq!(stage.engines[0].noise(), "");
}

#[test]
fn engines_over_both_families_play_on_one_socket_of_ours() {
    let program = engine_with!(Ipv6);
    let mut stage = Stage::serving_at(ALL, server_config());
    stage.program = Some(program);
    let (six, over_six) = stage.joined_engine(&["--address=::1"]);
    let (four, over_four) = stage.joined_engine(&["--address=127.0.0.1"]);
    assert_eq!(seen_at(&mut stage, over_six), Some(SIX));
    assert_eq!(
        seen_at(&mut stage, over_four),
        Some("127.0.0.1".parse().unwrap())
    );
    stage.until("they see each other", |stage| {
        let sees = |at: usize, other| stage.engines[at].has_of("peer_connected", other);
        sees(six, over_four) && sees(four, over_six)
    });
    stage.engines[six].rpc(over_four, "Calls", "reliable_on_0", "[4]");
    stage.engines[four].rpc(over_six, "Calls", "reliable_on_1", "[6]");
    stage.until("calls are relayed", |stage| {
        stage
            .engines
            .iter()
            .all(|engine| !engine.calls().is_empty())
    });
    exchange(&mut stage, (1, over_six));
}

#[test]
fn our_client_plays_on_the_engine_over_ipv6() {
    let program = engine_with!(Ipv6);
    // Its socket for one address, and for all of both families.
    for bind in ["--bind=::1", "--bind=*"] {
        let engine = Engine::server_in(&program, &[bind]);
        let (mut stage, own) = joined(engine, client_config());
        exchange(&mut stage, (own, 1));
        assert_eq!(stage.engines[0].noise(), "");
    }
}

#[test]
fn our_clients_over_both_families_meet_on_the_engine() {
    let program = engine_with!(Ipv6);
    let engine = Engine::server_in(&program, &["--bind=*"]);
    let port = engine.port();
    let configs = [client_config(), client_config()];
    let ids = [0, 1].map(|at: usize| configs[at].session.id.value());
    let [four, six] = configs;
    let mut over_four = Stage::joining(four, calls_node(), port);
    let mut over_six = Stage::joining_at((SIX, port).into(), six, calls_node());
    over_four.engines.push(engine);
    over_four.until("they meet", |stage| {
        over_six.turn();
        stage.has_peer(ids[1]) && over_six.has_peer(ids[0])
    });
    over_four.call(peer_id(ids[1]), "reliable_on_0", &["four".into()]);
    over_six.call(peer_id(ids[0]), "reliable_on_0", &["six".into()]);
    over_four.until("calls are relayed", |stage| {
        over_six.turn();
        stage.calls().count() == 1 && over_six.calls().count() == 1
    });
}

#[test]
fn dtls_works_over_ipv6_in_both_roles() {
    let program = engine_with!(Dtls);
    let vault = Vault::new("dtls-over-six");
    let identity = Identity::self_signed("::1", date(), seed().unwrap()).unwrap();
    let certificate = vault.put("certificate.pem", &identity.certificate_pem());
    let key = vault.put("key.pem", &identity.key_pem());
    let (certificate, key) = (
        format!("--dtls-cert={certificate}"),
        format!("--dtls-key={key}"),
    );

    let mut config = server_config();
    config.dtls = Some(DtlsServer::new(identity.clone()));
    let mut stage = Stage::serving_at(ALL, config);
    stage.program = Some(program.clone());
    let (_, id) = stage.joined_engine(&["--address=::1", &certificate, "--dtls-name=::1"]);
    exchange(&mut stage, (1, id));

    let engine = Engine::server_in(&program, &["--bind=::1", &certificate, &key]);
    let mut config = client_config();
    let trusting = DtlsClient::new(&identity.certificate_pem(), "::1", date());
    config.dtls = Some(trusting.unwrap());
    let (mut stage, own) = joined(engine, config);
    exchange(&mut stage, (own, 1));
}
