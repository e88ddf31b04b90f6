## Sends back what it is asked, and asks the other side for every kind of Variant.
extends Node

## Called for each answer: the name of the value, and an empty text when it came back the same.
signal judged(value_name: String, difference: String)
signal finished(same: int, different: int)

var _values: Dictionary = {}
var _open: Dictionary = {}
var _different: int = 0


@rpc("any_peer", "call_remote", "reliable")
func ask(token: int, value: Variant) -> void:
	answer.rpc_id(multiplayer.get_remote_sender_id(), token, value)


@rpc("any_peer", "call_remote", "reliable")
func answer(token: int, value: Variant) -> void:
	var value_name: String = _open.get(token, "")
	if value_name.is_empty():
		judged.emit("token %d" % token, "answered twice or never asked")
		return
	_open.erase(token)
	var difference := _difference(_values[value_name], value)
	if not difference.is_empty():
		_different += 1
	judged.emit(value_name, difference)
	if _open.is_empty():
		finished.emit(_values.size() - _different, _different)


## Asks `peer` for each value of [method all_values].
func ask_everything(peer: int) -> void:
	_values = all_values()
	_values["object"] = self
	_open = {}
	_different = 0
	var token := 0
	for value_name: String in _values:
		token += 1
		_open[token] = value_name
	for open: int in _open.keys():
		ask.rpc_id(peer, open, _values[_open[open]])


## Text for the first way in which two values differ, bit for bit; empty when they are the same.
static func _difference(sent: Variant, back: Variant) -> String:
	if typeof(sent) != typeof(back):
		return "%s became %s" % [type_string(typeof(sent)), type_string(typeof(back))]
	if sent is Object:
		# Only its number crosses the wire.
		var number := back as EncodedObjectAsID
		if number == null or number.object_id != (sent as Object).get_instance_id():
			return "the object's number changed"
		return ""
	if sent is Array and not (sent as Array).is_same_typed(back):
		return "the element type changed"
	if sent is Dictionary and not (sent as Dictionary).is_same_typed(back):
		return "the key or value type changed"
	if var_to_bytes(sent) != var_to_bytes(back):
		return "%s became %s" % [var_to_str(sent).left(200), var_to_str(back).left(200)]
	return ""


static func all_values() -> Dictionary:
	var values := {
		"nil": null,
		"false": false,
		"true": true,
		"zero": 0,
		"one": 1,
		"minus one": -1,
		"int8 limits": [-128, 127, -129, 128],
		"int8 low": -128,
		"int8 above": 128,
		"int16 limit": 32767,
		"int16 above": 32768,
		"int32 limit": -2147483648,
		"int32 above": 2147483648,
		"int64 limits": [-9223372036854775807 - 1, 9223372036854775807],
		"int64 limit": 9223372036854775807,
		"float zero": 0.0,
		"float minus zero": -0.0,
		"float one tenth": 0.1,
		"float half": 0.5,
		"float tiny": 5e-324,
		"float huge": 1.7976931348623157e308,
		"nan": NAN,
		"infinity": INF,
		"minus infinity": -INF,
		"string empty": "",
		"string": "hello",
		"string unicode": "grüße 世界 🎮",
		"string long": "0123456789".repeat(3000),
		"vector2": Vector2(1.5, -2.25),
		"vector2 nan": Vector2(NAN, INF),
		"vector2i": Vector2i(-2147483648, 2147483647),
		"rect2": Rect2(1, 2, 3, 4.5),
		"rect2i": Rect2i(-1, 2, -3, 4),
		"vector3": Vector3(1, 2.5, -3),
		"vector3i": Vector3i(1, -2, 3),
		"transform2d": Transform2D(0.5, Vector2(3, 4)),
		"vector4": Vector4(1, 2, 3, 4.75),
		"vector4i": Vector4i(1, 2, -3, 4),
		"plane": Plane(Vector3(0, 1, 0), 2.5),
		"quaternion": Quaternion(0.5, 0.5, -0.5, 0.5),
		"aabb": AABB(Vector3(1, 2, 3), Vector3(4, 5, 6)),
		"basis": Basis(Vector3(1, 2, 3), Vector3(4, 5, 6), Vector3(7, 8, 9)),
		"transform3d": Transform3D(Basis(Vector3(1, 2, 3), Vector3(4, 5, 6), Vector3(7, 8, 9)), Vector3(10, 11, 12)),
		"projection": Projection(Vector4(1, 2, 3, 4), Vector4(5, 6, 7, 8), Vector4(9, 10, 11, 12), Vector4(13, 14, 15, 16)),
		"color": Color(0.25, 0.5, 0.75, 1.5),
		"string name": &"a name",
		"string name empty": &"",
		"node path": NodePath("../Some/Node:property:x"),
		"node path absolute": NodePath("/root/Peer"),
		"node path empty": NodePath(""),
		"rid": RID(),
		"callable": Callable(),
		"signal": Signal(),
		"dictionary empty": {},
		"dictionary": {"a": 1, 2: [3, {"deep": Vector2(1, 2)}], &"n": null, Vector3i(1, 2, 3): NAN},
		"array empty": [],
		"array": [1, "two", 3.0, [4, [5, [6]]], {"seven": 8}],
		"packed bytes": PackedByteArray([0, 1, 127, 128, 255]),
		"packed bytes empty": PackedByteArray(),
		"packed bytes 200 kB": _many_bytes(200_000),
		"packed int32": PackedInt32Array([-2147483648, 0, 2147483647]),
		"packed int64": PackedInt64Array([-9223372036854775807 - 1, 0, 9223372036854775807]),
		"packed float32": PackedFloat32Array([0.1, -0.0, NAN, INF]),
		"packed float64": PackedFloat64Array([0.1, -0.0, NAN, INF]),
		"packed strings": PackedStringArray(["", "a", "grüße"]),
		"packed strings empty": PackedStringArray(),
		"packed vector2": PackedVector2Array([Vector2(1, 2), Vector2(3, 4)]),
		"packed vector3": PackedVector3Array([Vector3(1, 2, 3)]),
		"packed color": PackedColorArray([Color(0.5, 0.25, 0.125, 1)]),
		"packed vector4": PackedVector4Array([Vector4(1, 2, 3, 4)]),
	}
	var numbers: Array[int] = [1, 2, 3]
	values["typed array of int"] = numbers
	var texts: Array[String] = ["a", ""]
	values["typed array of string"] = texts
	var vectors: Array[Vector3] = []
	values["typed array empty"] = vectors
	var scores: Dictionary[String, int] = {"a": 1, "b": -2}
	values["typed dictionary"] = scores
	var half: Dictionary[int, Variant] = {1: "x", 2: [3]}
	values["half typed dictionary"] = half
	return values


static func _many_bytes(count: int) -> PackedByteArray:
	var bytes := PackedByteArray()
	bytes.resize(count)
	for index in count:
		bytes[index] = (index * 7 + index / 256) & 255
	return bytes
