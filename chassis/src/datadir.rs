//! The folder that a process keeps its data in: one process at a time, never one that is too old for it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

/// How the files in the folder are laid out. Raise it when an older program must not touch them.
pub const FORMAT_VERSION: u32 = 1;

const LOCK_FILE: &str = "LOCK";
const VERSION_FILE: &str = "VERSION";

/// Why the folder cannot be used. Each message says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error(
        "the data folder {path} is in use by another Jangteo process{}. Stop it, or choose another folder with --data-dir.",
        pid_note(.pid)
    )]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The other process, if it said so.
        pid: Option<u32>,
    },
    /// There is something else at this path.
    #[error("the data folder {path} is not a folder. Choose another with --data-dir.")]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// Nothing can be written there.
    #[error(
        "the data folder {path} cannot be written to: {reason}. Make it writable for this user, or choose another with --data-dir."
    )]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The disk is full.
    #[error("the disk that holds the data folder {path} is full. Free some space, then start again.")]
    Full {
        /// The folder.
        path: PathBuf,
    },
    /// Written by a newer program.
    #[error(
        "the data folder {path} was written by a newer version of Jangteo (format {found}, this program knows {FORMAT_VERSION}). \
         Run that version, or choose another folder with --data-dir."
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Its VERSION file makes no sense.
    #[error(
        "{path} does not hold a version number: the data folder is damaged, or it is not Jangteo's. \
         Restore it from a backup, or choose another with --data-dir."
    )]
    Damaged {
        /// The VERSION file.
        path: PathBuf,
    },
}

fn pid_note(pid: &Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// The folder is this process's until this is dropped.
#[derive(Debug)]
pub struct DataDirLock {
    path: PathBuf,
    // The lock lasts as long as the file is open.
    _file: File,
    new: bool,
}

impl DataDirLock {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if the folder held nothing of ours before.
    pub fn is_new(&self) -> bool {
        self.new
    }
}

/// Nobody else on this machine may look into a new folder: it holds people's addresses and the key that signs
/// tokens. One that exists keeps the mode that its owner chose.
fn create(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Takes the folder at `path` for this process; creates it if it does not exist.
pub fn lock(path: &Path) -> Result<DataDirLock, DataDirError> {
    if path.exists() && !path.is_dir() {
        return Err(DataDirError::NotADirectory { path: path.to_owned() });
    }
    let failed = |error| not_writable(path, error);
    create(path).map_err(failed)?;
    let mut options = OpenOptions::new();
    let mut file =
        options.read(true).write(true).create(true).truncate(false).open(path.join(LOCK_FILE)).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(DataDirError::Locked { path: path.to_owned(), pid });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).map_err(failed)?;
    file.rewind().map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    let new = check_version(path)?;
    Ok(DataDirLock { path: path.to_owned(), _file: file, new })
}

/// True if there was no version yet; it is written then.
fn check_version(path: &Path) -> Result<bool, DataDirError> {
    let file = path.join(VERSION_FILE);
    match fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse::<u32>() {
            Ok(found) if found > FORMAT_VERSION => Err(DataDirError::Newer { path: path.to_owned(), found }),
            Ok(1..) => Ok(false),
            Ok(0) | Err(_) => Err(DataDirError::Damaged { path: file }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_durably(path, &file).map_err(|error| not_writable(path, error))?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(DataDirError::Damaged { path: file }),
        Err(error) => Err(not_writable(path, error)),
    }
}

/// Renamed into place, so that a crash leaves no half-written version.
fn write_durably(folder: &Path, target: &Path) -> io::Result<()> {
    let draft = target.with_extension("new");
    let mut file = File::create(&draft)?;
    writeln!(file, "{FORMAT_VERSION}")?;
    file.sync_all()?;
    fs::rename(&draft, target)?;
    File::open(folder)?.sync_all()
}

fn not_writable(path: &Path, reason: io::Error) -> DataDirError {
    let path = path.to_owned();
    match reason.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DataDirError::Full { path },
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => DataDirError::NotADirectory { path },
        _ => DataDirError::NotWritable { path, reason },
    }
}

#[cfg(test)]
mod tests {
    use super::{DataDirError, FORMAT_VERSION, lock};

    #[test]
    fn one_holder_at_a_time_and_the_second_learns_who() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/data");
        let first = lock(&path).unwrap();
        assert!(first.is_new());
        let error = lock(&path).unwrap_err();
        assert!(matches!(error, DataDirError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
        assert!(error.to_string().contains("--data-dir"), "{error}");
        drop(first);
        assert!(!lock(&path).unwrap().is_new());
    }

    #[cfg(unix)]
    #[test]
    fn a_new_folder_is_its_owners_alone_and_an_old_one_stays_as_it_is() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let new = folder.path().join("data");
        drop(lock(&new).unwrap());
        assert_eq!(mode(&new), 0o700);
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o750)).unwrap();
        drop(lock(&new).unwrap());
        assert_eq!(mode(&new), 0o750);
    }

    #[test]
    fn refuses_newer_damaged_and_what_is_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::fs::write(path.join("VERSION"), format!("{}\n", FORMAT_VERSION + 1)).unwrap();
        assert!(matches!(lock(path), Err(DataDirError::Newer { found, .. }) if found == FORMAT_VERSION + 1));
        std::fs::write(path.join("VERSION"), "what?").unwrap();
        assert!(matches!(lock(path), Err(DataDirError::Damaged { .. })));
        let file = path.join("file");
        std::fs::write(&file, "").unwrap();
        assert!(matches!(lock(&file), Err(DataDirError::NotADirectory { .. })));
        assert!(matches!(lock(&file.join("below")), Err(DataDirError::NotADirectory { .. })));
    }
}
