## A spawned node with synchronizers inside each other, and a spawner of its own.
extends Node

@export var banner: String = ""
@export var strength: int = 1
@export var morale: float = 1.0
