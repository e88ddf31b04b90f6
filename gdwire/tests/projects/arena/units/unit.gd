class_name Unit extends Node2D

@export_range(0, 100) var hp: int = 100
@export var title := "unit"
var speed: float = 2
var target


@rpc("any_peer", "unreliable_ordered", 'call_remote', 1)
@warning_ignore("unused_parameter")
func steer(
		direction: Vector2, # a comment, with (brackets
		fast := false,
) -> void:
	pass


@rpc func die(): queue_free()
