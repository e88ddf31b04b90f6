//! The files of a project: `res://` paths that never lead out of it, the ids that stand for them, and their text.

use super::error::{Place, ProjectError, ProjectErrorKind, WarningKind};
use super::limits::Limits;
use super::report::Report;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Start of every path inside a project.
const ROOT: &str = "res://";

/// Bytes at the start of a file in which its `uid://` stands.
const HEAD_BYTES: u64 = 4096;

/// Bytes of the folder's files, and of texts in memory.
#[derive(Debug)]
enum Source {
    Directory(PathBuf),
    Texts(BTreeMap<String, Arc<str>>),
}

/// The files of one project.
#[derive(Debug)]
pub(super) struct Files {
    source: Source,
    limits: Limits,
    read_bytes: u64,
    /// All files, as `res://` paths.
    paths: BTreeSet<String>,
    uids: BTreeMap<String, String>,
}

impl Files {
    /// The files below a folder.
    pub(super) fn in_directory(
        directory: &Path,
        limits: &Limits,
        report: &mut Report,
    ) -> Result<Self, ProjectError> {
        let name = directory.display().to_string();
        let root = fs::canonicalize(directory)
            .map_err(|error| Place::file(name.as_str()).error(unreadable(&error)))?;
        if !root.join("project.godot").exists() {
            return Err(Place::file(name).error(ProjectErrorKind::NoProject));
        }
        let mut files = Self::new(Source::Directory(root.clone()), limits);
        files.list(&root, report)?;
        files.find_uids()?;
        Ok(files)
    }

    /// Files in memory: `res://` paths and texts.
    pub(super) fn in_memory(
        texts: impl IntoIterator<Item = (String, String)>,
        limits: &Limits,
    ) -> Result<Self, ProjectError> {
        let mut known = BTreeMap::new();
        for (path, text) in texts {
            let place = Place::file(path.as_str());
            known.insert(resolve(&path, None, &place)?, Arc::from(text));
        }
        if !known.contains_key("res://project.godot") {
            return Err(Place::file(ROOT).error(ProjectErrorKind::NoProject));
        }
        if known.len() > limits.entries {
            return Err(Place::file(ROOT).error(ProjectErrorKind::TooManyEntries(limits.entries)));
        }
        let paths = known.keys().cloned().collect();
        let mut files = Self::new(Source::Texts(known), limits);
        files.paths = paths;
        files.find_uids()?;
        Ok(files)
    }

    const fn new(source: Source, limits: &Limits) -> Self {
        Self {
            source,
            limits: *limits,
            read_bytes: 0,
            paths: BTreeSet::new(),
            uids: BTreeMap::new(),
        }
    }

    /// All paths that end like this.
    pub(super) fn ending(&self, end: &str) -> Vec<String> {
        let paths = self.paths.iter().filter(|path| path.ends_with(end));
        paths.cloned().collect()
    }

    /// Whether the project has this file.
    pub(super) fn exists(&self, path: &str) -> bool {
        match &self.source {
            Source::Texts(texts) => texts.contains_key(path),
            Source::Directory(root) => {
                self.paths.contains(path) || fs::symlink_metadata(below(root, path)).is_ok()
            }
        }
    }

