extends CharacterBody2D

@export var aim: Vector2 = Vector2.RIGHT
@export var tint := Color.CYAN
@export var place: Vector3i = Vector3i.ONE
@export var turn: Quaternion = Quaternion.IDENTITY
