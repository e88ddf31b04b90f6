//! Projects that break off, contain themselves or are beyond a limit.

use super::*;

#[test]
fn a_file_that_breaks_off_is_an_error_with_its_line() {
    let main = scene_with_script("res://main.gd");
    for (path, text, expected) in [
        (
            "res://main.tscn",
            "[gd_scene]\n[node name=\"A",
            "res://main.tscn:2: string without an end",
        ),
        (
            "res://main.tscn",
            "[gd_scene]\n[node name=\"A\"",
            "res://main.tscn:2: expected a closing bracket",
        ),
        (
            "res://main.tscn",
            "[gd_scene]\n[node name=\"A\"]\n\nx = [1, (2)\n",
            "res://main.tscn:4: expected a closing bracket",
        ),
        (
            "res://main.tscn",
            "[gd_scene]\nwhat is this",
            "res://main.tscn:2: expected '='",
        ),
        (
            "res://main.tscn",
            "[gd_scene]\n[node type=\"A\"]",
            "res://main.tscn:2: expected a node with a name",
        ),
        (
            "res://main.gd",
            "extends Node\nfunc a(\n",
            "res://main.gd:2: expected a closing bracket",
        ),
        (
            "res://main.gd",
            "extends Node\n\nvar a = \"\"\"x\n",
            "res://main.gd:3: expected a closing quote",
        ),
    ] {
        let texts = [("res://main.tscn", &*main), (path, text)];
        let error = read(&texts).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

// req: HB-8
#[test]
fn scenes_that_contain_or_inherit_themselves_are_refused() {
    let contains = scene_around("res://main.tscn");
    let error = read(&[("res://main.tscn", &contains)]).unwrap_err();
    assert_eq!(
        error.kind,
        ProjectErrorKind::SceneCycle("res://main.tscn".into())
    );
    assert_eq!(error.place.line, 4);

    let inherits = |path: &str| {
        format!(
            "[gd_scene]\n[ext_resource path=\"{path}\" id=\"1\"]\n[node name=\"A\" instance=ExtResource(\"1\")]\n"
        )
    };
    let (main, other) = (inherits("res://other.tscn"), inherits("res://main.tscn"));
    let error = read(&[("res://main.tscn", &main), ("res://other.tscn", &other)]).unwrap_err();
    assert_eq!(
        error.kind,
        ProjectErrorKind::SceneCycle("res://main.tscn".into())
    );
    assert_eq!(error.place.file, "res://other.tscn");
}

// req: HB-8
#[test]
fn scripts_that_extend_themselves_are_refused() {
    let main = scene_with_script("res://a.gd");
    let texts = [
        ("res://main.tscn", &*main),
        ("res://a.gd", "extends \"res://b.gd\"\n"),
        ("res://b.gd", "class_name B\nextends \"res://a.gd\"\n"),
    ];
    let error = read(&texts).unwrap_err();
    assert_eq!(
        error.to_string(),
        "res://b.gd:2: the script \"res://a.gd\" extends itself"
    );
}

// req: HB-8
#[test]
fn scenes_that_multiply_hit_the_limit_of_nodes() {
    let mut texts: Vec<(String, String)> = Vec::new();
    for level in 0..40 {
        let path = format!("res://{level}.tscn");
        texts.push((path, scene_around(&format!("res://{}.tscn", level + 1))));
    }
    texts.push((
        "res://40.tscn".into(),
        "[gd_scene]\n[node name=\"Leaf\" type=\"Node\"]\n".into(),
    ));
    texts.push(("res://main.tscn".into(), scene_around("res://0.tscn")));
    texts.push(("res://project.godot".into(), SETTINGS.into()));
    let limits = Limits::default();
    let error = Project::from_texts(texts, &limits).unwrap_err();
    assert_eq!(error.kind, ProjectErrorKind::TooManyNodes(limits.nodes));
}

// req: HB-8
#[test]
fn depth_is_limited_everywhere() {
    let limits = Limits {
        depth: 8,
        ..Limits::default()
    };
    // Nodes below nodes.
    let mut main = "[gd_scene]\n[node name=\"A\" type=\"Node\"]\n".to_string();
    let mut parent = ".".to_string();
    for _ in 0..10 {
        main += &format!("[node name=\"A\" type=\"Node\" parent=\"{parent}\"]\n");
        parent += "/A";
    }
    let error = read_within(&limits, &[("res://main.tscn", &main)]).unwrap_err();
    assert_eq!(error.kind, ProjectErrorKind::TooDeep(8));

    // Scripts above scripts, scenes inside scenes.
    let mut texts: Vec<(String, String)> = Vec::new();
    for level in 0..10 {
        let above = format!("extends \"res://{}.gd\"\n", level + 1);
        texts.push((format!("res://{level}.gd"), above));
        let around = scene_around(&format!("res://{}.tscn", level + 1));
        texts.push((format!("res://{level}.tscn"), around));
    }
    for main in [
        scene_with_script("res://0.gd"),
        scene_around("res://0.tscn"),
    ] {
        let mut texts = texts.clone();
        texts.push(("res://main.tscn".into(), main));
        texts.push(("res://project.godot".into(), SETTINGS.into()));
        let error = Project::from_texts(texts, &limits).unwrap_err();
        assert_eq!(error.kind, ProjectErrorKind::TooDeep(8));
    }

    // Brackets inside a value that is asked for.
    let main = format!(
        "[gd_scene]\n[node name=\"A\" type=\"Node\"]\nscript = {}1{}\n",
        "[".repeat(9000),
        "]".repeat(9000)
    );
    let error = read(&[("res://main.tscn", &main)]).unwrap_err();
    assert!(matches!(error.kind, ProjectErrorKind::Value(_)), "{error}");
}

// req: HB-8
#[test]
fn sizes_and_numbers_are_limited() {
    let main = scene_with_script("res://main.gd");
    let script = format!("extends Node\n# {}\n", "x".repeat(200));
    let texts = [("res://main.tscn", &*main), ("res://main.gd", &*script)];
    let limits = Limits {
        script_bytes: 100,
        ..Limits::default()
    };
    let kind = read_within(&limits, &texts).unwrap_err().kind;
    assert_eq!(kind, ProjectErrorKind::TooLarge(100));

    let limits = Limits {
        total_bytes: 300,
        ..Limits::default()
    };
    let kind = read_within(&limits, &texts).unwrap_err().kind;
    assert_eq!(kind, ProjectErrorKind::TooManyBytes(300));

    let limits = Limits {
        entries: 2,
        ..Limits::default()
    };
    let kind = read_within(&limits, &texts).unwrap_err().kind;
    assert_eq!(kind, ProjectErrorKind::TooManyEntries(2));

    let limits = Limits {
        path_bytes: 3,
        ..Limits::default()
    };
    let kind = read_within(&limits, &texts).unwrap_err().kind;
    assert_eq!(kind, ProjectErrorKind::PathTooLong(3));

    let limits = Limits {
        warnings: 2,
        ..Limits::default()
    };
    let script =
        "extends Node\n@rpc(1) func a(): pass\n@rpc(1) func b(): pass\n@rpc(1) func c(): pass\n";
    let texts = [("res://main.tscn", &*main), ("res://main.gd", script)];
    assert_eq!(read_within(&limits, &texts).unwrap().warnings.len(), 2);
}

// req: HB-8
#[test]
fn constants_and_calls_that_multiply_end() {
    let mut script = "extends Node\nconst C0 = \"x\"\n".to_string();
    for level in 1..60 {
        script += &format!("const C{level} = C{0} + C{0}\n", level - 1);
    }
    script += "const LOOP = LOOP + LOOP\n@rpc(C59, LOOP) func a(): pass\n";
    let mut inits = "func _ready():\n".to_string();
    inits += &"\trpc_config(\"m\", {})\n".repeat(20_000);
    let project = with_script(&(script + &inits));
    assert_eq!(project.nodes[0].methods.len(), 2);
    // One for each argument of `@rpc`, and one for each call that was looked at.
    assert_eq!(project.warnings.len(), Limits::default().warnings);
}

#[test]
fn paths_stay_in_the_project() {
    let place = Place::file("res://a/b.gd");
    let resolve = |text: &str| files::resolve(text, Some("res://a/b.gd"), &place);
    for (text, expected) in [
        ("res://x//./y.gd", "res://x/y.gd"),
        ("res://x/../y.gd", "res://y.gd"),
        ("c.gd", "res://a/c.gd"),
        ("../c.gd", "res://c.gd"),
    ] {
        assert_eq!(resolve(text).unwrap(), expected);
    }
    for text in [
        "res://..",
        "res://../x",
        "../../x",
        "/etc/passwd",
        "res:///etc/passwd",
        "res://C:/x",
        "user://x",
        "http://x/y",
        "a\\..\\..\\x",
    ] {
        assert!(resolve(text).is_err(), "{text}");
    }
}
