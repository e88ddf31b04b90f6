//! Paths below the multiplayer root as text: names joined by `/`, and `.` for the root itself.

use alloc::string::String;
use alloc::vec::Vec;

/// The path of the node `name` (or of `a/b` below it) under `parent`.
pub(crate) fn join(parent: &str, name: &str) -> String {
    if name == "." {
        return parent.into();
    }
    if parent == "." {
        return name.into();
    }
    let mut path = String::with_capacity(parent.len() + 1 + name.len());
    path.push_str(parent);
    path.push('/');
    path.push_str(name);
    path
}

/// Where `relative` leads from the node `base`; nothing if it leaves the root.
pub(crate) fn resolve(base: &str, relative: &str) -> Option<String> {
    let mut names: Vec<&str> = match base {
        "." => Vec::new(),
        _ => base.split('/').collect(),
    };
    for name in relative.split('/') {
        match name {
            "." => {}
            ".." => {
                names.pop()?;
            }
            "" => return None,
            _ => names.push(name),
        }
    }
    if names.is_empty() {
        return Some(".".into());
    }
    Some(names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_lead_where_the_engine_says_and_never_out() {
        for (base, relative, expected) in [
            ("N/Sy", "..", Some("N")),
            ("Sy", "..", Some(".")),
            ("Sy", "../..", None),
            ("A/B", ".", Some("A/B")),
            ("A/B", "../C/D", Some("A/C/D")),
            (".", "C", Some("C")),
            ("A", "", None),
        ] {
            assert_eq!(
                resolve(base, relative).as_deref(),
                expected,
                "{base} {relative}"
            );
        }
        assert_eq!(join(".", "A"), "A");
        assert_eq!(join("A", "."), "A");
        assert_eq!(join("A", "B/C"), "A/B/C");
    }
}
