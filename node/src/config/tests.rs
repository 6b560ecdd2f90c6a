//! Each mistake an operator can make in a file is told once, with its place and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gigmesh_protocol::peer::io::From;
use gigmesh_protocol::time::Millis;

use super::*;

const GOOD: &str = r#"
[node]
data_dir = "data"
network = "lab"
bootstrap = ["/ip4/127.0.0.1/tcp/4747/p2p/12D3KooW"]

[agent]
name = "table-desk"
version = "1.4.0"

[serve]
from = "anyone"
parallel = 2

[[skill]]
path = "table/summarise"
input = "in.schema.json"
price = "0.02 USD per task"
expect = "30s"
properties = { retention_days = 0, region = "eu", since = 2026-01-01, runtime = "v1.4.0" }

[skill.run]
command = ["python", "agent.py"]
timeout = "2m"
restartable = true
"#;

fn load_text(text: &str, over: Overrides) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    load_in(dir.path(), text, over).map_err(|error| error.replace(&format!("{}/", dir.path().display()), ""))
}

fn load_in(dir: &Path, text: &str, over: Overrides) -> Result<Config, String> {
    let file = dir.join("worker.toml");
    fs::write(&file, text).unwrap();
    fs::write(dir.join("in.schema.json"), "{ \"type\": \"object\" }").unwrap();
    fs::write(dir.join("bad.schema.json"), "{ \"type\": 3 }").unwrap();
    load(Some(&file), over).map_err(|error| error.to_string())
}

