use std::time::Duration;

use gigmesh_protocol::id::Id;
use gigmesh_protocol::time::Timestamp;

use serde_json::{Value, json};

use super::*;
use crate::limits::TALK;
use crate::work::dialogue::Said as Words;
use crate::work::job::Input;

const SOON: Duration = Duration::from_secs(20);

fn job(config_dir: &Path, script: &str) -> Job {
    fs::write(config_dir.join("agent.sh"), script).unwrap();
    Job {
        command: ["sh", "agent.sh"].map(str::to_owned).into(),
        config_dir: config_dir.to_owned(),
        hire: "ab".repeat(32),
        skill: "text/count".to_owned(),
        attempt: 1,
        params: json!({ "unit": "words" }),
        inputs: BTreeMap::new(),
        part: None,
        feedback: None,
        timeout: SOON,
        left: SOON,
        result_cap: 10_000,
        keep_dir: false,
    }
}

/// The ends of an agent's line that its node holds, and the agent's.
fn line() -> (mpsc::Sender<Told>, mpsc::Receiver<Words>, Line) {
    let ((agent, told), (said, heard)) = (mpsc::channel(TALK), mpsc::channel(TALK));
    (agent, heard, Line { told, said })
}

fn answer(text: &str, left: Duration) -> Told {
    Told { question: Id::from_bytes([7; 32]), text: text.to_owned(), due: Timestamp(1_000), left }
}

struct Bench {
    dir: TempDir,
    work: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        Self { dir, work }
    }

    fn job(&self, script: &str) -> Job {
        job(self.dir.path(), script)
    }

    async fn run(&self, job: Job) -> Result<Output, WorkError> {
        let (_agent, _heard, line) = line();
        let done = run(&self.work, job, line).await;
        assert_eq!(self.left(), 0, "a job's directory is removed");
        done
    }

    fn left(&self) -> usize {
        fs::read_dir(&self.work).map_or(0, Iterator::count)
    }

    /// A script's first lines: start a grandchild that runs on, and tell its number.
    fn grandchild(&self) -> String {
        format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}\n", self.dir.path().join("grandchild").display())
    }

    async fn grandchild_started(&self) -> String {
        let path = self.dir.path().join("grandchild");
        until(|| path.exists()).await;
        fs::read_to_string(path).unwrap().trim().to_owned()
    }

    async fn grandchild_is_gone(&self) {
        let id = self.grandchild_started().await;
        // Gone, or dead and not yet reaped by whoever inherited it.
        until(|| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat"));
            stat.map_or(true, |stat| stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
        })
        .await;
    }
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "it did not happen in time");
        time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn the_program_reads_the_request_and_its_one_document_is_the_result() {
    let bench = Bench::new();
    let mut job = bench.job("cat; echo; printf 'note' >&2");
    fs::write(bench.dir.path().join("a.csv"), "1,2\n").unwrap();
    let input = Input { path: bench.dir.path().join("a.csv"), media: Some("text/csv".to_owned()) };
    job.inputs.insert("table".to_owned(), input);
    job.feedback = Some(json!(["rows"]));
    let output = bench.run(job).await.unwrap();
    let expected = json!({
        "hire": "ab".repeat(32), "skill": "text/count", "attempt": 1, "params": { "unit": "words" },
        "inputs": { "table": { "path": "inputs/table", "media": "text/csv", "size": 4 } }, "feedback": ["rows"],
    });
    assert_eq!(output.result, expected);
    assert_eq!(serde_json::from_slice::<Value>(&output.bytes).unwrap(), expected);
    assert_eq!(output.stderr, b"note");
}

