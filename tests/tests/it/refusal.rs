//! What is wrong is said once, with what to do about it; the exit code says whose it is to put right; nothing is written.

use std::fs::{self, Permissions};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use gigmesh_tests::{Market, Node, Output, Setup, Transport, home, run, snapshot, temp_dir};
use serde_json::Value;

use crate::tasks::{counter, quick};

/// Checks that a command was refused as something to put right: one message, which contains these words.
fn refused(output: &Output, words: &[&str]) {
    assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
    let lines: Vec<&str> = output.stderr.lines().collect();
    let (error, rest) = lines.split_first().unwrap_or_else(|| panic!("nothing is said: {output:?}"));
    assert!(error.starts_with("error: "), "{output:?}");
    assert!(matches!(rest, []) || matches!(rest, [hint] if hint.starts_with("hint: ")), "one message: {output:?}");
    for word in words {
        assert!(output.stderr.contains(word), "{word:?} is not in {output:?}");
    }
}

/// A data directory of a node that was stopped, and the arguments that start it again.
fn stopped(dir: &Path) -> (PathBuf, Vec<String>) {
    let mut node = Node::start(&home(dir, "node"), "node", &Setup::default());
    node.stop();
    // Without `--json`: the messages are for people here.
    let args = node.args().iter().filter(|arg| *arg != "--json").cloned().collect();
    (node.data_dir(), args)
}

#[test]
fn a_taken_port_is_refused_and_nothing_is_written() {
    let dir = temp_dir();
    let data = dir.path().join("data").display().to_string();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = [
        Transport::Tcp.address(tcp.local_addr().unwrap().port()),
        Transport::Quic.address(udp.local_addr().unwrap().port()),
    ];
    for address in taken {
        for command in ["up", "bootstrap"] {
            let output = run(dir.path(), &[command, "--listen", &address, "--data-dir", &data]);
            refused(&output, &[&address, "already in use"]);
            assert!(!Path::new(&data).exists(), "{command} has made its data directory");
        }
    }
}

#[test]
fn a_data_directory_in_use_is_refused_with_the_process_that_holds_it() {
    let mut market = Market::create(&[]);
    let holder = format!("process {}", market.requester.process().id());
    let data = market.requester.data_dir();
    let before = snapshot(&data);
    for command in ["up", "bootstrap"] {
        let listen = Transport::Tcp.address(0);
        let output = run(market.dir(), &[command, "--listen", &listen, "--data-dir", &data.display().to_string()]);
        refused(&output, &["in use by", &holder]);
    }
    assert_eq!(snapshot(&data), before);
    market.requester.ask(&["id"]);
}

#[test]
fn every_mistake_in_a_configuration_has_its_place_and_nothing_is_written() {
    let good = "[agent]\nname = \"desk\"\nversion = \"1\"\n[serve]\nfrom = \"anyone\"\n[[skill]]\npath = \"a/b\"\n\
                price = \"1 USD per task\"\nexpect = \"30s\"\n[skill.run]\ncommand = [\"true\"]\n";
    let cases = [
        ("version =", "verison =", ":3:1", "did you mean `version`?"),
        ("\"anyone\"", "\"somebody\"", ":5:8", "\"nobody\", \"anyone\" or a list of agent ids"),
        ("\"a/b\"", "\"A B\"", ":7:8", ""),
        ("1 USD per task", "one dollar", ":8:9", ""),
        ("\"30s\"", "\"soon\"", ":9:10", ""),
        ("[\"true\"]", "[]", ":11:11", "a program and its arguments"),
        ("[\"true\"]", "[\"no-such-program\"]", ":11:11", "is not on PATH"),
        ("[agent]", "[agent", ":1:", ""),
        ("[agent]\nname = \"desk\"\nversion = \"1\"\n", "", ":3:1", "[agent]"),
    ];
    let dir = temp_dir();
    let file = dir.path().join("worker.toml");
    let data = dir.path().join("data").display().to_string();
    for (written, instead, place, words) in cases {
        let text = good.replacen(written, instead, 1);
        assert_ne!(text, good);
        fs::write(&file, text).unwrap();
        let before = snapshot(dir.path());
        let config = file.display().to_string();
        let started = run(dir.path(), &["up", "--config", &config, "--data-dir", &data]);
        refused(&started, &[&format!("worker.toml{place}"), words]);
        let checked = run(dir.path(), &["config", "check", &config]);
        assert_eq!(checked, started, "`config check` says what `up` says");
        assert_eq!(snapshot(dir.path()), before);
    }
    let output = run(dir.path(), &["up", "--config", "gone.toml", "--data-dir", &data]);
    refused(&output, &["gone.toml", "cannot be read"]);
    fs::write(&file, good).unwrap();
    assert_eq!(run(dir.path(), &["config", "check", "worker.toml"]).code, Some(0), "the good one is good");
}

