//! nginx as a proxy in front of n8n: what it costs to pass the same bytes on and do nothing else.
//!
//! Its configuration is written anew for each round, and only processes that this program started are used: an nginx
//! of the system is neither needed nor touched.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use rustix::process::geteuid;

use crate::process::{Program, command, free_address};

/// Answered by the fake behind it, so that nginx is ready when both are.
const READY: &str = "/__fake/streams";
const MISSING: &str = "nginx is not there, and it is what chat-proxy is compared with. On Debian and Ubuntu: \
                       apt-get install nginx-light. The service that comes with it is not needed: \
                       systemctl disable --now nginx";

/// Asks nginx for its version, which also shows whether it is there.
pub fn version(binary: &Path) -> Result<String> {
    let output = Command::new(binary).arg("-v").output().context(MISSING)?;
    // It tells its version where others tell errors.
    let said = String::from_utf8_lossy(&output.stderr);
    let (_, version) = said.trim().rsplit_once(": ").with_context(|| format!("nginx -v said {said:?}"))?;
    Ok(version.to_owned())
}

/// Starts nginx in the foreground in front of `upstream`, with all its files in `folder`.
pub async fn start(binary: &Path, upstream: SocketAddr, folder: &Path, descriptors: u64) -> Result<Program> {
    let address = free_address()?;
    let setup = Setup {
        upstream,
        address,
        folder,
        workers: std::thread::available_parallelism()?.get(),
        descriptors,
        is_root: geteuid().is_root(),
    };
    let (file, log) = (folder.join("nginx.conf"), folder.join("nginx.log"));
    fs::write(&file, setup.to_text())?;
    let mut command = command(binary);
    command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    command.stderr(fs::File::create(&log)?);
    Program::start(command, address, READY, &log).await
}

/// What the configuration depends on.
struct Setup<'a> {
    upstream: SocketAddr,
    address: SocketAddr,
    folder: &'a Path,
    workers: usize,
    descriptors: u64,
    is_root: bool,
}

impl Setup<'_> {
    /// As one would set nginx up in front of a stream, but without a log, and with room for all connections in one
    /// worker. `reuseport` shares them evenly. The connections to the fake stay open between requests, shorter than the
    /// fake keeps them.
    fn to_text(&self) -> String {
        let Self { upstream, address, workers, descriptors, .. } = self;
        let folder = self.folder.display();
        // Started by root, its workers would be nobody, who may not enter the folder; others cannot choose.
        let user = if self.is_root { "user root;\n" } else { "" };
        format!(
            "daemon off;
{user}worker_processes {workers};
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log stderr error;
events {{
    worker_connections {descriptors};
}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000000;
    upstream n8n {{
        server {upstream};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 4s;
    }}
    server {{
        listen {address} reuseport backlog=4096;
        location / {{
            proxy_pass http://n8n;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
            proxy_read_timeout 5m;
        }}
    }}
}}
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(is_root: bool) -> String {
        let setup = Setup {
            upstream: "127.0.0.1:5678".parse().unwrap(),
            address: "127.0.0.1:8080".parse().unwrap(),
            folder: Path::new("/scratch"),
            workers: 2,
            descriptors: 20_000,
            is_root,
        };
        setup.to_text()
    }

    #[test]
    fn nginx_streams_on_every_core_over_kept_connections() {
        let text = text(true);
        for line in [
            "daemon off;",
            "user root;",
            "worker_processes 2;",
            "worker_rlimit_nofile 20000;",
            "worker_connections 20000;",
            "access_log off;",
            "server 127.0.0.1:5678;",
            "keepalive 1024;",
            "listen 127.0.0.1:8080 reuseport backlog=4096;",
            "proxy_http_version 1.1;",
            r#"proxy_set_header Connection "";"#,
            "proxy_buffering off;",
        ] {
            assert!(text.lines().any(|written| written.trim() == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }

    #[test]
    fn nginx_writes_nothing_outside_of_its_folder() {
        let text = text(true);
        let paths = text.lines().filter(|line| line.contains("_path ") || line.starts_with("pid "));
        assert!(
            paths.clone().count() == 6 && paths.clone().all(|line| line.contains(" /scratch/")),
            "{text}"
        );
    }

    #[test]
    fn an_nginx_that_is_missing_is_named_with_its_package() {
        let error = version(Path::new("/nowhere/nginx")).unwrap_err();
        assert!(format!("{error:#}").contains("apt-get install nginx-light"), "{error:#}");
    }

    #[test]
    fn only_root_chooses_a_user() {
        assert!(!text(false).contains("user"));
    }
}
