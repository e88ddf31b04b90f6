## A server whose units all move in each frame. It reports its port, and then each 30 frames how many there were.
##
## Options: --units=COUNT, --hidden to show the units to nobody, --for=SECONDS to end by itself.
extends Node

const UNIT := preload("res://unit.tscn")
const FRAMES_PER_REPORT := 30

var _units: Array[Node3D] = []
var _frame := 0


func _ready() -> void:
	var options := {"units": "100", "for": "60"}
	for argument in OS.get_cmdline_user_args():
		var parts := argument.trim_prefix("--").split("=", true, 1)
		options[parts[0]] = parts[1] if parts.size() > 1 else ""
	var peer := ENetMultiplayerPeer.new()
	peer.set_bind_ip("127.0.0.1")
	if peer.create_server(0, 64) != OK:
		get_tree().quit(1)
		return
	multiplayer.multiplayer_peer = peer
	# A server that cannot keep up is measured all the same.
	multiplayer.peer_connected.connect(func(id: int) -> void:
		peer.get_peer(id).set_timeout(64, 60_000, 120_000))
	for index in int(options["units"]):
		var unit: Node3D = UNIT.instantiate()
		unit.name = "Unit%d" % index
		if options.has("hidden"):
			unit.get_node("Sync").public_visibility = false
		$Units.add_child(unit)
		_units.append(unit)
	get_tree().create_timer(float(options["for"])).timeout.connect(get_tree().quit)
	print("port %d" % peer.host.get_local_port())


func _process(_delta: float) -> void:
	_frame += 1
	for index in _units.size():
		var unit := _units[index]
		unit.position = Vector3(_frame * 0.1 + index, 0.0, index)
		if (_frame + index) % 10 == 0:
			unit.hp = _frame
	if _frame % FRAMES_PER_REPORT == 0:
		print("frame %d" % _frame)
