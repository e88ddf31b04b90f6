## A player: the server has its place and score, the peer whose number is in its name has its input.
extends Node2D

@export var score: int = 0
@export var steer: Vector2 = Vector2.ZERO
@export var aim: float = 0.0


func _enter_tree() -> void:
	var owner_id := str(name).to_int()
	if owner_id > 1:
		$Input.set_multiplayer_authority(owner_id)
