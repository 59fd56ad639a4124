// SPDX-License-Identifier: MIT
//! Whose rights this process has, and whether it may do more than whoever started it.

/// True in a process that was started with more rights than its caller has: a set-user-id or set-group-id program, or
/// one with file capabilities. The environment is the caller's word then, and not to be trusted (`AT_SECURE`,
/// getauxval(3)).
pub fn is_elevated() -> bool {
    // SAFETY: it reads a value that the kernel left beside the program's arguments, and has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// The user whose rights this process has, as in the metadata of the files it makes (geteuid(2)).
pub fn effective_user() -> u32 {
    // SAFETY: it has no preconditions and always succeeds.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyenclave_conformance::case::skipped;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    const ASKED: &str = "KEYENCLAVE_SYS_PRIVILEGE";

    /// Runs this test once more from a copy of this program, as a user without rights.
    fn elevated_with_mode(mode: u32) -> Option<bool> {
        let place = tempfile::tempdir().ok()?;
        let copy = place.path().join("copy");
        std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).ok()?;
        std::fs::copy(std::env::current_exe().ok()?, &copy).ok()?;
        std::fs::set_permissions(&copy, PermissionsExt::from_mode(mode)).ok()?;
        let mut command = Command::new(&copy);
        let name = "privilege::tests::a_program_with_more_rights_than_its_caller_knows_it";
        command.args(["--exact", name]).env(ASKED, "1").current_dir("/");
        let status = command.uid(65534).gid(65534).status().ok()?;
        Some(!status.success())
    }

    #[test]
    fn a_program_with_more_rights_than_its_caller_knows_it() {
        if std::env::var_os(ASKED).is_some() {
            // What the parent reads is whether this process ends well.
            std::process::exit(i32::from(is_elevated()));
        }
        assert!(!is_elevated());
        let Some(plain) = elevated_with_mode(0o755) else {
            let name = "privilege::tests::a_program_with_more_rights_than_its_caller_knows_it";
            return skipped(name, "only root can start a program as somebody else");
        };
        assert!(!plain);
        assert_eq!(elevated_with_mode(0o4755), Some(true));
    }
}
