class_name Net
extends Node
## Says hello. The text below is no annotation: @rpc

enum Channel { DEFAULT, CHAT = 3, MOVES }

const WHO := "any_peer"


func _ready() -> void:
	rpc_config("kicked", {"rpc_mode": MultiplayerAPI.RPC_MODE_AUTHORITY, "channel": 2})


@rpc(WHO, "call_local", "reliable", Channel.CHAT)
func chat(text: String, to := []) -> void:
	print("""
@rpc
func not_a_method():
""", text, to)


func kicked(reason: String) -> void:
	print(reason)