    /// Lists a folder and those below it, but for hidden ones and those with a `.gdignore`.
    fn list(&mut self, root: &Path, report: &mut Report) -> Result<(), ProjectError> {
        let mut folders = Vec::from([(root.to_owned(), ROOT.to_owned(), 0)]);
        let mut entries = 0usize;
        while let Some((folder, prefix, depth)) = folders.pop() {
            let place = Place::file(prefix.as_str());
            if depth > self.limits.depth {
                return Err(place.error(ProjectErrorKind::TooDeep(self.limits.depth)));
            }
            if folder.join(".gdignore").exists() {
                continue;
            }
            let unreadable = |error: io::Error| place.clone().error(unreadable(&error));
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                entries += 1;
                if entries > self.limits.entries {
                    let kind = ProjectErrorKind::TooManyEntries(self.limits.entries);
                    return Err(place.error(kind));
                }
                let name = entry.file_name();
                let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                    continue;
                };
                let path = format!("{prefix}{name}");
                let kind = entry.file_type().map_err(unreadable)?;
                if kind.is_symlink() {
                    let target = fs::canonicalize(entry.path()).ok();
                    let is_inside = target.is_some_and(|target| target.starts_with(root));
                    if !is_inside {
                        report.warn(Place::file(path), WarningKind::LinkOutside);
                    } else if entry.path().is_file() {
                        self.paths.insert(path);
                    }
                } else if kind.is_dir() {
                    folders.push((entry.path(), format!("{path}/"), depth + 1));
                } else if kind.is_file() {
                    self.paths.insert(path);
                }
            }
        }
        Ok(())
    }

    /// Collects the `uid://` of each file: in its own head, or in a file beside it.
    fn find_uids(&mut self) -> Result<(), ProjectError> {
        let mut uids = BTreeMap::new();
        for path in &self.paths {
            let named = [".tscn", ".tres", ".uid", ".import"];
            if !named.iter().any(|end| path.ends_with(end)) {
                continue;
            }
            let head = self.head(path)?;
            let target = path
                .strip_suffix(".uid")
                .or_else(|| path.strip_suffix(".import"))
                .unwrap_or(path);
            if let Some(uid) = uid_in(&head) {
                uids.insert(uid.to_owned(), target.to_owned());
            }
        }
        self.uids = uids;
        Ok(())
    }

    /// The start of a file, as far as it is text.
    fn head(&self, path: &str) -> Result<String, ProjectError> {
        let root = match &self.source {
            Source::Texts(texts) => {
                let text = texts.get(path).map_or("", |text| text);
                let mut end = text.len().min(usize::try_from(HEAD_BYTES).unwrap_or(0));
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                return Ok(text[..end].to_owned());
            }
            Source::Directory(root) => root,
        };
        let place = Place::file(path);
        let mut file = open(root, path, &place)?;
        let mut bytes = Vec::new();
        file.by_ref()
            .take(HEAD_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| place.error(unreadable(&error)))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The path that a text in a file of the project means: `res://`, `uid://`, or relative to that file.
    ///
    /// `fallback` is the path that stands beside a `uid://`. Nothing, with a warning, if no file has the id.
    pub(super) fn path(
        &self,
        text: &str,
        fallback: Option<&str>,
        place: &Place,
        report: &mut Report,
    ) -> Result<Option<String>, ProjectError> {
        if !text.starts_with("uid://") {
            return resolve(text, Some(&place.file), place).map(Some);
        }
        if let Some(path) = self.uids.get(text) {
            return Ok(Some(path.clone()));
        }
        match fallback {
            Some(path) => resolve(path, Some(&place.file), place).map(Some),
            None => {
                report.warn(place.clone(), WarningKind::UnknownUid(text.to_owned()));
                Ok(None)
            }
        }
    }

    /// The text of a file; nothing if there is none. `place` is where it is referred to.
    pub(super) fn text(
        &mut self,
        path: &str,
        place: &Place,
    ) -> Result<Option<Arc<str>>, ProjectError> {
        let limit = if path.ends_with(".gd") {
            self.limits.script_bytes
        } else {
            self.limits.file_bytes
        };
        let text = match &self.source {
            Source::Texts(texts) => match texts.get(path) {
                Some(text) => Arc::clone(text),
                None => return Ok(None),
            },
            Source::Directory(root) => {
                // What the list does not have can still be in a hidden or ignored folder, which is legal.
                match fs::symlink_metadata(below(root, path)) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    _ => {}
                }
                let mut bytes = Vec::new();
                open(root, path, place)?
                    .take(limit.saturating_add(1))
                    .read_to_end(&mut bytes)
                    .map_err(|error| Place::file(path).error(unreadable(&error)))?;
                String::from_utf8(bytes)
                    .map_err(|_| Place::file(path).error(ProjectErrorKind::NotText))?
                    .into()
            }
        };
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if length > limit {
            return Err(Place::file(path).error(ProjectErrorKind::TooLarge(limit)));
        }
        self.read_bytes = self.read_bytes.saturating_add(length);
        if self.read_bytes > self.limits.total_bytes {
            let kind = ProjectErrorKind::TooManyBytes(self.limits.total_bytes);
            return Err(Place::file(path).error(kind));
        }
        Ok(Some(text))
    }
}

fn unreadable(error: &io::Error) -> ProjectErrorKind {
    ProjectErrorKind::Unreadable(error.to_string())
}

/// Where a `res://` path is on disk.
fn below(root: &Path, path: &str) -> PathBuf {
    let relative = path.strip_prefix(ROOT).unwrap_or(path);
    root.join(relative)
}

/// Opens a regular file inside the project.
fn open(root: &Path, path: &str, place: &Place) -> Result<File, ProjectError> {
    let failed = |error: io::Error| Place::file(path).error(unreadable(&error));
    let target = fs::canonicalize(below(root, path)).map_err(failed)?;
    if !target.starts_with(root) {
        let kind = ProjectErrorKind::OutsideProject(path.to_owned());
        return Err(place.clone().error(kind));
    }
    // Checked before opening: to open a named pipe is to wait for its other end.
    if !fs::metadata(&target).map_err(failed)?.is_file() {
        return Err(Place::file(path).error(ProjectErrorKind::NotAFile));
    }
    File::open(&target).map_err(failed)
}

/// The `res://` path that `text` means in `file`, without `.`, `..` and empty parts.
pub(super) fn resolve(
    text: &str,
    file: Option<&str>,
    place: &Place,
) -> Result<String, ProjectError> {
    let outside = || {
        let kind = ProjectErrorKind::OutsideProject(text.to_owned());
        place.clone().error(kind)
    };
    let mut parts = Vec::new();
    let rest = match text.strip_prefix(ROOT) {
        Some(rest) => rest,
        None => {
            let folder = file.and_then(|file| file.strip_prefix(ROOT));
            let folder = folder.and_then(|file| file.rsplit_once('/'));
            parts.extend(folder.into_iter().flat_map(|(folder, _)| folder.split('/')));
            text
        }
    };
    if rest.starts_with('/') || rest.contains(['\\', ':', '\0']) {
        return Err(outside());
    }
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or_else(outside)?;
            }
            part => parts.push(part),
        }
    }
    Ok(format!("{ROOT}{}", parts.join("/")))
}

/// The first `uid://` of a text.
fn uid_in(text: &str) -> Option<&str> {
    let at = text.find("uid://")?;
    // Only a scene's own id, which is in its first line, not that of a resource that it uses.
    let is_own = !text[..at].contains("[ext_resource") && !text[..at].contains("[deps");
    let rest = &text[at..];
    let end = rest[6..].find(|char: char| !char.is_ascii_alphanumeric());
    let end = end.map_or(rest.len(), |end| end + 6);
    (is_own && end > 6).then_some(&rest[..end])
}
