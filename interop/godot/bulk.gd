## A node whose full state can be of any size.
extends Node

@export var blob: Variant = null
@export var note: String = ""
