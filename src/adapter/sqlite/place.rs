//! Which file systems a store may lie on.
//!
//! Processes that share a file need locks and shared memory that all of them see. A network file system
//! has neither between machines, and damage is what comes of it.

use super::SqliteOptions;
use crate::storage::StorageError;
use std::path::Path;

/// Whether a kind of file system may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Shared between machines.
    Network,
    /// What stands behind it is another program or another system, which is not known here.
    Foreign,
}

/// What `statfs` calls file systems that are no place for a store.
const REFUSED: &[(u32, &str, Kind)] = &[
    (0x0000_6969, "NFS", Kind::Network),
    (0xff53_4d42, "CIFS", Kind::Network),
    (0xfe53_4d42, "SMB", Kind::Network),
    (0x0000_517b, "SMB", Kind::Network),
    (0x5346_414f, "AFS", Kind::Network),
    (0x6b41_4653, "AFS", Kind::Network),
    (0x7375_7245, "Coda", Kind::Network),
    (0x0000_564c, "NCP", Kind::Network),
    (0x0bd0_0bd0, "Lustre", Kind::Network),
    (0x00c3_6400, "Ceph", Kind::Network),
    (0x4750_4653, "GPFS", Kind::Network),
    (0x1983_0326, "BeeGFS", Kind::Network),
    (0xaad7_aaea, "PanFS", Kind::Network),
    (0x7461_636f, "OCFS2", Kind::Network),
    (0x0116_1970, "GFS2", Kind::Network),
    (0x6573_5546, "FUSE", Kind::Foreign),
    (0x0102_1997, "9p", Kind::Foreign),
    (0x786f_4256, "a shared folder of VirtualBox", Kind::Foreign),
    (0xbacb_acbc, "a shared folder of VMware", Kind::Foreign),
    (0x7c7c_6673, "a shared folder of Parallels", Kind::Foreign),
];

fn refusal(magic: u32, any: bool) -> Option<String> {
    let (_, name, kind) = REFUSED.iter().find(|(refused, ..)| *refused == magic)?;
    match kind {
        Kind::Network => Some(format!(
            "it lies on a network file system ({name}), where machines do not share locks and memory; \
             keep it on a local disk"
        )),
        Kind::Foreign if any => None,
        Kind::Foreign => Some(format!(
            "it lies on {name}, which may be a network file system; keep it on a local disk, or allow \
             it (`SqliteOptions::with_any_file_system`) if one machine alone uses it and it shares locks \
             and memory"
        )),
    }
}

/// Refuses a file system that a store cannot lie on.
#[cfg(target_os = "linux")]
pub(super) fn check(file: &Path, options: &SqliteOptions) -> Result<(), StorageError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    // The file itself may be a link to elsewhere, or not be there yet.
    let found = rustix::fs::statfs(file)
        .or_else(|_| rustix::fs::statfs(folder.unwrap_or_else(|| Path::new("."))));
    // What cannot be asked is told by the opening that follows.
    let Ok(found) = found else { return Ok(()) };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of 32 bits, in a type that differs from system to system"
    )]
    let magic = found.f_type as u32;
    match refusal(magic, options.any_file_system) {
        None => Ok(()),
        Some(detail) => Err(StorageError::unsupported(detail)),
    }
}

/// Only Linux tells it in a way that is known here.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "the same as on Linux")]
pub(super) fn check(_file: &Path, _options: &SqliteOptions) -> Result<(), StorageError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_file_systems_pass() {
        // ext4, xfs, btrfs, tmpfs, overlayfs, ZFS, F2FS, bcachefs, ramfs, squashfs, ecryptfs, exFAT.
        for magic in [
            0xef53,
            0x5846_5342,
            0x9123_683e,
            0x0102_1994,
            0x794c_7630,
            0x2fc1_2fc1,
            0xf2f5_2010,
            0xca45_1a4e,
            0x8584_58f6,
            0x7371_7368,
            0xf15f,
            0x2011_bab0,
        ] {
            assert_eq!(refusal(magic, false), None, "{magic:#x}");
        }
        let folder = std::env::temp_dir();
        assert!(check(&folder.join("coord.sqlite"), &SqliteOptions::new("test")).is_ok());
        assert!(check(Path::new("not-there.sqlite"), &SqliteOptions::new("test")).is_ok());
    }

    #[test]
    fn network_file_systems_are_refused_by_name_and_foreign_ones_unless_allowed() {
        for (magic, name, kind) in REFUSED {
            let told = refusal(*magic, false).unwrap();
            assert!(told.contains(name), "{told}");
            assert_eq!(refusal(*magic, true).is_some(), *kind == Kind::Network, "{name}");
        }
        assert_eq!(
            refusal(0x6969, true).unwrap(),
            "it lies on a network file system (NFS), where machines do not share locks and memory; \
             keep it on a local disk"
        );
        assert_eq!(
            refusal(0x6573_5546, false).unwrap(),
            "it lies on FUSE, which may be a network file system; keep it on a local disk, or allow it \
             (`SqliteOptions::with_any_file_system`) if one machine alone uses it and it shares locks \
             and memory"
        );
    }
}
