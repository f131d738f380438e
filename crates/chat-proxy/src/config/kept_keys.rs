//! Signing secrets that chat-proxy makes itself at the first start and keeps in the data folder.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat_proxy_core::ids::{self, Ids};
use secrecy::{ExposeSecret, SecretString};

use super::Settings;
use super::secrets::weakness;

const SESSION_FILE: &str = "session.key";
const UPSTREAM_FILE: &str = "upstream.key";
/// Random bytes in a secret that we make: half as many again as HS256 can use.
const RANDOM_BYTES: usize = 48;

/// Both signing secrets.
#[derive(Debug)]
pub(crate) struct SigningSecrets {
    pub(crate) session_key: SecretString,
    pub(crate) upstream_key: SecretString,
}

/// Why a kept secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error(
        "{} cannot be read or written: {source}. Make its folder writable for this user, or set JWT_SECRET_KEY and \
         SESSION_SECRET_KEY", path.display()
    )]
    File { path: PathBuf, source: io::Error },
    #[error(
        "the secret in {} {weakness}. Restore the file, or remove it so that a new one is made, which ends every session",
        path.display()
    )]
    Weak { path: PathBuf, weakness: String },
    #[error("both signing secrets are the same. Remove one of the two from the configuration or {}", folder.display())]
    Equal { folder: PathBuf },
}

/// Where the secret that signs upstream tokens is kept when none was set.
pub(crate) fn upstream_key_path(settings: &Settings) -> PathBuf {
    settings.storage.data_dir.join(UPSTREAM_FILE)
}

/// The secrets that were set; those that were not are read from the data folder, and made if they are not there.
pub(crate) fn complete(settings: &Settings, ids: &dyn Ids) -> Result<SigningSecrets, KeepError> {
    let folder = &settings.storage.data_dir;
    let kept = |given: &Option<SecretString>, name| match given {
        Some(secret) => Ok(secret.clone()),
        None => read_or_make(folder, name, ids),
    };
    let secrets = SigningSecrets {
        session_key: kept(&settings.secrets.session_key, SESSION_FILE)?,
        upstream_key: kept(&settings.secrets.upstream_key, UPSTREAM_FILE)?,
    };
    if secrets.session_key.expose_secret() == secrets.upstream_key.expose_secret() {
        return Err(KeepError::Equal { folder: folder.clone() });
    }
    Ok(secrets)
}

fn read_or_make(folder: &Path, name: &str, ids: &dyn Ids) -> Result<SecretString, KeepError> {
    let path = folder.join(name);
    let failed = |source| KeepError::File { path: path.clone(), source };
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(folder, &path, ids).map_err(failed)?;
            // What is in the file counts: another process may have been first.
            fs::read_to_string(&path).map_err(failed)?
        }
        other => other.map_err(failed)?,
    };
    let secret = text.trim();
    match weakness(secret) {
        Some(weakness) => Err(KeepError::Weak { path, weakness }),
        None => Ok(secret.into()),
    }
}

/// Makes a secret whole or not at all, and never over another one: written under a passing name, then linked.
fn make(folder: &Path, path: &Path, ids: &dyn Ids) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let passing = path.with_extension(format!("new-{}", ids::encode(&ids::random::<8>(ids))));
    let text = STANDARD.encode(ids::random::<RANDOM_BYTES>(ids));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&passing).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        });
    let linked = written.and_then(|()| match fs::hard_link(&passing, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let removed = fs::remove_file(&passing);
    linked.and(removed)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use chat_proxy_core::testing::SeededIds;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_made_secret_is_kept_for_its_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("deep/data");
        let ids = SeededIds::default();
        let first = read_or_make(&folder, SESSION_FILE, &ids).unwrap();
        let other = read_or_make(&folder, UPSTREAM_FILE, &ids).unwrap();
        let again = read_or_make(&folder, SESSION_FILE, &ids).unwrap();
        assert_eq!(first.expose_secret(), again.expose_secret());
        assert_ne!(first.expose_secret(), other.expose_secret());
        assert_eq!((mode_of(&folder), mode_of(&folder.join(SESSION_FILE))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "nothing passing is left");
    }

    #[test]
    fn a_secret_that_another_process_made_first_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SESSION_FILE);
        let ids = SeededIds::default();
        make(folder.path(), &path, &ids).unwrap();
        let first = fs::read_to_string(&path).unwrap();
        make(folder.path(), &path, &ids).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), first);
    }

    #[test]
    fn a_damaged_secret_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SESSION_FILE);
        fs::write(&path, "cut off").unwrap();
        let error = read_or_make(folder.path(), SESSION_FILE, &SeededIds::default()).unwrap_err().to_string();
        assert!(
            error.contains("7 bytes") && error.contains("Restore") && !error.contains("cut off"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "cut off");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_said() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error =
            read_or_make(&folder.path().join("file"), SESSION_FILE, &SeededIds::default()).unwrap_err();
        assert!(error.to_string().contains("JWT_SECRET_KEY"), "{error}");
    }
}
