//! The command as a researcher meets it, on made-up data.

use std::path::PathBuf;
use std::process::{Command, Output};

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gigmesh-sim")).args(args).output().expect("the binary was built with this test")
}

struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gigmesh-sim-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, text).expect("the temporary directory takes files");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("it is made of ASCII")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Forty users: 1 to 10 are rated well by most, 11 to 14 badly; user 1 labels.
fn network() -> (String, String) {
    let mut text = String::new();
    for at in 0..300u32 {
        let (rater, subject) = (1 + (at * 7 + at / 11) % 40, 1 + (at * 5 + at / 3) % 14);
        if rater != subject {
            let good = i32::try_from(at % 5).expect("it is below 5");
            let rating = if subject > 10 { -1 - good } else { 1 + good };
            text += &format!("{rater},{subject},{rating},{}\n", 86_400 * at);
        }
    }
    text += "1,2,5,1\n1,3,5,2\n2,11,-5,3\n3,12,-5,4\n2,4,5,5\n";
    (text, "2,+1\n3,+1\n4,+1\n11,-1\n12,-1\n".to_owned())
}

fn check(args: &[&str]) -> String {
    let (first, second) = (sim(args), sim(args));
    assert!(first.status.success(), "{args:?}: {}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(first.stdout, second.stdout, "a seed run twice prints the same");
    let text = String::from_utf8(first.stdout).expect("it is text");
    let wide = text.lines().find(|line| line.chars().count() > 80);
    assert_eq!(wide, None, "every line fits 80 columns");
    let json = sim(&[args, &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
    assert_eq!(json["settings"]["seed"], 5);
    assert!(json["tables"].as_array().is_some_and(|tables| !tables.is_empty()));
    text
}

#[test]
fn every_command_prints_the_same_twice_within_80_columns_and_as_json() {
    let (ratings, labels) = network();
    let (otc, labels) = (File::new("otc", &ratings), File::new("labels", &labels));
    let common = ["--otc", otc.path(), "--seed", "5", "--resamples", "20"];
    let correctness = check(&[&["reputation", "correctness", "--viewers", "3"], &common[..]].concat());
    assert!(correctness.contains("certificate"), "{correctness}");
    let predict = check(&[&["reputation", "predict", "--leave-one-out"], &common[..]].concat());
    assert!(predict.contains("anchor") && predict.contains("fairness x goodness"), "{predict}");
    let fraud = ["reputation", "fraud", "--labels", labels.path(), "--viewers", "3"];
    let fraud = check(&[&fraud, &common[..]].concat());
    assert!(fraud.contains("2 fraudulent among 5 labelled"), "{fraud}");
    let interval = check(&[&["reputation", "interval", "--every", "9"], &common[..]].concat());
    assert!(interval.contains("covered %"), "{interval}");
    let attack =
        ["reputation", "attack", "slander", "--targets", "2", "--viewers", "2", "--model", "raw-mean,ours-low"];
    let attack = check(&[&attack, &common[..]].concat());
    assert!(attack.contains("Slander"), "{attack}");
    let drawn = File::new("svg", "");
    let draw = ["--svg", drawn.path()];
    let story = check(
        &[&["reputation", "attack", "swapped", "--model", "raw-mean,ours-low", "--seed", "5"][..], &draw].concat(),
    );
    assert!(story.contains("shows"), "{story}");
    let picture = std::fs::read_to_string(drawn.path()).expect("it was written");
    assert!(picture.starts_with("<svg") && picture.contains("ours-low") && picture.trim_end().ends_with("</svg>"));
    let market = check(&["reputation", "market", "--runs", "1", "--model", "raw-mean", "--seed", "5"]);
    assert!(market.contains("70%"), "{market}");
}

#[test]
fn all_writes_a_file_for_each_step_that_begins_with_its_command() {
    let (otc, labels) = (File::new("all-otc", "1,2,5,1\n"), File::new("all-labels", "2,+1\n"));
    let advogato = File::new("all-advogato", "from to level\n1 2 .8\n");
    let out = std::env::temp_dir().join(format!("gigmesh-sim-cli-{}-out", std::process::id()));
    let files = ["--otc", otc.path(), "--labels", labels.path(), "--advogato", advogato.path()];
    let out_path = out.to_str().expect("it is made of ASCII");
    let args = [&["reputation", "all", "--only", "swapped,forged", "--out", out_path], &files[..]].concat();
    let output = sim(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut written: Vec<_> = std::fs::read_dir(&out)
        .expect("it was made")
        .map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is ASCII"))
        .collect();
    written.sort();
    assert_eq!(written, ["forged.json", "forged.txt", "swapped.json", "swapped.svg", "swapped.txt"]);
    let text = std::fs::read_to_string(out.join("swapped.txt")).expect("it was written");
    assert!(text.starts_with("$ gigmesh-sim reputation attack swapped\n"), "{text}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("swapped.txt, json, svg"));
    std::fs::remove_dir_all(out).expect("it is ours");
}

#[test]
fn halves_do_not_overlap_and_models_are_chosen_by_name() {
    let otc = File::new("halves", &network().0);
    let scored = |half: &str| {
        let args = ["reputation", "predict", "--otc", otc.path(), "--half", half, "--model", "beta", "--json"];
        let json: serde_json::Value = serde_json::from_slice(&sim(&args).stdout).expect("it is JSON");
        assert_eq!(json["tables"][0]["rows"][0]["model"], "beta");
        json["settings"]["scored"].as_u64().expect("a count")
    };
    assert_eq!(scored("first") + scored("second"), scored("all"));
}

#[test]
fn what_the_user_got_wrong_is_said_and_the_exit_code_is_2() {
    let broken = File::new("broken", "1,2,3,4\n1,2,30,4\n");
    for (args, said) in [
        (vec!["reputation", "predict", "--otc", broken.path()], "line 2: a rating of 30 is not between -10 and 10"),
        (vec!["reputation", "predict", "--otc", "/nowhere"], "cannot read /nowhere"),
        (
            vec!["reputation", "predict", "--otc", broken.path(), "--model", "best"],
            "no such model; there are global-mean",
        ),
    ] {
        let output = sim(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(said), "{error}");
    }
}
