## An autoload that prints what the engine makes of the project it is in, and the packets that tell a peer:
## one JSON object for each node, then one for each scene of each spawner.
extends Node

## The peer that all packets go to. It never answers.
const PEER := 2


## A transport that keeps what is sent.
class Wire extends MultiplayerPeerExtension:
	var sent: Array[String] = []

	func take() -> Array[String]:
		var taken := sent
		sent = []
		return taken

	func _put_packet_script(packet: PackedByteArray) -> Error:
		sent.append(packet.hex_encode())
		return OK

	func _get_packet_script() -> PackedByteArray:
		return PackedByteArray()

	func _get_available_packet_count() -> int:
		return 0

	func _get_max_packet_size() -> int:
		return 1 << 24

	func _get_packet_channel() -> int:
		return 0

	func _get_packet_mode() -> MultiplayerPeer.TransferMode:
		return TRANSFER_MODE_RELIABLE

	func _get_packet_peer() -> int:
		return 0

	func _get_transfer_channel() -> int:
		return 0

	func _get_transfer_mode() -> MultiplayerPeer.TransferMode:
		return TRANSFER_MODE_RELIABLE

	func _set_transfer_channel(_channel: int) -> void:
		pass

	func _set_transfer_mode(_mode: MultiplayerPeer.TransferMode) -> void:
		pass

	func _set_target_peer(_peer: int) -> void:
		pass

	func _is_server() -> bool:
		return true

	func _is_server_relay_supported() -> bool:
		return true

	func _get_unique_id() -> int:
		return 1

	func _get_connection_status() -> MultiplayerPeer.ConnectionStatus:
		return CONNECTION_CONNECTED

	func _is_refusing_new_connections() -> bool:
		return false

	func _set_refuse_new_connections(_refuse: bool) -> void:
		pass

	func _disconnect_peer(_peer: int, _force: bool) -> void:
		pass

	func _poll() -> void:
		pass

	func _close() -> void:
		pass


var _wire := Wire.new()


func _ready() -> void:
	await get_tree().process_frame
	multiplayer.multiplayer_peer = _wire
	_wire.peer_connected.emit(PEER)
	_wire.take()
	var nodes: Array[Node] = []
	_collect(get_tree().root, nodes)
	for node in nodes:
		if node != get_tree().root and node != self:
			_report("node", _describe(node))
	for node in nodes:
		if node is MultiplayerSpawner:
			_spawn_all(node)
	_report("end", {})
	get_tree().quit()


func _collect(node: Node, nodes: Array[Node]) -> void:
	nodes.append(node)
	for child in node.get_children():
		_collect(child, nodes)


func _describe(node: Node) -> Dictionary:
	var script: Script = node.get_script()
	var tables := {
		"script": script.get_rpc_config() if script else null,
		"node": node.get_node_rpc_config(),
	}
	var calls := {}
	var argument_counts := {}
	for table: Variant in tables.values():
		for method: StringName in (table if table else {}):
			if not calls.has(method):
				calls[method] = _call(node, method)
			if node.has_method(method):
				argument_counts[method] = node.get_method_argument_count(method)
	var about := {
		"path": _path(node),
		"class": node.get_class(),
		"tables": tables,
		"calls": calls,
		"argument_counts": argument_counts,
	}
	if node is MultiplayerSpawner:
		var spawner: MultiplayerSpawner = node
		var scenes: Array[String] = []
		for index in spawner.get_spawnable_scene_count():
			scenes.append(spawner.get_spawnable_scene(index))
		var parent := spawner.get_node_or_null(spawner.spawn_path)
		about["spawner"] = {
			"scenes": scenes,
			"limit": spawner.spawn_limit,
			"parent": _path(parent) if parent else null,
		}
	if node is MultiplayerSynchronizer:
		about["synchronizer"] = _synchronizer(node)
	return about


func _synchronizer(node: MultiplayerSynchronizer) -> Dictionary:
	var properties: Array[Dictionary] = []
	var config := node.replication_config
	var root := node.get_node_or_null(node.root_path)
	for path: NodePath in (config.get_properties() if config else []):
		var found := root.get_node_and_resource(path)
		properties.append({
			"path": String(path),
			"spawn": config.property_get_spawn(path),
			"mode": config.property_get_replication_mode(path),
			"value": var_to_str((found[0] as Node).get_indexed(found[2])),
		})
	return {
		"root": _path(root) if root else null,
		"properties": properties,
		"interval": node.replication_interval,
		"delta": node.delta_interval,
		"update": node.visibility_update_mode,
		"public": node.public_visibility,
	}


func _call(node: Node, method: StringName) -> Array[String]:
	_wire.take()
	node.rpc_id(PEER, method)
	return _wire.take()


## Brings in each scene of a spawner, as a game would.
func _spawn_all(spawner: MultiplayerSpawner) -> void:
	var parent := spawner.get_node_or_null(spawner.spawn_path)
	if not parent:
		return
	for index in spawner.get_spawnable_scene_count():
		var path := spawner.get_spawnable_scene(index)
		var scene: PackedScene = load(path)
		_wire.take()
		var node := scene.instantiate()
		parent.add_child(node, true)
		var packets := _wire.take()
		var nodes: Array[Node] = []
		_collect(node, nodes)
		_report("spawn", {
			"spawner": _path(spawner),
			"index": index,
			"scene": path,
			"root": _path(node),
			"packets": packets,
			"nodes": nodes.map(_describe),
		})
		node.free()


## Below `/root`, as peers name it.
func _path(node: Node) -> String:
	return String(node.get_path()).trim_prefix("/root/")


func _report(event: String, about: Dictionary) -> void:
	about["event"] = event
	print(JSON.stringify(about))
