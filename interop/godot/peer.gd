## A multiplayer peer that reads commands from standard input and writes events to standard output,
## one JSON object per line. README.md lists both.
extends Node

## Longer argument lists are reported as length and hash.
const LONGEST_TEXT := 4000

const MODES := {
	"reliable": MultiplayerPeer.TRANSFER_MODE_RELIABLE,
	"unreliable_ordered": MultiplayerPeer.TRANSFER_MODE_UNRELIABLE_ORDERED,
	"unreliable": MultiplayerPeer.TRANSFER_MODE_UNRELIABLE,
}

const COMPRESSIONS := {
	"range-coder": ENetConnection.COMPRESS_RANGE_CODER,
	"fastlz": ENetConnection.COMPRESS_FASTLZ,
	"zlib": ENetConnection.COMPRESS_ZLIB,
	"zstd": ENetConnection.COMPRESS_ZSTD,
}

## What the same compressors are called where files are.
const FILE_COMPRESSIONS := {
	"fastlz": FileAccess.COMPRESSION_FASTLZ,
	"zlib": FileAccess.COMPRESSION_DEFLATE,
	"zstd": FileAccess.COMPRESSION_ZSTD,
}

var _options: Dictionary = {}
var _input: Thread
var _scene_multiplayer: SceneMultiplayer
var _enet: ENetMultiplayerPeer
var _arena: Node


func _ready() -> void:
	for argument in OS.get_cmdline_user_args():
		var parts := argument.trim_prefix("--").split("=", true, 1)
		_options[parts[0]] = parts[1] if parts.size() > 1 else ""
	if _options.has("abilities"):
		_report_abilities()
		_quit(0)
		return
	if _options.has("arena"):
		_arena = (load("res://arena.tscn") as PackedScene).instantiate()
		add_child(_arena)
	if _options.has("other-calls"):
		$Calls.set_script(load("res://other_calls.gd"))
	$Calls.called.connect(_on_called.bind("Peer/Calls"))
	$Echo.judged.connect(func(value_name: String, difference: String) -> void:
		_report("echo", {"name": value_name, "difference": difference}))
	$Echo.finished.connect(func(same: int, different: int) -> void:
		_report("echo_finished", {"same": same, "different": different}))
	_scene_multiplayer = multiplayer as SceneMultiplayer
	_connect_signals()
	if _options.has("max-sync"):
		_scene_multiplayer.max_sync_packet_size = int(_options["max-sync"])
	if _options.has("auth"):
		_scene_multiplayer.auth_callback = _on_auth
		_scene_multiplayer.auth_timeout = float(_options.get("auth-timeout", "3"))
	_start()
	_input = Thread.new()
	_input.start(_read_input)
	if _options.has("for"):
		get_tree().create_timer(float(_options["for"])).timeout.connect(_quit.bind(0))


func _connect_signals() -> void:
	multiplayer.connected_to_server.connect(func() -> void:
		_report("connected", {"id": multiplayer.get_unique_id()}))
	multiplayer.connection_failed.connect(func() -> void: _report("connection_failed", {}))
	multiplayer.server_disconnected.connect(func() -> void: _report("disconnected", {}))
	multiplayer.peer_connected.connect(func(peer: int) -> void: _report("peer_connected", {"peer": peer}))
	multiplayer.peer_disconnected.connect(func(peer: int) -> void: _report("peer_disconnected", {"peer": peer}))
	_scene_multiplayer.peer_packet.connect(func(peer: int, packet: PackedByteArray) -> void:
		_report("packet", {"peer": peer, "hex": packet.hex_encode()}))
	_scene_multiplayer.peer_authenticating.connect(_on_authenticating)
	_scene_multiplayer.peer_authentication_failed.connect(func(peer: int) -> void:
		_report("auth_failed", {"peer": peer}))


func _start() -> void:
	var port := int(_options.get("port", "0"))
	var channels := int(_options.get("channels", "0"))
	_enet = ENetMultiplayerPeer.new()
	var result: Error
	if _options.get("role", "client") == "server":
		_enet.set_bind_ip(_options.get("bind", "127.0.0.1"))
		result = _enet.create_server(port, int(_options.get("clients", "32")), channels)
	else:
		result = _enet.create_client(_options.get("address", "127.0.0.1"), port, channels, 0, 0,
				int(_options.get("local-port", "0")))
	if result != OK:
		_report("error", {"message": "cannot open: %s" % error_string(result)})
		_quit(1)
		return
	if _has_dtls() and not _set_up_dtls():
		_report("dtls_unavailable", {})
		_quit(1)
		return
	if _options.has("compress"):
		_enet.host.compress(COMPRESSIONS[_options["compress"]])
	multiplayer.multiplayer_peer = _enet
	# A client with DTLS has no port before it has sent something.
	var own_port := _enet.host.get_local_port() if multiplayer.is_server() else 0
	_report("listening", {"id": multiplayer.get_unique_id(), "port": own_port})


func _has_dtls() -> bool:
	return _options.has("dtls-cert") or _options.has("dtls-unsafe") or _options.has("dtls-rsa")