#[tokio::test]
async fn inputs_are_copies_that_are_read_only() {
    let bench = Bench::new();
    let original = bench.dir.path().join("original");
    fs::write(&original, "17").unwrap();
    let mut job = bench.job("chmod u+w inputs/n; cat inputs/n; echo 99 > inputs/n; [ -d inputs ] || exit 1");
    job.inputs.insert("n".to_owned(), Input { path: original.clone(), media: None });
    job.keep_dir = true;
    let (_agent, _heard, own) = line();
    let output = run(&bench.work, job, own).await.unwrap();
    assert_eq!(output.result, json!(17));
    assert_eq!(fs::read(original).unwrap(), b"17");
    let kept = output.dir.unwrap();
    assert!(kept.join("agent/inputs/n").exists());
    super::super::leftovers::reap_leftovers(&bench.work).unwrap();
    assert!(kept.exists(), "what is kept for people stays");

    let mut job = bench.job("ls -l inputs/n | grep -q '^-r--r--r--' && echo true");
    job.inputs.insert("n".to_owned(), Input { path: bench.dir.path().join("original"), media: None });
    let (_agent, _heard, own) = line();
    assert_eq!(run(&bench.work, job, own).await.unwrap().result, json!(true));
}

#[tokio::test]
async fn the_environment_is_stripped_and_the_directory_is_its_own() {
    let bench = Bench::new();
    let script = r#"cd "$HOME"; printf '["%s", "%s", %s]' "$(pwd -P)" "$TMPDIR" "$(env | sed 's/=.*//' | sort | tr '\n' ' ' | sed 's/.*/"&"/')""#;
    let output = bench.run(bench.job(script)).await.unwrap();
    let names: Vec<_> = output.result[2].as_str().unwrap().split_whitespace().collect();
    // The shell itself adds the last four.
    let known = [
        "GIGMESH_ANSWERS",
        "GIGMESH_HIRE",
        "GIGMESH_REPORT",
        "HOME",
        "LANG",
        "PATH",
        "TMPDIR",
        "OLDPWD",
        "PWD",
        "SHLVL",
        "_",
    ];
    let secret = |name: &std::ffi::OsString| name.to_str().is_none_or(|name| !known.contains(&name));
    assert!(std::env::vars_os().any(|(name, _)| secret(&name)), "there is nothing to keep from the agent");
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    assert!(known[..7].iter().all(|name| names.contains(name)), "{names:?}");
    let own = Path::new(output.result[1].as_str().unwrap());
    assert!(own.starts_with(&bench.work) && own.ends_with("agent"), "{}", own.display());
}

#[tokio::test]
async fn anything_but_one_document_is_an_error_that_shows_it_safely() {
    let bench = Bench::new();
    for (script, shown) in [
        ("printf 'Hello \\033[31m'", "Hello \\u{1b}[31m"),
        ("echo '{} {}'", "{} {}"),
        ("true", ""),
        ("printf '\\377'", "\u{fffd}"),
    ] {
        match bench.run(bench.job(script)).await {
            Err(WorkError::NotJson { shown: said, .. }) => assert_eq!(said, shown),
            other => panic!("{script}: {other:?}"),
        }
    }
    let long = bench.run(bench.job("yes | head -c 5000")).await;
    assert!(matches!(long, Err(WorkError::NotJson { shown, .. }) if shown.chars().count() <= 2 * QUOTE));
}

#[tokio::test]
async fn a_failure_tells_the_code_and_the_last_words() {
    let bench = Bench::new();
    let script = "echo '{}'; yes | head -c 200000 >&2; printf '\\ncannot \\033[2J read' >&2; exit 3";
    let error = bench.run(bench.job(script)).await.unwrap_err();
    let WorkError::Failed { status, stderr } = &error else { panic!("{error}") };
    assert_eq!(status.code(), Some(3));
    assert!(stderr.ends_with("\\ncannot \\u{1b}[2J read") && stderr.len() < 3 * STDERR_QUOTE);
    assert!(error.to_string().contains("exit status: 3"));
}

#[tokio::test]
async fn a_program_that_is_not_there_says_so() {
    let bench = Bench::new();
    for program in ["./missing", "no-such-program-anywhere"] {
        let job = Job { command: vec![program.to_owned()], ..bench.job("") };
        assert!(matches!(bench.run(job).await, Err(WorkError::Start { .. })));
    }
    let job = Job { command: Vec::new(), ..bench.job("") };
    assert!(matches!(bench.run(job).await, Err(WorkError::Job(_))));
}

