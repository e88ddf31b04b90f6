//! Makes Godot projects at random: scripts, scenes, resources and settings as text.

use proto_core::SeedRng;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Names of methods: upper and lower case, digits, prefixes of each other, other alphabets.
const METHODS: [&str; 14] = [
    "fire", "Fire", "fire2", "fire_10", "_hidden", "a", "aa", "Z", "über", "Ünï", "日本", "zeta",
    "move_to", "f",
];

/// What each of them takes. A method that is defined again must take the same.
const PARAMETERS: [&str; 7] = [
    "",
    "a",
    "a: int, b: float = 1.5",
    "\n\t\ta: Dictionary[String, int], # more below\n\t\tb := [1, 2],\n\t",
    "bytes: PackedByteArray",
    "a = {\"x\": [1, (2 + 3)]}, b: Callable = Callable()",
    "a: Node, ...rest: Array",
];

/// Statements that look like what they are not.
const NOISE: [&str; 4] = [
    "\tvar _text := \"\"\"\n@rpc\nfunc fake_in_text():\n\"\"\"\n",
    "\t# @rpc func fake_in_comment(): pass\n\tpass\n",
    "\tvar _f := func(x):\n\t\treturn x\n",
    "\tif true: pass; pass\n\tvar _r := r\"\\\" @rpc\"\n",
];

/// Declarations of a variable, with what a scene may set it to.
const VARIABLES: [(&str, &str); 10] = [
    ("var NAME: int = -5", "42"),
    ("var NAME := 1.5", "0.25"),
    (
        "@export var NAME: Vector2 = Vector2(1, 2)",
        "Vector2(3, -4.5)",
    ),
    ("@export_range(0, 10) var NAME: int", "7"),
    ("var NAME = \"te#xt\" # \"comment\"", "\"other\""),
    (
        "@export_group(\"Group\") \n@export var NAME: float = 2",
        "3.5",
    ),
    ("var NAME: String", "\"set\""),
    ("var NAME: Array = [1, \"two\", [3]]", "[4]"),
    (
        "@export var NAME: Color = Color(1, 0.5, 0.25, 1)",
        "Color(0, 0, 1, 1)",
    ),
    (
        "var NAME: int = 0x1f:\n\tset(value):\n\t\tNAME = value",
        "9",
    ),
];

/// Files by path below the project.
pub type Files = BTreeMap<String, String>;