## DTLS with the certificate of the server, which also is what a client trusts.
func _set_up_dtls() -> bool:
	var certificate: X509Certificate
	if _options.has("dtls-cert"):
		certificate = X509Certificate.new()
		certificate.load(_options["dtls-cert"])
	if _options.get("role", "client") != "server":
		var options := TLSOptions.client(certificate)
		if _options.has("dtls-unsafe"):
			options = TLSOptions.client_unsafe(certificate)
		return _enet.host.dtls_client_setup(_options.get("dtls-name", ""), options) == OK
	var key := CryptoKey.new()
	if _options.has("dtls-rsa"):
		# As the documentation of Crypto shows it.
		var crypto := Crypto.new()
		key = crypto.generate_rsa(2048)
		certificate = crypto.generate_self_signed_certificate(key, "CN=%s,O=gdwire,C=IT" % _options["dtls-rsa"])
	else:
		key.load(_options["dtls-key"])
	return _enet.host.dtls_server_setup(TLSOptions.server(key, certificate)) == OK


## What only an engine with its own ENet can do.
func _report_abilities() -> void:
	var over_six := ENetConnection.new()
	var has_ipv6 := over_six.create_host_bound("::1", 0, 1) == OK
	var secured := ENetConnection.new()
	var has_dtls := secured.create_host(1) == OK \
			and secured.dtls_client_setup("", TLSOptions.client_unsafe()) == OK
	_report("abilities", {"dtls": has_dtls, "ipv6": has_ipv6})


func _on_called(method: String, arguments: Array, node: String) -> void:
	var fields := {"peer": multiplayer.get_remote_sender_id(), "node": node, "method": method}
	var text := var_to_str(arguments)
	if text.length() > LONGEST_TEXT:
		fields["bytes"] = var_to_bytes(arguments).size()
		fields["sha256"] = Marshalls.raw_to_base64(var_to_bytes(arguments)).sha256_text()
	else:
		fields["args"] = text
	_report("rpc", fields)


## A client sends its token and is done; a server waits for the right token. `--auth=` sends nothing at all.
func _on_authenticating(peer: int) -> void:
	_report("authenticating", {"peer": peer})
	if _options.get("role", "client") == "client" and _options["auth"] != "":
		_scene_multiplayer.send_auth(peer, (_options["auth"] as String).hex_decode())
		if not _options.has("auth-answer"):
			_scene_multiplayer.complete_auth(peer)


func _on_auth(peer: int, data: PackedByteArray) -> void:
	_report("auth", {"peer": peer, "hex": data.hex_encode()})
	if _options.get("role", "client") == "client":
		_scene_multiplayer.complete_auth(peer)
		return
	if data.hex_encode() == _options["auth"]:
		_scene_multiplayer.complete_auth(peer)
	else:
		_scene_multiplayer.disconnect_peer(peer)


func _read_input() -> void:
	while true:
		var line := OS.read_string_from_stdin(1 << 16).strip_edges()
		var command: Variant = JSON.parse_string(line) if not line.is_empty() else {"do": "quit"}
		if not command is Dictionary:
			command = {"do": line}
		_obey.call_deferred(command)
		# A thread that waits for input would keep the program from ending.
		if command.get("do", "") == "quit":
			return


func _obey(command: Dictionary) -> void:
	var peer := int(command.get("peer", 0))
	var result: Variant = OK
	match command.get("do", ""):
		"rpc":
			var target := get_node(NodePath(command["node"]))
			var arguments: Array = str_to_var(command.get("args", "[]"))
			result = target.callv("rpc_id", [peer, StringName(command["method"])] + arguments)
		"send":
			var bytes := (command["hex"] as String).hex_decode()
			result = _scene_multiplayer.send_bytes(
					bytes, peer, MODES[command.get("mode", "reliable")], int(command.get("channel", 0)))
		"echo":
			$Echo.ask_everything(peer)
		"kick":
			_scene_multiplayer.disconnect_peer(peer)
		"close":
			_enet.close()
		"join":
			# Again, from a port of its own choice.
			_options["local-port"] = str(command.get("local_port", 0))
			_start()
		"free_calls":
			$Calls.queue_free()
		"state":
			_report("state", {
				"id": multiplayer.get_unique_id(),
				"status": _enet.get_connection_status(),
				"peers": Array(multiplayer.get_peers()),
			})
		"compress":
			var packed := (command["hex"] as String).hex_decode().compress(FILE_COMPRESSIONS[command["mode"]])
			_report("compressed", {"hex": packed.hex_encode()})
		"decompress":
			var plain := (command["hex"] as String).hex_decode().decompress(
					int(command["size"]), FILE_COMPRESSIONS[command["mode"]])
			_report("decompressed", {"hex": plain.hex_encode()})
		"quit":
			_quit(0)
		_:
			if _arena == null or not _arena.obey(command):
				result = ERR_INVALID_PARAMETER
	if result != OK:
		_report("error", {"message": "%s: %s" % [command, error_string(result)]})


func _exit_tree() -> void:
	if _input != null and not _input.is_alive():
		_input.wait_to_finish()


## Tells of a call that a node of the arena got.
func report_call(node: Node, method: String, arguments: Array) -> void:
	_on_called(method, arguments, str(node.get_path()).trim_prefix("/root/"))


## Tells of anything else in the arena.
func report_event(event: String, fields: Dictionary) -> void:
	_report(event, fields)


func _report(event: String, fields: Dictionary) -> void:
	var line := {"event": event}
	line.merge(fields)
	print(JSON.stringify(line, "", false))


func _quit(code: int) -> void:
	if multiplayer.multiplayer_peer is ENetMultiplayerPeer:
		_enet.close()
	get_tree().quit(code)