#[tokio::test]
async fn too_much_output_ends_the_group() {
    let bench = Bench::new();
    let job = bench.job(&format!("{}yes", bench.grandchild()));
    assert!(matches!(bench.run(job).await, Err(WorkError::TooMuch(10_000))));
    bench.grandchild_is_gone().await;
}

#[tokio::test]
async fn a_timeout_ends_the_group() {
    let bench = Bench::new();
    let job = bench.job(&format!("{}wait", bench.grandchild()));
    // On a busy machine the grandchild may need longer to start; a run without one proves nothing.
    for timeout in [200, 1_000, 5_000].map(Duration::from_millis) {
        let done = bench.run(Job { timeout, ..job.clone() }).await;
        assert!(matches!(done, Err(WorkError::Timeout(told)) if told == timeout));
        if bench.dir.path().join("grandchild").exists() {
            break;
        }
    }
    bench.grandchild_is_gone().await;
}

#[tokio::test]
async fn what_nobody_wants_any_more_is_not_started() {
    let bench = Bench::new();
    let started = bench.dir.path().join("started");
    let (agent, _heard, line) = line();
    drop(agent);
    let done = run(&bench.work, bench.job(&format!("touch {}", started.display())), line).await;
    assert!(matches!(done, Err(WorkError::Cancelled)));
    assert!(!started.exists());
}

