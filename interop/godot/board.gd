## A node that is there from the start, with a synchronizer that is named by its path.
extends Node

@export var score: int = 0
@export var title: String = ""
