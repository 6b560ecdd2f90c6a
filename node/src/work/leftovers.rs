//! Agents that outlived their node. While an agent runs, a `pid` file beside its directory names its process group; a node
//! that was killed finds these files at its next start, ends exactly those groups and removes the directories.
//!
//! A process id alone proves nothing, since ids are used again: the file also holds the time the group's leader started
//! and the id of that boot. If the leader is gone, a member must say by its `HOME` that it belongs to that directory.
//! What must never happen: killing a process that is not ours. Without `/proc` nothing is killed.

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::limits::MAX_PID_FILE;
use crate::store::disk::{At, DiskError, names, remove_dir};

/// The agent's own directory inside a job's.
pub(super) const AGENT_DIR: &str = "agent";
/// How the directory of a job begins that people asked to keep.
pub(super) const KEPT: &str = "kept-";
const PID_FILE: &str = "pid";

/// Which processes a job started.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Note {
    group: i32,
    started: u64,
    boot: String,
}

/// Notes beside the agent's directory that it runs as process group `group`.
pub(super) fn note(job_dir: &Path, group: Pid) -> Result<(), DiskError> {
    let group = group.as_raw_nonzero().get();
    // Where there is no /proc the note is of no use, and the node works without it.
    let (Some(leader), Some(boot)) = (Stat::of(group), boot()) else { return Ok(()) };
    let path = job_dir.join(PID_FILE);
    fs::write(&path, format!("{group} {} {boot}\n", leader.started)).at(&path)
}

/// Ends the agents that a node before this one left running under `work_dir`, and removes their directories. Returns how
/// many groups were ended. To be called once, at start, under the lock on the data directory.
///
/// # Errors
/// A directory that cannot be read or removed.
pub fn reap_leftovers(work_dir: &Path) -> Result<usize, DiskError> {
    if !work_dir.is_dir() {
        return Ok(0);
    }
    let mut ended = 0;
    for name in names(work_dir)?.into_iter().filter(|name| !name.starts_with(KEPT)) {
        let job_dir = work_dir.join(name);
        if let Some(note) = Note::read(&job_dir).filter(|note| note.is_running(&job_dir.join(AGENT_DIR))) {
            let group = Pid::from_raw(note.group);
            if group.is_some_and(|group| kill_process_group(group, Signal::KILL).is_ok()) {
                tracing::warn!(group = note.group, dir = %job_dir.display(), "ended an agent that a killed node had left running");
                ended += 1;
            }
        }
        remove_dir(&job_dir)?;
    }
    Ok(ended)
}

impl Note {
    fn read(job_dir: &Path) -> Option<Self> {
        let mut text = String::new();
        fs::File::open(job_dir.join(PID_FILE)).ok()?.take(MAX_PID_FILE).read_to_string(&mut text).ok()?;
        let mut words = text.split_whitespace();
        let note = Self {
            group: words.next()?.parse().ok()?,
            started: words.next()?.parse().ok()?,
            boot: words.next()?.to_owned(),
        };
        // 0 and 1 would be our own group and everybody.
        (note.group > 1).then_some(note)
    }

    /// Whether the group that is called so now is the one that was noted.
    fn is_running(&self, agent_dir: &Path) -> bool {
        if boot().as_deref() != Some(&self.boot) {
            return false;
        }
        match Stat::of(self.group) {
            Some(leader) => leader.started == self.started && leader.group == self.group,
            None => self.has_member(agent_dir),
        }
    }

    /// Whether any process is in the group and has the agent's directory as its home.
    fn has_member(&self, agent_dir: &Path) -> bool {
        let Ok(agent_dir) = std::path::absolute(agent_dir) else { return false };
        let home = [b"HOME=", agent_dir.as_os_str().as_bytes()].concat();
        let Ok(processes) = fs::read_dir("/proc") else { return false };
        let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
        ids.filter(|id| Stat::of(*id).is_some_and(|stat| stat.group == self.group)).any(|id| {
            fs::read(format!("/proc/{id}/environ")).is_ok_and(|all| all.split(|byte| *byte == 0).any(|one| one == home))
        })
    }
}

/// What `/proc/PID/stat` says.
struct Stat {
    group: i32,
    /// Clock ticks since boot.
    started: u64,
}

impl Stat {
    fn of(id: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The second field is the program's name in parentheses, and may hold both blanks and parentheses.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        // proc_pid_stat(5): 3 state, 4 ppid, 5 pgrp, ..., 22 starttime.
        let group = fields.nth(2)?.parse().ok()?;
        let started = fields.nth(16)?.parse().ok()?;
        Some(Self { group, started })
    }
}

fn boot() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A job's directory with a process that runs until it is killed, as a killed node leaves them.
    fn orphan(work_dir: &Path, script: &str) -> Child {
        let job_dir = work_dir.join("a-job");
        let agent_dir = job_dir.join(AGENT_DIR);
        fs::create_dir_all(&agent_dir).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env("HOME", &agent_dir).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.process_group(0).spawn().unwrap();
        note(&job_dir, Pid::from_child(&child)).unwrap();
        child
    }

    fn alive(child: &mut Child) -> bool {
        child.try_wait().unwrap().is_none()
    }

    #[test]
    fn an_orphan_is_ended_and_its_directory_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = orphan(dir.path(), "exec sleep 600");
        assert_eq!(reap_leftovers(dir.path()).unwrap(), 1);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(reap_leftovers(dir.path()).unwrap(), 0);
    }

    #[test]
    fn children_of_an_orphan_that_has_ended_are_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = orphan(dir.path(), "sleep 600 & echo");
        child.wait().unwrap();
        assert_eq!(reap_leftovers(dir.path()).unwrap(), 1);
        // Its end of the pipe closes when the grandchild is gone.
        std::io::copy(child.stdout.as_mut().unwrap(), &mut std::io::sink()).unwrap();
    }

    #[test]
    fn a_process_that_only_has_the_same_number_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for change in ["started", "boot", "garbage", "init"] {
            let mut child = orphan(dir.path(), "exec sleep 600");
            let path = dir.path().join("a-job").join(PID_FILE);
            let sound = Note::read(&dir.path().join("a-job")).unwrap();
            let Note { group, started, boot } = sound;
            let text = match change {
                "started" => format!("{group} {} {boot}", started + 1),
                "boot" => format!("{group} {started} another"),
                "init" => format!("1 {started} {boot}"),
                _ => "\0\0".to_owned(),
            };
            fs::write(path, text).unwrap();
            assert_eq!(reap_leftovers(dir.path()).unwrap(), 0, "{change}");
            assert!(alive(&mut child), "{change}");
            assert!(!dir.path().join("a-job").exists());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
