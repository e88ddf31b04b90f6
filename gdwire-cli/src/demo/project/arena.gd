# A player of `gdwire demo` in a real engine. The arguments behind `--` are the server's port and the number of steps.
extends Node

var players := 0
var steps := 0
var moves := 0
var cheers := 0
var spawns := 0
var syncs := 0
var has_reported := false
var begun_usec := 0
var first_rpc_usec := 0


func _ready() -> void:
	var arguments := OS.get_cmdline_user_args()
	steps = int(arguments[1])
	begun_usec = Time.get_ticks_usec()
	$Spawner.spawned.connect(on_spawned)
	var peer := ENetMultiplayerPeer.new()
	if peer.create_client("127.0.0.1", int(arguments[0])) != OK:
		printerr("the client cannot be created")
		get_tree().quit(1)
		return
	multiplayer.multiplayer_peer = peer
	multiplayer.connection_failed.connect(get_tree().quit.bind(1))
	multiplayer.server_disconnected.connect(get_tree().quit)


@rpc("authority", "call_remote", "reliable")
func start(player_count: int) -> void:
	first_rpc_usec = Time.get_ticks_usec() - begun_usec
	players = player_count
	for id in multiplayer.get_peers():
		if id != 1:
			cheer.rpc_id(id, "good luck")
	steer.rpc_id(1, Vector2.RIGHT)


@rpc("any_peer", "call_remote", "reliable")
func steer(_direction: Vector2) -> void:
	pass


@rpc("authority", "call_remote", "reliable", 1)
func moved(player: int, position: Vector2) -> void:
	moves += 1
	if player == multiplayer.get_unique_id() and int(position.x) < steps:
		steer.rpc_id(1, Vector2.RIGHT)
	finish()


@rpc("any_peer", "call_remote", "reliable", 2)
func cheer(_text: String) -> void:
	cheers += 1
	finish()


@rpc("any_peer", "call_remote", "reliable")
func report(_moves: int, _cheers: int, _first_rpc_usec: int, _spawns: int, _syncs: int) -> void:
	pass


func on_spawned(unit: Node) -> void:
	spawns += 1
	unit.get_node("Sync").synchronized.connect(on_synchronized)
	unit.get_node("Sync").delta_synchronized.connect(on_synchronized)


func on_synchronized() -> void:
	syncs += 1
	finish()


func finish() -> void:
	if has_reported or players == 0 or moves != players * steps or cheers != players - 1:
		return
	if $Units.get_child_count() != players:
		return
	for unit in $Units.get_children():
		if unit.score != steps or int(unit.position.x) != steps:
			return
	has_reported = true
	report.rpc_id(1, moves, cheers, first_rpc_usec, spawns, syncs)