#[tokio::test]
async fn a_later_deadline_gives_more_time_but_no_more_than_the_operator_does() {
    let dir = tempfile::tempdir().unwrap();
    let (_, answers) = dialogue::open(dir.path(), "ab").unwrap();
    let (short, long, most) = (Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(250));
    for (granted, least) in [(Duration::ZERO, short), (long, long), (Duration::MAX, most)] {
        let job = Job { timeout: most, left: short, ..job(dir.path(), "") };
        let (agent, _heard, Line { mut told, .. }) = line();
        agent.send(answer("go on", granted)).await.unwrap();
        match lead(&mut told, &answers, &job, Instant::now()).await {
            // On a busy machine the answer may come later, and the time then ends later.
            WorkError::Timeout(time) => assert!((least..=most).contains(&time), "{granted:?}: {time:?}"),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn an_agent_says_how_far_it_is_asks_and_reads_the_answer() {
    let bench = Bench::new();
    let (agent, mut heard, line) = line();
    let script = r#"
        echo '{"percent": 40, "note": "half of the pages"}' >> "$GIGMESH_REPORT"
        echo '{"ask": "bytes or characters?"}' > "$GIGMESH_REPORT"
        until [ -s "$GIGMESH_ANSWERS" ]; do sleep 0.02; done
        printf '{"percent": 100}' >> "$GIGMESH_REPORT"
        cat "$GIGMESH_ANSWERS""#;
    let talk = async {
        let mut said = Vec::new();
        while let Some(words) = heard.recv().await {
            if matches!(words, Words::Question(_)) {
                agent.send(answer("cha\"racters\n", SOON)).await.unwrap();
            }
            said.push(words);
        }
        said
    };
    let (output, said) = tokio::join!(run(&bench.work, bench.job(script), line), talk);
    let expected =
        json!({ "question": "07".repeat(32), "answer": "cha\"racters\n", "due": "1970-01-01T00:00:01.000Z" });
    assert_eq!(output.unwrap().result, expected);
    let progress = |percent, note: Option<&str>| Words::Progress { percent, note: note.map(str::to_owned) };
    let asked = Words::Question("bytes or characters?".to_owned());
    // The last was said within the second, and without the end of its line.
    assert_eq!(said, [progress(40, Some("half of the pages")), asked, progress(100, None)]);
}

#[tokio::test]
async fn what_an_agent_puts_in_the_place_of_its_report_leads_nowhere() {
    let bench = Bench::new();
    let (agent, mut heard, line) = line();
    let outside = bench.dir.path().join("outside");
    let theirs = "{\"percent\": 66}\n";
    fs::write(&outside, theirs).unwrap();
    let script = format!(
        r#"
        exec 3>"$GIGMESH_REPORT" 4<"$GIGMESH_ANSWERS"
        for way in "$GIGMESH_REPORT" "$GIGMESH_ANSWERS"; do rm "$way"; ln -s {} "$way"; done
        echo '{{"ask": "well?"}}' >&3
        until read -r line <&4; do sleep 0.02; done
        echo 1"#,
        outside.display()
    );
    let talk = async {
        let asked = heard.recv().await;
        agent.send(answer("no", SOON)).await.unwrap();
        (asked, heard.recv().await)
    };
    let (output, said) = tokio::join!(run(&bench.work, bench.job(&script), line), talk);
    assert_eq!(output.unwrap().result, json!(1));
    assert_eq!(said, (Some(Words::Question("well?".to_owned())), None));
    assert_eq!(fs::read_to_string(outside).unwrap(), theirs);
}

#[tokio::test]
async fn an_agent_that_reports_without_end_harms_only_itself() {
    let bench = Bench::new();
    let (_agent, mut heard, line) = line();
    let script = r#"
        yes '{"percent": 7' | head -c 300000 > "$GIGMESH_REPORT"
        printf '\n{"percent": 8}' > "$GIGMESH_REPORT"
        echo 1"#;
    let said = async { heard.recv().await };
    let (output, said) = tokio::join!(run(&bench.work, bench.job(script), line), said);
    assert_eq!(output.unwrap().result, json!(1));
    assert_eq!(said, Some(Words::Progress { percent: 8, note: None }));
}

#[tokio::test]
async fn cancelling_and_dropping_end_the_group() {
    let bench = Bench::new();
    let job = bench.job(&format!("{}wait", bench.grandchild()));
    let (agent, _heard, said) = line();
    let stop = async {
        bench.grandchild_started().await;
        drop(agent);
    };
    let (cancelled, ()) = tokio::join!(run(&bench.work, job.clone(), said), stop);
    assert!(matches!(cancelled, Err(WorkError::Cancelled)));
    assert_eq!(bench.left(), 0);
    bench.grandchild_is_gone().await;

    fs::remove_file(bench.dir.path().join("grandchild")).unwrap();
    let (_agent, _heard, said) = line();
    select! {
        done = run(&bench.work, job, said) => panic!("{done:?}"),
        _ = bench.grandchild_started() => {}
    }
    bench.grandchild_is_gone().await;
    assert_eq!(bench.left(), 0);
}

#[tokio::test]
async fn a_grandchild_that_holds_the_pipes_does_not_hold_the_result() {
    let bench = Bench::new();
    let job = bench.job(&format!("{}echo 1", bench.grandchild()));
    assert_eq!(bench.run(job).await.unwrap().result, json!(1));
    bench.grandchild_is_gone().await;
}

#[tokio::test]
async fn a_program_may_ignore_a_long_request() {
    let bench = Bench::new();
    let job = Job { params: json!("x".repeat(1 << 20)), ..bench.job("echo 1") };
    assert_eq!(bench.run(job).await.unwrap().result, json!(1));
}

#[tokio::test]
async fn inputs_have_names_that_stay_in_their_directory() {
    let bench = Bench::new();
    for name in ["", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a b", "é", &"x".repeat(65)] {
        let mut job = bench.job("echo 1");
        job.inputs.insert(name.to_owned(), Input { path: bench.dir.path().join("agent.sh"), media: None });
        assert!(matches!(bench.run(job).await, Err(WorkError::Job(_))), "{name:?}");
    }
}

#[test]
fn what_the_operator_wrote_relative_to_the_configuration_is_found_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let here = |path: &str| dir.path().join(path).to_str().unwrap().to_owned();
    let command = ["bin/agent", "agent.sh", "--fast", "missing.py", "", "/etc/hostname", "."];
    let job = Job { command: command.map(str::to_owned).into(), ..job(dir.path(), "") };
    let expected = [&here("bin/agent"), &here("agent.sh"), "--fast", "missing.py", "", "/etc/hostname", "."];
    assert_eq!(job.resolved().unwrap(), expected);
}