#[test]
fn every_key_of_a_worker_file_is_understood() {
    let dir = tempfile::tempdir().unwrap();
    let Config { node, api, .. } = load_in(dir.path(), GOOD, Overrides::default()).unwrap();
    assert_eq!(node.data_dir, dir.path().join("data"));
    assert_eq!((node.network.as_str(), api), ("lab", None));
    assert_eq!(node.listen, DEFAULT_LISTEN);
    assert_eq!(node.bootstrap, ["/ip4/127.0.0.1/tcp/4747/p2p/12D3KooW"]);
    assert_eq!((node.peer.name.as_str(), node.peer.version.as_str()), ("table-desk", "1.4.0"));
    assert_eq!((&node.peer.from, node.peer.parallel), (&From::Anyone, 2));
    let [serving] = &node.peer.skills[..] else { panic!("{:?}", node.peer.skills) };
    assert!(serving.restartable);
    assert_eq!(serving.entry.price.to_string(), "0.02 USD per task");
    assert_eq!(serving.entry.expect, Millis::secs(30));
    assert_eq!(serving.entry.input.as_deref(), Some(r#"{"type":"object"}"#));
    let property = |key: &str| serving.entry.properties.get(&key.parse().unwrap()).unwrap().to_string();
    assert_eq!(["retention_days", "region", "since", "runtime"].map(property), ["0", "\"eu\"", "2026-01-01", "v1.4.0"]);
    let run = &node.executors[&serving.entry.path];
    assert_eq!(
        (run.command.as_slice(), run.timeout.as_secs()),
        (&["python".to_owned(), "agent.py".to_owned()][..], 120)
    );
    assert_eq!(run.dir, dir.path());
}

#[test]
fn a_flag_beats_the_file_and_the_file_beats_the_default() {
    let over = Overrides {
        data_dir: Some("elsewhere".into()),
        network: Some("other".into()),
        listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
        api: Some("api.sock".into()),
        ..Overrides::default()
    };
    let Config { node, api, .. } = load_text(GOOD, over.clone()).unwrap();
    assert_eq!((node.data_dir.to_str(), node.network.as_str()), (Some("elsewhere"), "other"));
    assert_eq!((node.listen.len(), node.bootstrap.len(), api), (1, 1, Some("api.sock".into())));
    let bare = load(None, Overrides { network: None, ..over }).unwrap().node;
    assert_eq!((bare.network.as_str(), bare.bootstrap.len(), bare.peer.skills.len()), (DEFAULT_NETWORK, 0, 0));
    assert_eq!(bare.peer.from, From::Nobody);
}

#[test]
fn a_node_looks_for_peers_on_the_lan_unless_file_or_flag_say_otherwise() {
    let mdns = |text: &str, no_mdns| load_text(text, Overrides { no_mdns, ..Overrides::default() }).unwrap().node.mdns;
    let silent = GOOD.replacen("[node]\n", "[node]\nmdns = false\n", 1);
    assert_eq!((mdns(GOOD, false), mdns(GOOD, true), mdns(&silent, false)), (true, false, false));
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_do() {
    let id = "ab".repeat(32);
    let cases = [
        // What is written, what is put in its place, the complaint.
        ("network = \"lab\"", "netwrok = \"lab\"", "4:1: unknown key `netwrok`; did you mean `network`?"),
        (
            "parallel = 2",
            "colour = 2",
            "13:1: unknown key `colour`; known here: from, parallel, credit, rating, begin, contest, arbiters, binding",
        ),
        ("[serve]", "[server]", "11:2: unknown key `server`; did you mean `serve`?"),
        ("timeout = \"2m\"", "timeuot = \"2m\"", "24:1: unknown key `timeuot`; did you mean `timeout`?"),
        ("price = \"0.02 USD per task\"\n", "", "15:1: the key `price` is missing here"),
        ("command = [\"python\", \"agent.py\"]\n", "", "22:1: the key `command` is missing here"),
        ("name = \"table-desk\"\n", "", "7:1: the key `name` is missing here"),
        (
            "[agent]\nname = \"table-desk\"\nversion = \"1.4.0\"\n",
            "",
            "12:1: an agent that offers a skill needs [agent] with `name` and `version`",
        ),
        (
            "\"table/summarise\"",
            "\"Table\"",
            "16:8: 'T' is not allowed in a skill; use a-z, 0-9 and '-', with '/' between segments",
        ),
        ("\"0.02 USD per task\"", "\"0.02\"", "18:9: an amount needs its currency, like \"0.02 USD\""),
        (
            "\"30s\"",
            "\"30 s\"",
            "19:10: \"30 s\" is not a length of time; write for example \"500ms\", \"30s\", \"5m\", \"2h\" or \"1d\"",
        ),
        ("\"30s\"", "30", "19:10: a text in quotation marks is wanted here, not integer 30"),
        (
            "\"in.schema.json\"",
            "\"gone.json\"",
            "17:9: schema \"gone.json\": cannot be read: No such file or directory (os error 2)",
        ),
        (
            "from = \"anyone\"",
            "from = [\"x\"]",
            "12:8: an agent id is wanted, as `gigmesh id` prints it: expected 64 hexadecimal digits, got \"x\"",
        ),
        (
            "from = \"anyone\"",
            "from = \"everyone\"",
            "12:8: \"nobody\", \"anyone\" or a list of agent ids is wanted here, not string \"everyone\"",
        ),
        ("parallel = 2", "parallel = 0", "13:12: from 1 to 256 hires at once"),
        ("[\"python\", \"agent.py\"]", "[]", "23:11: a program and its arguments, like [\"python\", \"agent.py\"]"),
        ("\"2m\"", "\"0s\"", "24:11: more than nothing and at most 30d"),
        ("{ retention_days = 0,", "{ retention = [[1]],", "20:14: a list has at most 16 values and holds no lists"),
        ("\"eu\"", "nan", "20:14: NaN is no number in JSON"),
        (
            "since = 2026-01-01",
            "since = [2026-01-01T10:00:00]", // Where?
            "20:14: 2026-01-01T10:00:00 is not a time; write 2026-11-21 or 2026-11-21T10:00:00Z, to the millisecond, from \
             1970 to 9999",
        ),
        ("name = \"table-desk\"", "name = \"table-desk", "8:19: "),
        ("[agent]", "[agent", "7:7: "),
    ];
    for (written, instead, complaint) in cases {
        let text = GOOD.replacen(written, instead, 1);
        assert_ne!(text, GOOD, "{written} is not in the file");
        let error = load_text(&text, Overrides::default()).map(|_| "no complaint").unwrap_err();
        let error = error.strip_prefix("worker.toml:").unwrap_or_else(|| panic!("no file: {error}"));
        let holds = if complaint.ends_with(": ") { error.starts_with(complaint) } else { error == complaint };
        assert!(holds, "{instead}\n     got {error}\nexpected {complaint}");
        assert!(!error.contains('\n'), "{error}");
    }
    let listed = GOOD.replace("\"anyone\"", &format!("[\"{id}\"]"));
    let allowed = load_text(&listed, Overrides::default()).unwrap().node.peer.from;
    assert_eq!(allowed, From::Allowlist([id.parse().unwrap()].into()));
}

#[test]
fn what_is_wrong_with_a_schema_is_told_where_it_is_named() {
    let error = load_text(&GOOD.replace("in.schema.json", "bad.schema.json"), Overrides::default()).unwrap_err();
    assert!(error.starts_with("worker.toml:17:9: schema \"bad.schema.json\": "), "{error}");
    let twice = format!("{GOOD}{}", &GOOD[GOOD.find("[[skill]]").unwrap()..]);
    let error = load_text(&twice, Overrides::default()).unwrap_err();
    assert_eq!(error, "worker.toml:27:8: table/summarise is offered twice");
}

#[test]
fn a_file_that_is_none_is_told_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let gone = load(Some(&dir.path().join("gone.toml")), Overrides::default()).unwrap_err().to_string();
    assert!(gone.ends_with("gone.toml: cannot be read: No such file or directory (os error 2)"), "{gone}");
    fs::write(dir.path().join("binary.toml"), [0xff, 0xfe]).unwrap();
    let binary = load(Some(&dir.path().join("binary.toml")), Overrides::default()).unwrap_err().to_string();
    assert!(binary.ends_with("binary.toml: is not UTF-8 text"), "{binary}");
}

#[test]
fn a_program_that_is_not_there_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let fault = |command: &str| {
        let text = GOOD.replace("[\"python\", \"agent.py\"]", command);
        let error = load_in(dir.path(), &text, Overrides::default()).unwrap().runnable().err()?;
        Some(error.to_string().replace(&format!("{}/", dir.path().display()), ""))
    };
    assert_eq!(fault("[\"sh\", \"agent.sh\"]"), None);
    assert_eq!(fault("[\"/bin/sh\"]"), None);
    let told = fault("[\"no-such-program\"]").unwrap();
    assert!(
        told.starts_with("worker.toml:23:11: the program \"no-such-program\" is not on PATH; install it"),
        "{told}"
    );

    fs::write(dir.path().join("agent.sh"), "#!/bin/sh\n").unwrap();
    let told = fault("[\"agent.sh\"]").unwrap();
    assert!(told.ends_with("is not on PATH; write \"./agent.sh\""), "{told}");
    let told = fault("[\"./agent.sh\"]").unwrap();
    assert!(told.contains("is not executable; `chmod +x "), "{told}");
    fs::set_permissions(dir.path().join("agent.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fault("[\"./agent.sh\"]"), None);
    let told = fault("[\"./gone.sh\"]").unwrap();
    assert!(told.contains("./gone.sh cannot be started: No such file"), "{told}");
    assert!(fault("[\"./\"]").unwrap().ends_with("is not a file"));
}

#[test]
fn what_is_probably_not_meant_is_said() {
    assert_eq!(load_text(GOOD, Overrides::default()).unwrap().doubt(), None);
    let closed = GOOD.replace("from = \"anyone\"\n", "");
    assert!(load_text(&closed, Overrides::default()).unwrap().doubt().unwrap().contains("nobody may hire"));
    let idle = "[serve]\nfrom = \"anyone\"\n";
    assert!(load_text(idle, Overrides::default()).unwrap().doubt().unwrap().contains("no [[skill]]"));
}

#[test]
fn seeds_are_proposed_with_a_name_and_a_reason_and_never_twice() {
    let id = "ab".repeat(32);
    let seed = format!("\n[[trust.seed]]\nagent = \"{id}\"\nname = \"the Bench\"\n");
    let with = |more: &str| load_text(&format!("{GOOD}{seed}{more}"), Overrides::default());
    let seeds = with("why = \"it tests for a living\"\n").unwrap().seeds;
    let proposed = ProposedSeed {
        agent: id.parse().unwrap(),
        name: "the Bench".to_owned(),
        why: Some("it tests for a living".to_owned()),
    };
    assert_eq!(seeds, [proposed]);
    assert_eq!(load_text(GOOD, Overrides::default()).unwrap().seeds, []);
    assert!(with(&seed).unwrap_err().contains("this agent is named twice"));
    assert!(with("reason = \"x\"\n").unwrap_err().contains("unknown key `reason`"));
    let many: String = (0..16).map(|n| seed.replace("abab", &format!("{n:04}"))).collect();
    assert!(with(&many).unwrap_err().contains("at most 16 seeds"));
    assert!(load_text(&format!("{GOOD}{}", seed.replace(&id, "abab")), Overrides::default()).is_err());
}
