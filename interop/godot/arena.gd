## A scene with spawners and synchronizers, for the option `--arena` of peer.gd. README.md lists its commands.
extends Node

## Who must not see which units: peer to names.
var _hidden: Dictionary = {}

## How many full states and deltas came for the nodes that are watched: path to two numbers.
var _counts: Dictionary = {}

## What is counted up in each frame: node and property.
var _running: Array = []


func _ready() -> void:
	$UnitSpawner.spawn_function = func(data: Variant) -> Node:
		var unit := (load("res://unit.tscn") as PackedScene).instantiate()
		unit.name = data["name"]
		unit.label = data["label"]
		_filter(unit)
		return unit
	$FewSpawner.spawn_function = func(data: Variant) -> Node:
		var node := (load("res://plain.tscn") as PackedScene).instantiate()
		node.name = data
		return node


func _process(_delta: float) -> void:
	for change: Array in _running:
		var node := get_node(NodePath(change[0]))
		node.set(change[1], int(node.get(change[1])) + 1)


## Does a command; false if it is none of the arena.
func obey(command: Dictionary) -> bool:
	var path: String = command.get("node", "")
	match command["do"]:
		"spawn":
			_spawn(command)
		"custom":
			get_node(NodePath(command.get("node", "UnitSpawner"))).spawn(str_to_var(command["data"]))
		"set":
			for change: Array in command["changes"]:
				_change(get_node(NodePath(change[0])), NodePath(change[1]), change[2])
		"free":
			get_node(NodePath(path)).free()
		"authority":
			get_node(NodePath(path)).set_multiplayer_authority(int(command["peer"]))
		"visibility":
			get_node(NodePath(path)).set_visibility_for(int(command["peer"]), command["visible"])
		"public":
			get_node(NodePath(path)).public_visibility = command["visible"]
		"hide":
			_hidden[int(command["peer"])] = command["names"]
		"run":
			_running = command["changes"]
		"count":
			_count(path)
		"counts":
			get_node("/root/Peer").report_event("counts", {"counts": _counts})
		"dump":
			get_node("/root/Peer").report_event("dump", {"token": command["token"], "nodes": _dump()})
		_:
			return false
	return true


func _spawn(command: Dictionary) -> void:
	var scene: PackedScene = load("res://%s.tscn" % command["scene"])
	for unit_name: String in command["names"]:
		var node := scene.instantiate()
		node.name = unit_name
		for change: Array in command.get("changes", []):
			_change(node, NodePath(change[0]), change[1])
		if command["scene"] == "unit":
			_filter(node)
		get_node(NodePath(command.get("under", "Units"))).add_child(node)


## Counts what comes for the synchronizer `Sync` of a node, or of each node below it if it has none.
func _count(path: String) -> void:
	var node := get_node(NodePath(path))
	if not node.has_node("Sync"):
		for child in node.get_children():
			_count(path + "/" + str(child.name))
		return
	var counts := [0, 0]
	_counts[path] = counts
	node.get_node("Sync").synchronized.connect(func() -> void: counts[0] += 1)
	node.get_node("Sync").delta_synchronized.connect(func() -> void: counts[1] += 1)


## Sets `hp`, or `Body:position` of a node below.
func _change(node: Node, path: NodePath, text: String) -> void:
	if path.get_subname_count() > 0:
		node = node.get_node(NodePath(path.get_concatenated_names()))
		path = NodePath(path.get_concatenated_subnames())
	node.set_indexed(path, str_to_var(text))


func _filter(unit: Node) -> void:
	var unit_name := str(unit.name)
	unit.get_node("Sync").add_visibility_filter(func(peer: int) -> bool:
		# A filter that says yes to peer 0 shows the node to everybody.
		return peer != 0 and not unit_name in _hidden.get(peer, []))


## Every spawned node, and every replicated property of every node: path to property to text.
func _dump() -> Dictionary:
	var nodes := {}
	for spawner: MultiplayerSpawner in find_children("*", "MultiplayerSpawner", true, false):
		for spawned in spawner.get_node(spawner.spawn_path).get_children():
			nodes[_path(spawned)] = {}
	for synchronizer: MultiplayerSynchronizer in find_children("*", "MultiplayerSynchronizer", true, false):
		var root := synchronizer.get_node(synchronizer.root_path)
		var properties: Dictionary = nodes.get_or_add(_path(root), {})
		for property in synchronizer.replication_config.get_properties():
			var node := root.get_node(NodePath(property.get_concatenated_names()))
			var value: Variant = node.get_indexed(NodePath(property.get_concatenated_subnames()))
			properties[str(property)] = var_to_str(value)
	return nodes


func _path(node: Node) -> String:
	return str(node.get_path()).trim_prefix("/root/")
