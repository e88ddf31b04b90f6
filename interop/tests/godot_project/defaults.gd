## Prints what the properties of the engine's node classes are before anything sets them.
extends Node

## Not stored in scenes, so the engine does not list their defaults.
const DERIVED := ["transform", "rotation_degrees", "quaternion", "basis"]



func _ready() -> void:
	var classes := Array(ClassDB.get_inheriters_from_class("Node"))
	classes.append("Node")
	classes.sort()
	for node_class: String in classes:
		if ClassDB.class_get_api_type(node_class) == ClassDB.APIType.API_CORE:
			_print_class(node_class)
	get_tree().quit()


func _print_class(node_class: String) -> void:
	var parent: String = "" if node_class == "Node" else str(ClassDB.get_parent_class(node_class))
	print("%s<%s" % [node_class, parent])
	var own := {}
	for property in ClassDB.class_get_property_list(node_class, true):
		own[property.name] = true
		_print_property(node_class, property, null)
	if parent.is_empty():
		return
	for property in ClassDB.class_get_property_list(parent, false):
		if not own.has(property.name):
			_print_property(node_class, property, _default(parent, property))


func _print_property(node_class: String, property: Dictionary, above: Variant) -> void:
	var value: Variant = _default(node_class, property)
	if value != null and value != above:
		print(" %s=%s" % [property.name, var_to_str(value).replace("\n", " ")])


func _default(node_class: String, property: Dictionary) -> Variant:
	const NO_PROPERTY := PROPERTY_USAGE_GROUP | PROPERTY_USAGE_CATEGORY | PROPERTY_USAGE_SUBGROUP
	if property.type == TYPE_OBJECT or property.usage & NO_PROPERTY:
		return null
	var concrete: Array = [node_class] if ClassDB.can_instantiate(node_class) else Array(ClassDB.get_inheriters_from_class(node_class))
	concrete.sort()
	for candidate: String in concrete:
		if not ClassDB.can_instantiate(candidate):
			continue
		var value: Variant = ClassDB.class_get_property_default_value(candidate, property.name)
		if value == null and property.name in DERIVED:
			var node: Node = ClassDB.instantiate(candidate)
			value = node.get(property.name)
			node.free()
		if value != null:
			return value
	return null