struct Script {
    path: String,
    class_name: Option<String>,
    base: Option<usize>,
    functions: Vec<String>,
    /// Name and what a scene may set it to.
    variables: Vec<(String, &'static str)>,
}

#[derive(Clone)]
struct Node {
    /// `.` or names.
    path: String,
    script: Option<usize>,
}

#[derive(Clone)]
struct Scene {
    path: String,
    nodes: Vec<Node>,
}

/// One project in the making.
struct Generator {
    rng: SeedRng,
    files: Files,
    scripts: Vec<Script>,
    scenes: Vec<Scene>,
    names: usize,
}

/// A scene file in the making.
#[derive(Default)]
struct Draft {
    external: Vec<(String, String)>,
    subs: String,
    sub_count: usize,
    nodes: String,
    model: Vec<Node>,
}

/// A project, the same for the same seed.
pub fn project(seed: u8) -> Files {
    let mut generator = Generator {
        rng: SeedRng::new([seed; 32]),
        files: Files::new(),
        scripts: Vec::new(),
        scenes: Vec::new(),
        names: 0,
    };
    let scripts = 5 + generator.below(4);
    for _ in 0..scripts {
        generator.script();
    }
    for _ in 0..5 {
        generator.scene();
    }
    generator.settings();
    generator.files
}

impl Generator {
    fn below(&mut self, bound: usize) -> usize {
        self.rng.below(u32::try_from(bound).unwrap()) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    fn shuffle<T>(&mut self, all: &mut [T]) {
        for end in (1..all.len()).rev() {
            let other = self.below(end + 1);
            all.swap(end, other);
        }
    }

    fn settings(&mut self) {
        let main = self.scenes.last().unwrap().path.clone();
        let mut text = format!(
            "; comment\nconfig_version=5\n\n[application]\n\nconfig/name=\"Random\"\nrun/main_scene=\"res://{main}\"\n\n[autoload]\n\n"
        );
        let star = self.pick(&["*", ""]);
        let script = self.below(self.scripts.len());
        let _ = writeln!(
            text,
            "AutoScript=\"{star}res://{}\"",
            self.scripts[script].path
        );
        let scene = self.below(self.scenes.len() - 1);
        let _ = writeln!(text, "AutoScene=\"*res://{}\"", self.scenes[scene].path);
        text += "Probe=\"*res://probe.gd\"\n\n[input]\n\njump={\n\"deadzone\": 0.5,\n\"events\": [Object(InputEventKey,\"device\":-1,\"script\":null)\n]\n}\n";
        self.files.insert("project.godot".into(), text);
        let mut classes = Vec::new();
        for script in &self.scripts {
            if let Some(name) = &script.class_name {
                classes.push(format!(
                    "{{\n\"base\": &\"Node\",\n\"class\": &\"{name}\",\n\"icon\": \"\",\n\"is_abstract\": false,\n\"is_tool\": false,\n\"language\": &\"GDScript\",\n\"path\": \"res://{}\"\n}}",
                    script.path
                ));
            }
        }
        // What the editor would write; without it the engine knows no global classes.
        let cache = format!("list=[{}]\n", classes.join(", "));
        self.files
            .insert(".godot/global_script_class_cache.cfg".into(), cache);
    }

    fn script(&mut self) {
        let number = self.scripts.len();
        let base = (number > 0 && self.chance(60)).then(|| self.below(number));
        let class_name = self.chance(40).then(|| format!("Class{number}"));
        let path = format!(
            "{}s{number}.gd",
            self.pick(&["", "scripts/", "scripts/deep/"])
        );
        let mut script = Script {
            path,
            class_name,
            base,
            functions: Vec::new(),
            variables: Vec::new(),
        };
        let mut text = self.header(&script, number);
        let _ = write!(
            text,
            "const PERMISSION{number} = \"any_peer\"\nconst LOCAL{number}: String = \"call_local\"\nconst CHANNEL{number} := 2 + 1\n\
             enum Channel{number} {{ A, B = 4, C, }}\n"
        );
        let mut methods = METHODS.to_vec();
        self.shuffle(&mut methods);
        let count = self.below(7);
        for (place, name) in methods.into_iter().take(count).enumerate() {
            if place == 1 {
                let _ = write!(
                    text,
                    "class Inner{number} extends Node:\n\t@rpc func inner(): pass\n\n"
                );
            }
            self.method(&mut text, name, number);
            script.functions.push(name.into());
        }
        for index in 0..self.below(4) {
            let (declaration, value) = self.pick(&VARIABLES);
            let name = format!("v{number}_{index}");
            let _ = writeln!(text, "{}", declaration.replace("NAME", &name));
            script.variables.push((name, value));
        }
        for function in ["_init", "_enter_tree", "_ready"] {
            if self.chance(25) {
                self.start_function(&mut text, function, &script);
                script.functions.push(function.into());
            }
        }
        if self.chance(20) {
            text = text.replace('\n', "\r\n");
        }
        self.files.insert(script.path.clone(), text);
        self.scripts.push(script);
    }

    fn header(&mut self, script: &Script, number: usize) -> String {
        let extends = match script.base {
            None => "Node".to_owned(),
            Some(base) => {
                let base = &self.scripts[base];
                match (&base.class_name, self.rng.below(3)) {
                    (Some(name), 0 | 1) => name.clone(),
                    (_, 2) => format!("Base{number}"),
                    _ => format!("\"res://{}\"", base.path),
                }
            }
        };
        let preload = match script.base {
            Some(base) if extends.starts_with("Base") => {
                format!(
                    "const Base{number} = preload(\"res://{}\")\n",
                    self.scripts[base].path
                )
            }
            _ => String::new(),
        };
        let head = match (&script.class_name, self.rng.below(2)) {
            (Some(name), 0) => format!("class_name {name} extends {extends}\n"),
            (Some(name), _) => format!("class_name {name}\nextends {extends}\n"),
            (None, _) => format!("extends {extends}\n"),
        };
        format!(
            "# A script.\n@warning_ignore(\"unused_parameter\", \"unused_private_class_variable\")\n{head}\n{preload}"
        )
    }

    fn method(&mut self, text: &mut String, name: &str, number: usize) {
        let index = METHODS.iter().position(|other| *other == name).unwrap();
        let parameters = PARAMETERS[index % PARAMETERS.len()];
        if self.chance(75) {
            *text += &self.annotation(number);
            *text += self.pick(&[
                "\n",
                " ",
                "\n\n# between\n\n",
                "\n@warning_ignore(\"unused_parameter\")\n",
                " @warning_ignore(\"unused_parameter\") ",
            ]);
        }
        let result = self.pick(&["", " -> void", " -> void"]);
        let _ = write!(text, "func {name}({parameters}){result}:");
        if self.chance(30) {
            *text += " pass\n";
        } else {
            *text += "\n";
            *text += self.pick(&NOISE);
        }
        *text += self.pick(&["", "\n", "\n\n"]);
    }

    fn annotation(&mut self, number: usize) -> String {
        let permission = format!("PERMISSION{number}");
        let local = format!("LOCAL{number}");
        let mut words = vec![
            self.pick(&[
                "\"any_peer\"",
                "'authority'",
                "\"any\" + \"_peer\"",
                permission.as_str(),
            ])
            .to_owned(),
            self.pick(&["\"call_local\"", "\"call_remote\"", local.as_str()])
                .to_owned(),
            self.pick(&[
                "\"reliable\"",
                "\"unreliable\"",
                "\"unreliable_ordered\"",
                "\"\"\"unreliable\"\"\"",
            ])
            .to_owned(),
        ];
        self.shuffle(&mut words);
        if self.chance(30) {
            let (named, summed) = (format!("CHANNEL{number}"), format!("Channel{number}.C + 1"));
            words.push(
                self.pick(&["7", "0x1F", "0", named.as_str(), summed.as_str()])
                    .to_owned(),
            );
        } else {
            let kept = self.below(4);
            words.truncate(kept);
        }
        match self.below(4) {
            _ if words.is_empty() => self.pick(&["@rpc", "@rpc()"]).to_owned(),
            0 => format!("@rpc(\n\t{}, # comment\n)", words.join(",\n\t")),
            1 => format!("@rpc ( {} )", words.join(" ,")),
            _ => format!("@rpc({})", words.join(", ")),
        }
    }

    /// Whether a script or one above it has a function.
    fn has(&self, script: Option<usize>, function: &str) -> bool {
        script.is_some_and(|script| {
            let script = &self.scripts[script];
            script.functions.iter().any(|name| name == function) || self.has(script.base, function)
        })
    }

    fn start_function(&mut self, text: &mut String, function: &str, script: &Script) {
        let _ = write!(text, "\nfunc {function}() -> void:\n\tpass\n");
        if self.has(script.base, function) && self.chance(50) {
            let _ = writeln!(
                text,
                "\t{}",
                self.pick(&["super()", "super._NAME()"])
                    .replace("_NAME", function)
            );
        }
        for _ in 0..=self.below(3) {
            let method = self.pick(&METHODS);
            *text += &match self.below(6) {
                0 => format!(
                    "\trpc_config(\"{method}\", {{\"rpc_mode\": MultiplayerAPI.RPC_MODE_ANY_PEER}})\n"
                ),
                1 => format!(
                    "\tself.rpc_config(&\"{method}\", {{\n\t\t\"rpc_mode\": 2, \"channel\": 1 + 4,\n\t\t\"transfer_mode\": MultiplayerPeer.TRANSFER_MODE_UNRELIABLE,\n\t}})\n"
                ),
                2 => format!(
                    "\trpc_config('{method}', {{rpc_mode = 1, call_local = true, transfer_mode = 1}})\n"
                ),
                3 => format!("\trpc_config(\"{method}\", {{\"rpc_mode\": 0}})\n"),
                4 => format!("\trpc_config(\"{method}\", {{\"channel\": 2}})\n"),
                _ => format!("\trpc_config(\"{method}\", null)\n"),
            };
        }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("{}{}", self.pick(&["N", "node ", "Ünit_"]), self.names)
    }

    /// The variables of a script and those above it.
    fn variables(&self, script: Option<usize>) -> Vec<(String, &'static str)> {
        let mut variables = Vec::new();
        let mut next = script;
        while let Some(script) = next {
            variables.extend(self.scripts[script].variables.iter().cloned());
            next = self.scripts[script].base;
        }
        variables
    }

    fn scene(&mut self) {
        let number = self.scenes.len();
        let mut draft = Draft::default();
        let is_main = number == 4;
        let root = self.name();
        if !is_main && number > 0 && self.chance(35) {
            let base = self.below(number);
            let id = draft.external("PackedScene", &self.scenes[base].path);
            let _ = write!(
                draft.nodes,
                "\n[node name=\"{root}\" instance=ExtResource(\"{id}\")]\n"
            );
            draft.model = self.scenes[base].nodes.clone();
        } else {
            let class = self.pick(&["Node", "Node2D", "Control"]);
            let _ = write!(draft.nodes, "\n[node name=\"{root}\" type=\"{class}\"]\n");
            draft.model.push(Node {
                path: ".".into(),
                script: None,
            });
            self.attach(&mut draft, 0);
        }
        for _ in 0..3 + self.below(5) + usize::from(is_main) * 4 {
            match self.below(10) {
                0..5 => self.plain(&mut draft),
                5 | 6 if number > 0 => self.instanced(&mut draft, number),
                7 | 8 => self.synchronizer(&mut draft, number),
                _ => self.changed(&mut draft),
            }
        }
        if number > 0 && (is_main || self.chance(40)) {
            self.spawner(&mut draft, number);
        }
        let mut text = format!("[gd_scene load_steps=9 format=3 uid=\"uid://scene{number}\"]\n\n");
        for (index, (kind, path)) in draft.external.iter().enumerate() {
            let uid = path
                .strip_suffix(".tscn")
                .and_then(|path| path.strip_prefix("scene"));
            let uid = uid.map(|number| format!("uid=\"uid://scene{number}\" "));
            let _ = writeln!(
                text,
                "[ext_resource type=\"{kind}\" {}path=\"res://{path}\" id=\"{index}_x\"]",
                uid.unwrap_or_default()
            );
        }
        text += &draft.subs;
        text += &draft.nodes;
        // Each its own: a scene that inherits from another has its connections too.
        let signal = [
            "ready",
            "renamed",
            "tree_entered",
            "tree_exited",
            "child_order_changed",
        ][number];
        let _ = write!(
            text,
            "\n[connection signal=\"{signal}\" from=\".\" to=\".\" method=\"get_index\"]\n"
        );
        let path = format!("scene{number}.tscn");
        self.files.insert(path.clone(), text);
        self.scenes.push(Scene {
            path,
            nodes: draft.model,
        });
    }

    /// A node to which another can be added, as the value of `parent`.
    fn parent(&mut self, draft: &Draft) -> String {
        let index = self.below(draft.model.len());
        draft.model[index].path.clone()
    }

    /// Begins a node; gives its path.
    fn open(&mut self, draft: &mut Draft, parent: &str, about: &str) -> String {
        let name = self.name();
        let index = if self.chance(25) {
            format!(" index=\"{}\"", self.below(4))
        } else {
            String::new()
        };
        let _ = write!(
            draft.nodes,
            "\n[node name=\"{name}\" {about} parent=\"{parent}\"{index} groups=[\"a]\", \"b\"]]\n"
        );
        join(parent, &name)
    }

    /// Perhaps gives the node written last a script, and some of its variables values.
    fn attach(&mut self, draft: &mut Draft, node: usize) {
        if draft.model[node].script.is_none() && self.chance(70) {
            let script = self.below(self.scripts.len());
            let id = draft.external("Script", &self.scripts[script].path);
            let _ = writeln!(draft.nodes, "script = ExtResource(\"{id}\")");
            draft.model[node].script = Some(script);
        }
        for (name, value) in self.variables(draft.model[node].script) {
            if self.chance(30) {
                let _ = writeln!(draft.nodes, "{name} = {value}");
            }
        }
    }

    fn plain(&mut self, draft: &mut Draft) {
        let parent = self.parent(draft);
        let class = self.pick(&["Node", "Node2D", "Timer"]);
        let path = self.open(draft, &parent, &format!("type=\"{class}\""));
        draft.model.push(Node { path, script: None });
        if self.chance(15) {
            draft.sub_count += 1;
            let id = format!("GDScript_{}", draft.sub_count);
            let _ = write!(
                draft.subs,
                "\n[sub_resource type=\"GDScript\" id=\"{id}\"]\nscript/source = \"extends Node\n@rpc(\\\"any_peer\\\") func built_in_{}(): pass\n\"\n",
                draft.sub_count
            );
            let _ = writeln!(draft.nodes, "script = SubResource(\"{id}\")");
            // No script may take its place.
            draft.model.pop();
        } else {
            let node = draft.model.len() - 1;
            self.attach(draft, node);
        }
    }

    fn instanced(&mut self, draft: &mut Draft, number: usize) {
        let scene = self.below(number);
        let id = draft.external("PackedScene", &self.scenes[scene].path);
        let parent = self.parent(draft);
        let root = self.open(draft, &parent, &format!("instance=ExtResource(\"{id}\")"));
        let first = draft.model.len();
        for node in &self.scenes[scene].nodes {
            let path = if node.path == "." {
                root.clone()
            } else {
                join(&root, &node.path)
            };
            draft.model.push(Node {
                path,
                script: node.script,
            });
        }
        self.attach(draft, first);
    }

    /// Changes a node that is there, wherever it comes from.
    fn changed(&mut self, draft: &mut Draft) {
        let node = self.below(draft.model.len());
        let path = draft.model[node].path.clone();
        if path == "." {
            return;
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", &path));
        let _ = write!(
            draft.nodes,
            "\n[node name=\"{name}\" parent=\"{parent}\" index=\"0\"]\n"
        );
        self.attach(draft, node);
    }

    fn synchronizer(&mut self, draft: &mut Draft, number: usize) {
        let parent = self.parent(draft);
        let mut candidates = Vec::new();
        let two_up = parent != "." && self.chance(30);
        let root = match parent.rsplit_once('/') {
            Some((above, _)) if two_up => above.to_owned(),
            None if two_up => ".".to_owned(),
            _ => parent.clone(),
        };
        for node in &draft.model {
            let Some(path) = below(&root, &node.path) else {
                continue;
            };
            candidates.extend(
                self.variables(node.script)
                    .into_iter()
                    .map(|(name, _)| format!("{path}:{name}")),
            );
        }
        self.shuffle(&mut candidates);
        let mut config = String::new();
        for (index, path) in candidates.into_iter().take(5).enumerate() {
            let _ = writeln!(config, "properties/{index}/path = NodePath(\"{path}\")");
            if self.chance(70) {
                let _ = writeln!(config, "properties/{index}/spawn = {}", self.chance(60));
            }
            match self.below(4) {
                0 => {
                    let _ = writeln!(config, "properties/{index}/sync = {}", self.chance(50));
                    let _ = writeln!(config, "properties/{index}/watch = {}", self.chance(50));
                }
                1 => {}
                _ => {
                    let _ = writeln!(
                        config,
                        "properties/{index}/replication_mode = {}",
                        self.below(3)
                    );
                }
            }
        }
        draft.sub_count += 1;
        let config = if self.chance(25) {
            let path = format!("config{number}_{}.tres", draft.sub_count);
            let text = format!(
                "[gd_resource type=\"SceneReplicationConfig\" format=3]\n\n[resource]\n{config}"
            );
            self.files.insert(path.clone(), text);
            format!("ExtResource(\"{}\")", draft.external("Resource", &path))
        } else {
            let id = format!("Config_{}", draft.sub_count);
            let _ = write!(
                draft.subs,
                "\n[sub_resource type=\"SceneReplicationConfig\" id=\"{id}\"]\n{config}"
            );
            format!("SubResource(\"{id}\")")
        };
        self.open(draft, &parent, "type=\"MultiplayerSynchronizer\"");
        if two_up {
            draft.nodes += "root_path = NodePath(\"../..\")\n";
        }
        let _ = writeln!(draft.nodes, "replication_config = {config}");
        for setting in [
            "replication_interval = 0.5",
            "delta_interval = 0.25",
            "visibility_update_mode = 1",
        ] {
            if self.chance(25) {
                let _ = writeln!(draft.nodes, "{setting}");
            }
        }
    }

    fn spawner(&mut self, draft: &mut Draft, number: usize) {
        let parent = self.parent(draft);
        let holder = self.open(draft, &parent, "type=\"Node\"");
        let name = holder.rsplit('/').next().unwrap_or(&holder).to_owned();
        self.open(draft, &parent, "type=\"MultiplayerSpawner\"");
        let mut scenes: Vec<String> = (0..number)
            .map(|number| format!("\"res://scene{number}.tscn\""))
            .collect();
        self.shuffle(&mut scenes);
        let kept = 1 + self.below(scenes.len());
        let scenes = &scenes[..kept];
        let _ = writeln!(
            draft.nodes,
            "_spawnable_scenes = PackedStringArray({})",
            scenes.join(", ")
        );
        let _ = writeln!(draft.nodes, "spawn_path = NodePath(\"../{name}\")");
        if self.chance(50) {
            draft.nodes += "spawn_limit = 90\n";
        }
    }
}

impl Draft {
    fn external(&mut self, kind: &str, path: &str) -> String {
        let known = self.external.iter().position(|(_, other)| other == path);
        let index = known.unwrap_or_else(|| {
            self.external.push((kind.into(), path.into()));
            self.external.len() - 1
        });
        format!("{index}_x")
    }
}

fn join(parent: &str, name: &str) -> String {
    if parent == "." {
        name.to_owned()
    } else {
        format!("{parent}/{name}")
    }
}

/// `path` as seen from `root`, if it is at or below it.
fn below(root: &str, path: &str) -> Option<String> {
    if path == root {
        return Some(".".into());
    }
    if root == "." {
        return Some(path.to_owned());
    }
    path.strip_prefix(root)?
        .strip_prefix('/')
        .map(str::to_owned)
}
