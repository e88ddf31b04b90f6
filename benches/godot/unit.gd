extends Node3D

@export var hp: int = 0
