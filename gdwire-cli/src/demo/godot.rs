//! Players in a real engine: `--godot`.

use super::game::FILES;
use core::net::SocketAddr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The demo's project in a folder of its own, which is removed at the end.
#[derive(Debug)]
pub(super) struct Project(PathBuf);

impl Project {
    /// Writes the project to the system's folder for temporary files.
    pub(super) fn write() -> io::Result<Self> {
        let seed = gdwire::drive::seed()?;
        let name = format!("gdwire-demo-{}", crate::options::to_hex(&seed[..8]));
        let project = Self(std::env::temp_dir().join(name));
        fs::create_dir(&project.0)?;
        for (name, text) in FILES {
            fs::write(project.0.join(name), text)?;
        }
        Ok(project)
    }

    /// Runs one player until the server ends the game; what the engine prints is in the error of a failure.
    pub(super) async fn play(
        &self,
        godot: &Path,
        server: SocketAddr,
        steps: usize,
    ) -> io::Result<()> {
        let mut child = Command::new(godot)
            .arg("--headless")
            .arg("--path")
            .arg(&self.0)
            .args(["--", &server.port().to_string(), &steps.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let complaint = read_complaints(&mut child).await?;
        let status = child.wait().await?;
        if status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!("{status}: {complaint}")))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the demo's project stays in {}", self.0.display());
        }
    }
}

/// Logs what the engine complains about until it ends, and gives the last line.
async fn read_complaints(child: &mut Child) -> io::Result<String> {
    let mut last = String::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await? {
            tracing::warn!("godot: {}", line.trim());
            line.trim().clone_into(&mut last);
        }
    }
    Ok(last)
}