#[test]
fn arguments_that_make_no_sense_are_refused_before_anything_is_written() {
    let dir = temp_dir();
    let data = dir.path().join("data").display().to_string();
    let listen = Transport::Tcp.address(0);
    let cases: [(&[&str], &str); 4] = [
        (&["--listen", "here"], "multiaddress"),
        (&["--listen", &listen, "--bootstrap", "/ip4/127.0.0.1/tcp/1"], "/p2p/"),
        (&["--listen", &listen, "--network", "a/b"], "network name"),
        (&["--listen", "/dns4/example.org/tcp/1"], "cannot listen"),
    ];
    for (args, words) in cases {
        let all = [&["up", "--data-dir", &data], args].concat();
        refused(&run(dir.path(), &all), &[words]);
        let output = run(dir.path(), &[&all[..], &["--json"]].concat());
        let complaint: Value = serde_json::from_str(&output.stderr).unwrap();
        assert_eq!((output.code, &complaint["exit"]), (Some(2), &2.into()));
        assert!(complaint["error"].as_str().unwrap().contains(words), "{complaint}");
        assert!(!Path::new(&data).exists());
    }
}

#[test]
fn a_key_that_cannot_be_used_is_refused_and_never_replaced() {
    let dir = temp_dir();
    let (data, args) = stopped(dir.path());
    let key = data.join("identity.key");
    let good = fs::read(&key).unwrap();
    let check = |words: &[&str]| {
        let before = snapshot(&data);
        refused(&run(dir.path(), &args), &[words, &["identity.key"]].concat());
        assert_eq!(snapshot(&data), before);
    };
    for bad in [&good[..10], b"", &[b'z'; 64]] {
        fs::write(&key, bad).unwrap();
        check(&["not a key"]);
    }
    fs::write(&key, &good).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    check(&["chmod 600"]);
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o700)).unwrap();
    check(&["read"]);
}

/// What is in a data directory but the lock file, which names its last holder and means nothing by itself.
fn without_lock(data: &Path) -> gigmesh_tests::Snapshot {
    let mut held = snapshot(data);
    held.remove(Path::new("lock"));
    held
}

#[test]
fn a_key_that_is_gone_while_its_journal_is_there_is_not_made_anew() {
    let mut market = Market::create(&[counter()]);
    assert_eq!(market.requester.hire(&quick(&market), &[]).code, Some(0));
    market.requester.stop();
    let data = market.requester.data_dir();
    fs::remove_file(data.join("identity.key")).unwrap();
    let before = without_lock(&data);
    let args: Vec<&String> = market.requester.args().iter().filter(|arg| *arg != "--json").collect();
    refused(&run(market.dir(), &args), &["identity.key", "missing"]);
    assert_eq!(without_lock(&data), before);
}

#[test]
fn garbage_in_the_middle_of_the_journal_is_refused_and_nothing_is_cut_off() {
    let mut market = Market::create(&[counter()]);
    assert_eq!(market.requester.hire(&quick(&market), &[]).code, Some(0));
    market.requester.stop();
    let data = market.requester.data_dir();
    let file = fs::read_dir(data.join("journal")).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&file).unwrap();
    let mut bad = good.clone();
    let middle = good.len() / 2;
    bad[middle..middle + 16].fill(0x5a);
    fs::write(&file, &bad).unwrap();
    let before = without_lock(&data);
    let args: Vec<&String> = market.requester.args().iter().filter(|arg| *arg != "--json").collect();
    refused(&run(market.dir(), &args), &["journal", "is damaged at byte", "backup"]);
    assert_eq!(without_lock(&data), before);
    // With the good bytes back it is as if nothing had been.
    fs::write(&file, &good).unwrap();
    market.requester.restart();
    assert_eq!(market.requester.hires().len(), 1);
}

#[test]
fn a_task_that_makes_no_sense_is_refused_and_not_posted() {
    let market = Market::create(&[]);
    let file = quick(&market);
    let good = fs::read_to_string(&file).unwrap();
    for (written, instead, words) in [
        ("result.words == 3", "result.words = 3", "result.words = 3"),
        ("input.txt", "gone.txt", "gone.txt cannot be read"),
        ("summary", "sumary", "did you mean `summary`?"),
    ] {
        fs::write(&file, good.replacen(written, instead, 1)).unwrap();
        let output = market.requester.cli(&["hire", "--wait", &file.display().to_string()]);
        refused(&output, &["task.toml:", words]);
    }
    assert_eq!(market.requester.ask(&["hires"])["rows"], serde_json::json!([]));
    refused(&market.requester.cli(&["show", "abcdef"]), &["abcdef"]);
}
