extends "unit.gd"


func steer(direction: Vector2, fast := false) -> void:
	super(direction, fast)


@rpc("any_peer", "call_local") func die(): pass


@rpc("authority", "unreliable") func Aim(at: Vector2) -> void: pass


class Shell extends Node:
	@rpc func explode(): pass
