//! A node's data after the node: looked through, moved to another place with its key, and what it proves to strangers.

use std::fs;
use std::path::Path;

use gigmesh_tests::{Market, Node, Output, SOON, Setup, home, run, temp_dir, wait_until};
use serde_json::Value;

use crate::tasks::{counter, quick};

/// A market in which one hire was accepted and rated both ways, and its id.
fn settled() -> (Market, String) {
    let market = Market::create(&[counter()]);
    market.requester.post(&quick(&market), None);
    let hire = market.requester.first_hire();
    for node in [&market.requester, &market.workers[0]] {
        node.settled(&hire);
        for agent in [&market.requester.agent, &market.workers[0].agent] {
            wait_until("the rating of each by the other", SOON, || {
                let view = node.ask(&["reputation", agent]);
                (view["ratings"].as_array().unwrap().len() == 1).then_some(())
            });
        }
    }
    (market, hire)
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn done(output: Output) -> Output {
    assert_eq!(output.code, Some(0), "{output:?}");
    output
}

fn refused(output: &Output, words: &[&str]) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
    for word in words {
        assert!(output.stderr.contains(word), "{word:?} is not in {output:?}");
    }
}

#[test]
fn a_hires_transcript_convinces_a_stranger_and_a_changed_byte_is_found() {
    let (market, hire) = settled();
    let stranger = temp_dir();
    let dir = stranger.path();
    for (node, more) in
        [(&market.requester, &["--result"][..]), (&market.workers[0], &[]), (&market.requester, &["--public"])]
    {
        let file = path(&dir.join(format!("{}{}", node.agent, more.len() + more.concat().len())));
        done(node.cli(&[&["export", &hire, &file], more].concat()));
        // Nobody's data directory, no node: only the file.
        let found = done(run(dir, &["verify", &file, "--json"])).json();
        assert_eq!((&found["valid"], &found["agreed"]), (&true.into(), &true.into()));
        assert_eq!(found["hire"], *hire);
        assert_eq!(
            (&found["requester"], &found["worker"]),
            (&(*market.requester.agent).into(), &(*market.workers[0].agent).into())
        );
        assert_eq!(found["outcome"], "accepted");
        assert_eq!(found["terms"].is_null(), more == ["--public"], "{found}");
        let ratings = found["ratings"].as_array().unwrap();
        assert!(ratings.len() == 2 && ratings.iter().all(|rating| rating["seal"] == "opened"), "{found}");
        let said = done(run(dir, &["verify", &file])).stdout;
        assert!(said.contains("closed by both: accepted") && said.contains("Not proven:"), "{said}");
        refused(&node.cli(&["export", &hire, &file]), &["exists"]);
        // One digit of one envelope.
        let mut text = fs::read_to_string(&file).unwrap();
        let at = text.rfind("\"record\":\"").unwrap() + 200;
        let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
        text.replace_range(at..=at, other);
        fs::write(&file, text).unwrap();
        refused(&run(dir, &["verify", &file]), &[&file, "record "]);
        fs::remove_file(&file).unwrap();
    }
    refused(&run(dir, &["verify", "nowhere"]), &["nowhere"]);
}

