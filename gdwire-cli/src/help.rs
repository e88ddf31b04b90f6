//! What `gdwire help` says beyond the options: examples, and the fields of the JSON lines.

/// Behind `gdwire help`.
pub(crate) const ROOT: &str = "\
Examples:
  gdwire demo                                    play a session over loopback and see what works
  gdwire host 'enet://*:9000' --rpc Main:hello   host a game; commands and events are JSON lines
  gdwire connect enet://127.0.0.1:9000 --rpc Main:hello
  gdwire project game/                           RPC ids, checksums and synchronized properties of a project
  gdwire swarm enet://127.0.0.1:9000 --clients 200 --for 30
  gdwire nat stun.example.org                    what the NATs on the way do, and who can reach whom
  gdwire serve --stun 3478                       a STUN server, with metrics over HTTP

Exit codes: 0 done; 1 it ran and failed (refused, timed out); 2 the arguments are wrong.

JSON lines of `connect` and `host`
  Commands are read from standard input, one object a line:
    {\"do\":\"rpc\",\"peer\":0,\"node\":\"Main\",\"method\":\"hello\",\"args\":[1,\"two\"]}
                      peer: 0 all, N one, -N all but N; args may be left out
    {\"do\":\"send\",\"peer\":0,\"hex\":\"00ff\",\"mode\":\"reliable\",\"channel\":0}
                      mode: reliable (default), unreliable, unreliable_ordered; channel: 0 to 253
    {\"do\":\"spawn\",\"spawner\":\"Main/Spawner\",\"scene\":\"res://unit.tscn\",\"name\":\"A\",\"properties\":{\"hp\":30}}
                      scene: a resource path or its place in the spawner's list; or custom: the argument of a
                      custom spawn; properties and authority (a peer) may be left out
    {\"do\":\"despawn\",\"node\":\"Main/Units/A\"}
    {\"do\":\"set\",\"node\":\"Main/Units/A\",\"properties\":{\"hp\":29,\"Body:position\":{\"gd\":\"Vector2(1, 2)\"}}}
    {\"do\":\"visibility\",\"node\":\"Main/Units/A\",\"peer\":N,\"visible\":false}     peer: 0 all who are not named
    {\"do\":\"authority\",\"node\":\"Main/Units/A\",\"peer\":N}     of this side only, as in the engine
    {\"do\":\"relevant\",\"peer\":N,\"nodes\":[\"Main/Units/A\"]}     of all with --filtered the peer sees these
    {\"do\":\"budget\",\"peer\":N,\"bytes\":1200}     most that replication sends a frame; null: no limit
    {\"do\":\"priority\",\"node\":\"Main/Units/A\",\"priority\":4}     how fast it grows urgent under a budget; 1 without
    {\"do\":\"kick\",\"peer\":N}   {\"do\":\"stats\"}   {\"do\":\"quit\"}
  Events are written to standard output:
    listening           address, id (host); one for each listener; certificate (PEM) if dtls=1 made one
    mapped              internal, external, by (pcp, nat_pmp, upnp), lease_s (null: without end); with --map, again when
                        the gateway moves the port
    map_failed, map_lost   reason; the game goes on
    connected           id (own), path (direct)
    connection_failed   reason
    peer_connected      peer
    peer_disconnected   peer, reason
    authenticating      peer, hex (what it sent; empty when it begins)
    auth_failed         peer, hex (what it sent last), reason
    rpc                 peer, node, method, args, channel, mode
    packet              peer, hex, channel, mode
    spawned             peer, node, scene or custom (the argument), net_id, properties (path to value);
                        for a spawn command too, with the own id; net_id is null before a peer is told
    despawned           peer, node; for a despawn command too
    sync                peer, node, synchronizer, properties (path to value), delta (whether it has only what
                        changed), time (the sender's count of frames, null in a delta)
    stats               peers: list of peer, round_trip_ms, loss (0 to 1), queued_bytes, queued_packets,
                        bytes_in, bytes_out, packets_in, packets_out
    report              all peers together since the start: peers (now), memory_bytes (of the process, now; null where
                        the system does not tell), bytes_in, bytes_out, datagrams_in, datagrams_out, resent (reliable
                        commands), dropped (datagrams and commands without effect), refused_packets (of the session),
                        echoed and not_echoed (calls of --echo)
    error               kind, message, and peer or line (number of the input line) where known;
                        kinds: command, method_mismatch, refused, send, spawn, state, auth, resolve, dtls; those that
                        strangers can cause come once a second and tell how many did not
    disconnected        reason (the last line)
  Reasons: remote, local, timeout, refused, handshake_failed, receive_limit, send_limit, relay_budget,
    spawn_limit, held_too_much, peer_limit, left_server, auth_refused, auth_timeout, auth_too_large, auth_ended, unresolved;
    dtls_refused, dtls_untrusted, dtls_wrong_name, dtls_expired, dtls_not_yet_valid, dtls_bad_certificate,
    dtls_unsupported_certificate, dtls_nothing_in_common, dtls_timeout, dtls_failed;
    at the own end of a session: quit, interrupted, terminated, time.
  Values: null, booleans, integers, floats (always with a point or an exponent), strings, arrays, and
    dictionaries with string keys are JSON. Every other value is an object with the one key gd and the
    text of Godot's var_to_str: {\"gd\":\"Vector3(1, 2, 3)\"}, {\"gd\":\"&\\\"name\\\"\"}, {\"gd\":\"nan\"}.";

/// Behind `gdwire connect --help`.
pub(crate) const CONNECT: &str = "\
Examples:
  gdwire connect enet://127.0.0.1:9000 --rpc Main:hello:any_peer --for 10
  echo '{\"do\":\"rpc\",\"peer\":1,\"node\":\"Main\",\"method\":\"hello\",\"args\":[\"hi\"]}' |
    gdwire connect enet://game.example:9000 --rpc Main:hello --auth c0ffee --for 3
  gdwire connect 'enet://game.example:9000?dtls=1' --dtls-ca certificate.pem

With --project the nodes, scenes and synchronizers of a Godot project are known; what its scripts do is said by
hand: --main-scene and --instance for scenes that they bring in, --custom for spawn functions,
--owner-from-name for set_multiplayer_authority(name.to_int()), --filtered for visibility filters.

MODE of compress is what the host has (Godot: peer.host.compress): none, range-coder, fastlz, zlib or zstd.

`gdwire help` lists the JSON fields.";

/// Behind `gdwire host --help`.
pub(crate) const HOST: &str = "\
Examples:
  gdwire host 'enet://*:9000' --rpc Main:hello --rpc Main:moved:authority:unreliable_ordered:1
  gdwire host enet://127.0.0.1:0 --auth c0ffee --stats 1 --for 60
  gdwire host 'enet://*:9000' --project game/
  gdwire host 'enet://*:9000' --spawner Main/Spawner=../Units,res://unit.tscn \\
    --sync res://unit.tscn#Sync=position,hp@on_change

  gdwire host 'enet://*:9000' --rpc Main:ping --echo --no-relay --max-clients 4095 --report 10

  gdwire host 'enet://*:9000' --map                 friends join at what the mapped event says

  gdwire host 'enet://*:9000?dtls=1' --dtls-cert certificate.pem --dtls-key key.pem

With dtls=1 and no certificate one is made, and shown in the listening event for clients to trust.
The host part of the URL is the address to bind, * for all; port 0 takes any free one.
MODE of compress is that of every client: none, range-coder, fastlz, zlib or zstd.
`gdwire help` lists the JSON fields.";

/// Behind `gdwire nat --help`.
pub(crate) const NAT: &str = "\
Examples:
  gdwire nat stun.example.org
  gdwire nat 203.0.113.1:3478 --lifetime
  gdwire nat stun.example.org --json > mine.json     and on the other player's machine
  gdwire nat stun.example.org --peer mine.json
  gdwire nat --map 9000                              opens UDP port 9000 of a home until Ctrl-C

Names are looked up as hosts; SRV records are not. The server sees nothing but the requests of RFC 5780.
Exit code 1: no answer came over UDP, so it is blocked or the server is down; with --map, no port was opened, or it
was lost again.

Fields of --json: server, blocked, local, mapped, mapped_tcp, other (the server's second address), translated,
mapping and filtering (endpoint_independent, address_dependent, address_and_port_dependent), type (open, moderate,
strict), classic, hairpin (none, internal_source, external_source), fragments (pass, lost), ports (pattern, delta,
jitter, confidence in percent, pooling, block, samples), lifetime (at_least_s, less_than_s), rtt_ms, oddities,
predictions (peer, path, percent, words). What is not known is null.

With --map PCP and NAT-PMP are tried first, UPnP where neither is answered. The mapping is given back at the end.
Events of --map --json: mapped (internal, external, by: pcp, nat_pmp or upnp; lease_s, null is without end), map_lost,
map_failed (reason), stopped (reason).";

/// Behind `gdwire serve --help`.
pub(crate) const SERVE: &str = "\
Examples:
  gdwire serve                                       STUN on port 3478, metrics on http://localhost:8080/metrics
  gdwire serve --bind 203.0.113.1 --stun-alternate 203.0.113.2:3479     NAT discovery too
  gdwire serve --bind 127.0.0.1 --stun 0 --http 0 --json --for 60

NAT discovery needs a second address of this machine and a second port; answers may then go to another port than
they were asked from, within the same rates. Loopback is not limited. Ctrl-C and SIGTERM stop it.

Events of --json: listening (service, address), stopped (service, reason).
Metrics: gdwire_build_info, and with the prefix gdwire_stun_: answered_total, reflected_total, errors_total by code,
bytes_total by direction, dropped_total by reason, unsent_total, connections, connections_total by outcome.";

/// Behind `gdwire swarm --help`.
pub(crate) const SWARM: &str = "\
Examples:
  gdwire swarm enet://127.0.0.1:9000 --clients 200 --for 30
  gdwire swarm enet://127.0.0.1:9000 --clients 1000 --rpc Main:ping --rate 10 --for 30 --json
  gdwire swarm enet://127.0.0.1:9000 enet://127.0.0.1:9001 --clients 8000 --frame 0.05 --no-relay

Exit code 1: a client could not join, or was lost before the end.

Fields of --json: clients, threads, joined, failed, failed_by_reason, lost, lost_by_reason, seconds, joining_ms,
round_trip_source (rpc or enet), round_trip_ms (both: samples, p50, p90, p99, max), calls_sent, calls_answered,
calls_unanswered (after a pause of up to 5 s for the last ones, where there are answers), calls_refused,
rpcs_received, packets_received, spawns, despawns, syncs, deltas, dropped, method_mismatches, bytes_in, bytes_out,
bytes_in_per_second, bytes_out_per_second, datagrams_in, datagrams_out, resent (reliable commands sent again),
discarded (unreliable packets), loss_mean and loss_worst (0 to 1, ENet's figures), memory_bytes_when_joined and
memory_bytes (of this process, when the last client had joined and at the end; null where the system does not tell).";

/// Behind `gdwire demo --help`.
pub(crate) const DEMO: &str = "\
Examples:
  gdwire demo
  gdwire demo dedicated --godot /usr/bin/godot --json";

/// Behind `gdwire project --help`.
pub(crate) const PROJECT: &str = "\
Examples:
  gdwire project game/
  gdwire project game/ --json | jq '.nodes[] | select(.rpcs != []) | {path, checksum}'

Reads project.godot, scenes, resources and GDScript as text; no engine is needed. What only the
engine can know is listed under warnings, with file and line. A file that cannot be read is an
error with exit code 2.";
