//! A line on the terminal that says what is being waited for, once it takes longer than two seconds.
//!
//! Experiments say what they are at; whether anybody is told is the command line's to decide ([`show`]), and by default nobody
//! is. The one piece of state that belongs to the process: there is one terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Who is quick is not commented on.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at the clock.
const TURN: Duration = Duration::from_millis(200);

/// What is under way: a name, how many parts are done, and of how many.
static STEPS: Mutex<Vec<(String, usize, usize)>> = Mutex::new(Vec::new());

/// A part of the work under way, until it is dropped.
#[derive(Debug)]
pub struct Step(usize);

/// Begins a step of so many parts.
pub fn step(what: &str, parts: usize) -> Step {
    let mut steps = STEPS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    steps.push((what.to_owned(), 0, parts));
    Step(steps.len() - 1)
}

impl Step {
    /// One part is done.
    pub fn tick(&self) {
        let mut steps = STEPS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(step) = steps.get_mut(self.0) {
            step.1 += 1;
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        // Steps begun within it, if any are left, end with it.
        STEPS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).truncate(self.0);
    }
}

/// What to say after so long.
fn line(steps: &[(String, usize, usize)], since: Duration) -> String {
    let told: Vec<String> = steps
        .iter()
        .map(|(what, done, parts)| if *parts > 1 { format!("{what} {done}/{parts}") } else { what.clone() })
        .collect();
    let text = format!("{} s: {}", since.as_secs(), told.join(", "));
    text.chars().take(crate::report::WIDTH - 1).collect()
}

/// Does `work`, and tells a terminal how far it is.
pub fn show<R>(work: impl FnOnce() -> R) -> R {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (start, mut told) = (Instant::now(), false);
            while !over.load(Ordering::Relaxed) {
                std::thread::park_timeout(TURN);
                if start.elapsed() < PATIENCE || over.load(Ordering::Relaxed) {
                    continue;
                }
                let steps = STEPS.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
                told = true;
                // A terminal that went away is nobody to tell.
                let _ = write!(std::io::stderr(), "\r\x1b[K{}", line(&steps, start.elapsed()));
                let _ = std::io::stderr().flush();
            }
            if told {
                let _ = write!(std::io::stderr(), "\r\x1b[K");
            }
        });
        let made = work();
        over.store(true, Ordering::Relaxed);
        watch.thread().unpark();
        made
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_is_under_way_and_fits_a_terminal() {
        let steps = [("attack ring".to_owned(), 0, 1), ("ours-low".to_owned(), 3, 40)];
        assert_eq!(line(&steps, Duration::from_millis(4_900)), "4 s: attack ring, ours-low 3/40");
        let steps = vec![("x".repeat(60), 0, 1); 3];
        assert_eq!(line(&steps, Duration::ZERO).len(), 79);
    }
}
