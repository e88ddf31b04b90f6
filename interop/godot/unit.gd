## A unit that a spawner makes: a property of every kind of replication, and methods.
extends Node2D

@export var hp: int = 100
@export var label: String = ""
@export var mood: int = 0
@export var heat: float = 0.0
@export var bag: Variant = null


@rpc("any_peer")
func hit(amount: Variant) -> void:
	get_node("/root/Peer").report_call(self, "hit", [amount])


@rpc("authority")
func cheer(text: Variant) -> void:
	get_node("/root/Peer").report_call(self, "cheer", [text])