#[test]
fn an_agent_moves_with_its_key_and_its_hires() {
    let (mut market, hire) = settled();
    let requester = &mut market.requester;
    let before = requester.show(&hire);
    refused(&requester.cli(&["store", "check"]), &["in use by process", "stop it"]);
    let away = temp_dir();
    let (export, key, secret) = (away.path().join("export"), away.path().join("key"), away.path().join("secret"));
    fs::write(&secret, "an apple a day\n").unwrap();
    let (export, key, secret) = (path(&export), path(&key), path(&secret));
    // The key can be had while the node runs.
    done(requester.cli(&["id", "backup", &key, "--passphrase-file", &secret]));
    requester.stop();
    let sound = done(requester.cli(&["store", "check", "--json"])).json();
    assert_eq!(
        (sound["faults"].as_array().unwrap().len(), &sound["hires_closed"], &sound["ratings"]),
        (0, &1.into(), &2.into())
    );
    done(requester.cli(&["store", "export", "--blobs", &export]));

    let new = home(away.path(), "new");
    let data = path(&new.join("data"));
    let there = |args: &[&str]| run(&new, &[args, &["--data-dir", &data]].concat());
    let said = done(there(&["store", "import", &export])).stdout;
    assert!(said.contains("gigmesh id restore"), "{said}");
    fs::write(away.path().join("wrong"), "an apple a week\n").unwrap();
    let wrong = path(&away.path().join("wrong"));
    refused(&there(&["id", "restore", &key, "--passphrase-file", &wrong]), &["passphrase is not the one"]);
    let said = done(there(&["id", "restore", &key, "--passphrase-file", &secret])).stdout;
    assert!(said.contains(&requester.agent) && said.contains("Never run two nodes with one key"), "{said}");
    refused(&there(&["id", "restore", &key, "--passphrase-file", &secret]), &["never overwritten"]);
    refused(&there(&["store", "import", &export]), &["has a journal already"]);
    assert_eq!(done(there(&["store", "check", "--json"])).json(), sound);

    let setup = Setup { doors: vec![market.bootstrap.address.clone()], ..Setup::default() };
    let moved = Node::start(&new, "moved", &setup);
    assert_eq!(moved.agent, market.requester.agent);
    let strip = |shown: &Value| ["row", "records", "checks", "result", "held"].map(|part| shown[part].clone());
    assert_eq!(strip(&moved.show(&hire)), strip(&before));
    // It is at work: its worker hires out to it again.
    let again = moved.hire(&quick(&market), &[]);
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
fn a_hire_in_the_archive_is_still_listed_shown_and_exported() {
    let (mut market, hire) = settled();
    let stranger = temp_dir();
    let strip = |shown: &Value| ["row", "records", "checks", "result", "held", "why"].map(|part| shown[part].clone());
    let rows = |node: &Node, more: &[&str]| {
        let rows = node.ask(&[&["hires"], more].concat())["rows"].as_array().unwrap().clone();
        rows.into_iter().map(|row| row["hire"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    for node in [&mut market.requester, &mut market.workers[0]] {
        wait_until("nothing is on its way", SOON, || (node.ask(&["status"])["outbox"] == 0).then_some(()));
        let before = node.show(&hire);
        node.stop();
        let moved = done(node.cli(&["store", "compact", "--keep", "0", "--json"])).json();
        assert!(moved["archived"].as_u64() > Some(8), "{moved}");
        let sound = done(node.cli(&["store", "check", "--json"])).json();
        assert_eq!((&sound["hires_closed"], &sound["archived"]), (&0.into(), &moved["archived"]));
        node.restart();
        assert_eq!(rows(node, &[]), [""; 0]);
        assert_eq!(rows(node, &["--all"]), std::slice::from_ref(&hire));
        assert_eq!(rows(node, &["--all", "--limit", "1"]), std::slice::from_ref(&hire));
        assert_eq!(strip(&node.show(&hire)), strip(&before));
        assert_eq!(strip(&node.show(&hire[..12])), strip(&before));
        refused(&node.cli(&["show", "0123456789"]), &["no offer, claim or hire"]);
        let file = path(&stranger.path().join(&node.agent));
        done(node.cli(&["export", &hire, &file, "--result"]));
        let found = done(run(stranger.path(), &["verify", &file, "--json"])).json();
        assert_eq!((&found["agreed"], found["ratings"].as_array().unwrap().len()), (&true.into(), 2));
        // Without its index the archive is read whole.
        let index = node.data_dir().join("journal/archive/00000000000000000001.idx");
        fs::remove_file(index).unwrap();
        assert_eq!(strip(&node.show(&hire)), strip(&before));
    }
    // Both go on from what is left.
    let again = market.requester.hire(&quick(&market), &[]);
    assert_eq!(again.code, Some(0), "{again:?}");
    let listed = rows(&market.requester, &["--all"]);
    assert_eq!((listed.len(), &listed[1]), (2, &hire), "the living first");
}

#[test]
fn damage_is_found_and_a_rebuilt_store_is_sound_again() {
    let (mut market, _) = settled();
    let worker = &mut market.workers[0];
    worker.stop();
    fs::write(worker.data_dir().join("ratings/db"), []).unwrap();
    let report = worker.cli(&["store", "check"]);
    assert_eq!(report.code, Some(2), "{report:?}");
    assert!(report.stdout.contains("gigmesh store rebuild"), "{report:?}");
    let said = done(worker.cli(&["store", "rebuild"])).stdout;
    assert!(said.contains("1 ratings of this agent's own"), "{said}");
    done(worker.cli(&["store", "check"]));
    worker.restart();
    let blobs = worker.data_dir().join("blobs");
    let blob = fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_file()).unwrap();
    worker.stop();
    fs::remove_file(blob).unwrap();
    let report = worker.cli(&["store", "check"]);
    assert_eq!(report.code, Some(2), "{report:?}");
    assert!(report.stdout.contains("is wanted by a hire and not here"), "{report:?}");
}
