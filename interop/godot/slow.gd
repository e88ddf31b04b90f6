## A node with intervals: full states five times a second, deltas at most twice a second.
extends Node

@export var always: int = 0
@export var watched: int = 0
