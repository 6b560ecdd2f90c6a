//! Programs under which a node is started, for [`crate::Setup::under`]: each makes what it starts in, and becomes the node.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::require::missing;

/// Takes down the system calls that write, sync, send and start programs; see [`calls`]. Each fdatasync takes at least so
/// long, so that whoever did not wait for it would be seen to be first.
const STRACE: [&str; 15] = [
    "strace",
    // Its child is the tracer, itself becomes the program.
    "-D",
    "-f",
    "--seccomp-bpf",
    "-q",
    "-y",
    // Whole, and in digits alone.
    "-xx",
    "--string-limit=4000000",
    "--absolute-timestamps=format:unix,precision:ns",
    "--syscall-times=ns",
    "--signal=none",
    "--trace=write,writev,sendto,sendmsg,fsync,fdatasync,execve",
    "-e",
    "inject=fdatasync:delay_enter=20000",
    "-o",
];

/// Has strace take down what a process does. `None` where that cannot be had: then the test is skipped, or fails, as with
/// [`crate::tool`].
///
/// # Panics
/// If `strace` is required and does not work here.
pub fn traced(file: &Path) -> Option<Vec<String>> {
    let works = Command::new(STRACE[0]).args(&STRACE[1..]).args(["/dev/null", "true"]).output();
    let why = match works {
        Ok(output) if output.status.success() => {
            return Some(STRACE.iter().map(|word| (*word).to_owned()).chain([file.display().to_string()]).collect());
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    missing("strace", &format!("strace: {why}"));
    None
}

/// Has the wall clock of a process be as far off as the file says, with `+2h` or `-90s`, whenever it looks at it. Its boot
/// clock, which is not asked through the C library, stays what it is. `None` as with [`traced`].
///
/// # Panics
/// If `faketime` is required and not there.
pub fn faked_clock(file: &Path) -> Option<Vec<String>> {
    let parents = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let places = parents.chain(["/usr/lib".into(), "/usr/lib64".into()]);
    let found = places.map(|place: PathBuf| place.join("faketime/libfaketimeMT.so.1")).find(|path| path.is_file());
    let Some(library) = found else {
        missing("faketime", "there is no faketime/libfaketimeMT.so.1 below /usr/lib");
        return None;
    };
    let set = |name: &str, value: &Path| format!("{name}={}", value.display());
    let more = ["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"].map(str::to_owned);
    let words = ["env".to_owned(), set("LD_PRELOAD", &library), set("FAKETIME_TIMESTAMP_FILE", file)];
    Some(words.into_iter().chain(more).collect())
}

/// Has one fdatasync of each thread of a process fail, as it does when the disk could not write: the `nth`. `None` as with
/// [`traced`].
///
/// # Panics
/// If `strace` is required and does not work here.
pub fn failing_sync(nth: usize) -> Option<Vec<String>> {
    traced(Path::new("/dev/null"))?;
    let inject = format!("inject=fdatasync:error=EIO:when={nth}");
    let words = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "--signal=none", "--trace=fdatasync", "-e", &inject];
    Some(words.into_iter().chain(["-o", "/dev/null"]).map(str::to_owned).collect())
}

/// One system call that [`traced`] took down.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who made it.
    pub thread: u32,
    /// Its name.
    pub name: String,
    /// The file it was about, or what else the descriptor is: `socket:[1234]`.
    pub file: String,
    /// All texts among its arguments, one after the other: what was written.
    pub bytes: Vec<u8>,
    /// What it returned; `None` if it did not.
    pub result: Option<i64>,
    /// When it was about to begin, in nanoseconds: not later than it did.
    pub began: u128,
    /// When it had ended: not later than its thread went on.
    pub ended: u128,
}

/// Reads what [`traced`] took down, in the order of their beginnings.
///
/// # Panics
/// At what is not such a file.
pub fn calls(file: &Path) -> Vec<Call> {
    let text = std::fs::read_to_string(file).expect("the trace is there");
    let mut calls: Vec<Call> = Vec::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(char::is_whitespace) else { continue };
        let Some((time, rest)) = rest.trim_start().split_once(' ') else { continue };
        let (thread, time) = (thread.parse().expect("a line names its thread"), nanoseconds(time));
        if let Some((_, end)) = rest.split_once(" resumed>").filter(|_| rest.starts_with("<... ")) {
            // A call that began before the trace did.
            let Some(call) = calls.iter_mut().rev().find(|call| call.thread == thread) else { continue };
            (call.result, call.ended) = (returned(end).map(|(result, _)| result), time);
        } else if let Some((name, arguments)) = rest.split_once('(') {
            let returned = returned(arguments);
            let file = between(arguments, '<', '>').first().map(|name| decoded(name)).unwrap_or_default();
            calls.push(Call {
                thread,
                name: name.to_owned(),
                file: String::from_utf8_lossy(&file).into_owned(),
                bytes: between(arguments, '"', '"').into_iter().flat_map(decoded).collect(),
                result: returned.map(|(result, _)| result),
                began: time,
                // Without an end: never.
                ended: returned.map_or(u128::MAX, |(_, took)| time + took),
            });
        }
    }
    calls.sort_by_key(|call| call.began);
    calls
}

/// `...)  = 0 (DELAYED) <0.000012345>`
fn returned(text: &str) -> Option<(i64, u128)> {
    let (result, took) = text.rsplit_once(" = ")?.1.rsplit_once('<')?;
    Some((result.split(' ').next()?.parse().ok()?, nanoseconds(took.strip_suffix('>')?)))
}

fn nanoseconds(text: &str) -> u128 {
    let (seconds, fraction) = text.split_once('.').expect("a time has a fraction");
    format!("{seconds}{fraction:0<9}").parse().expect("a time is a number")
}

/// The parts of a text between these.
fn between(mut text: &str, open: char, close: char) -> Vec<&str> {
    let mut parts = Vec::new();
    while let Some((part, rest)) = text.split_once(open).and_then(|(_, rest)| rest.split_once(close)) {
        parts.push(part);
        text = rest;
    }
    parts
}

/// `\x67\x69` and so on.
fn decoded(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).filter_map(|digits| u8::from_str_radix(digits, 16).ok()).collect()
}
