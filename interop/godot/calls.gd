## Methods of every kind that can be called over the network. Each reports that it was called.
extends Node

signal called(method: String, arguments: Array)


@rpc("any_peer", "call_remote", "reliable")
func reliable_on_0(value: Variant) -> void:
	called.emit("reliable_on_0", [value])


@rpc("any_peer", "call_remote", "unreliable_ordered")
func ordered_on_0(value: Variant) -> void:
	called.emit("ordered_on_0", [value])


@rpc("any_peer", "call_remote", "unreliable")
func unreliable_on_0(value: Variant) -> void:
	called.emit("unreliable_on_0", [value])


@rpc("any_peer", "call_remote", "reliable", 1)
func reliable_on_1(value: Variant) -> void:
	called.emit("reliable_on_1", [value])


@rpc("any_peer", "call_remote", "unreliable_ordered", 2)
func ordered_on_2(value: Variant) -> void:
	called.emit("ordered_on_2", [value])


@rpc("any_peer", "call_remote", "unreliable", 3)
func unreliable_on_3(value: Variant) -> void:
	called.emit("unreliable_on_3", [value])


@rpc("any_peer", "call_remote", "reliable", 100)
func reliable_on_100(value: Variant) -> void:
	called.emit("reliable_on_100", [value])


@rpc("authority", "call_remote", "reliable")
func by_authority(value: Variant) -> void:
	called.emit("by_authority", [value])


@rpc("any_peer", "call_local", "reliable")
func local_too(value: Variant) -> void:
	called.emit("local_too", [value])


@rpc("any_peer")
func no_arguments() -> void:
	called.emit("no_arguments", [])


@rpc("any_peer")
func only_bytes(bytes: PackedByteArray) -> void:
	called.emit("only_bytes", [bytes])


@rpc("any_peer")
func many_arguments(a: int, b: float, c: String, d: Vector3, e: Array, f: Dictionary) -> void:
	called.emit("many_arguments", [a, b, c, d, e, f])
