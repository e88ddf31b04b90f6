# What a player moves. The server spawns it and says where it is and how far it came.
extends Node2D

var score := 0
