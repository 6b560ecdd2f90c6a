//! What a newcomer may think of strangers: nothing, until it says whose judgement it takes for its own.

use std::fs;

use gigmesh_tests::{Market, Node, SOON, Setup, home, wait_until};
use serde_json::{Value, json};

use crate::tasks::{SKILL, counter, quick};

/// What a node thinks of an agent, once it is as wanted.
fn seen(node: &Node, agent: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_until(what, SOON, || Some(node.ask(&["reputation", agent])).filter(|view| wanted(view)))
}

/// Prior and contributions, added up.
fn sum(explained: &Value) -> f64 {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("a number is wanted: {explained}"));
    let raters = explained["raters"].as_array().unwrap();
    let parts = raters.iter().map(|rater| {
        let ratings = rater["ratings"].as_array().unwrap();
        let of_ratings: f64 = ratings.iter().map(|rating| number(&rating["contribution"])).sum();
        assert!((of_ratings - number(&rater["contribution"])).abs() < 1e-9, "{rater}");
        number(&rater["contribution"])
    });
    parts.sum::<f64>() + number(&explained["prior"]) + number(&explained["others"])
}

#[test]
fn a_newcomer_sees_through_the_eyes_of_whom_it_has_pinned_until_it_takes_that_back() {
    let market = Market::create(&[counter()]);
    let (friend, worker) = (&market.requester, &market.workers[0]);
    let setup = Setup { doors: vec![market.bootstrap.address.clone()], ..Setup::default() };
    let mut newcomer = Node::start(&home(market.dir(), "newcomer"), "newcomer", &setup);
    wait_until("the newcomer to know the worker", SOON, || (!newcomer.rows(&["find", SKILL]).is_empty()).then_some(()));
    let file = quick(&market);
    for _ in 0..2 {
        let hired = friend.hire(&file, &[]);
        assert_eq!(hired.code, Some(0), "{hired:?}");
    }
    let of_friend = |view: &Value| {
        let ratings = view["ratings"].as_array().unwrap().iter();
        ratings.filter(|rating| rating["by"] == json!(friend.agent)).count()
    };
    let mine = seen(friend, &worker.agent, "the view of who has hired", |view| of_friend(view) == 2);
    assert!(mine["overall"]["mine"]["overall"]["mean"].as_f64().unwrap() > 0.5, "{mine}");

    // What is on record is heard of, and is no view.
    let view = seen(&newcomer, &worker.agent, "two ratings at the newcomer", |view| of_friend(view) == 2);
    let columns = &view["overall"];
    assert_eq!((&columns["mine"], &columns["pinned"], &view["seeds"]), (&Value::Null, &Value::Null, &json!(0)));
    assert_eq!((&columns["facts"]["hires"], &columns["facts"]["counterparties"]), (&json!(2), &json!(1)));
    let told = newcomer.cli(&["reputation", &worker.agent, "--explain"]).stdout;
    for words in ["no view yet", "2 of 2 accepted", "`gigmesh trust add AGENT", "why my view says nothing"] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }

    let pinned = newcomer.ask(&["trust", "add", &friend.agent]);
    assert_eq!((&pinned["pinned"], &pinned["ratings"], &pinned["seeds"]), (&json!(true), &json!(2), &json!(1)));
    for restarted in [false, true] {
        if restarted {
            newcomer.stop();
            newcomer.restart();
        }
        let seeds = newcomer.rows(&["trust", "list"]);
        assert_eq!((seeds.len(), &seeds[0]["agent"]), (1, &json!(friend.agent)));
        let view =
            seen(&newcomer, &worker.agent, "a view through the friend", |view| !view["overall"]["pinned"].is_null());
        assert_eq!(view["overall"]["mine"], Value::Null, "{view}");
        let mean = view["skills"][SKILL]["pinned"]["overall"]["mean"].as_f64().unwrap();
        assert!(mean > 0.5, "{view}");

        let view = newcomer.ask(&["reputation", &worker.agent, "--skill", SKILL, "--explain"]);
        let why = &view["explained"];
        assert_eq!(why["mine"], Value::Null);
        let score = why["pinned"]["score"].as_f64().unwrap();
        assert!((score - mean).abs() < 1e-6 && (sum(&why["pinned"]) - score).abs() < 1e-9, "{why}");
        let rater = &why["pinned"]["raters"][0];
        assert_eq!((&rater["rater"], &rater["paths"][0]["agents"]), (&json!(friend.agent), &json!([friend.agent])));
        let told = newcomer.cli(&["reputation", &worker.agent, "--skill", SKILL, "--explain"]).stdout;
        for words in
            [&format!("of the walk: my seed {}\n", &friend.agent[..8]), "2 hires, the newest of ", "no view yet"]
        {
            assert!(told.contains(words), "{words} is not in\n{told}");
        }
    }
    let told = newcomer.cli(&["find", SKILL]).stdout;
    assert!(told.contains("no view yet  0.") && told.contains("2 of 2"), "three columns: {told}");

    let taken_back = newcomer.ask(&["trust", "remove", &friend.agent[..8]]);
    assert_eq!((&taken_back["pinned"], &taken_back["seeds"]), (&json!(false), &json!(0)));
    for restarted in [false, true] {
        if restarted {
            newcomer.stop();
            newcomer.restart();
        }
        assert_eq!(newcomer.rows(&["trust", "list"]), Vec::<Value>::new());
        let view = seen(&newcomer, &worker.agent, "the ratings again", |view| of_friend(view) == 2);
        assert_eq!((&view["overall"]["mine"], &view["overall"]["pinned"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn another_model_behind_a_name_shows_and_a_file_pins_nobody() {
    let mut market = Market::create(&[counter()]);
    let file = quick(&market);
    let hired = |market: &Market| {
        let hired = market.requester.hire(&file, &[]);
        assert_eq!(hired.code, Some(0), "{hired:?}");
    };
    hired(&market);
    let agent = market.workers[0].agent.clone();
    let mine = |view: &Value| view["overall"]["mine"].is_object();
    let view = seen(&market.requester, &agent, "the requester's own rating", mine);
    let rating = &view["ratings"][0];
    assert_eq!(
        (&view["version"], &rating["version"], &view["changed"]),
        (&json!("1.0.0"), &json!("1.0.0"), &Value::Null)
    );

    // Its file proposes a seed, too; nobody is there to be asked.
    let (worker, requester) = (&mut market.workers[0], &market.requester);
    let config = worker.home().join("worker.toml");
    let text =
        fs::read_to_string(&config).unwrap().replace("version = \"1.0.0\"", "version = \"2.0.0\"\nmodel = \"m-2\"");
    let seed = format!("[[trust.seed]]\nagent = {:?}\nname = \"who pays\"\n", requester.agent);
    fs::write(&config, text + &seed).unwrap();
    worker.stop();
    worker.restart();
    assert_eq!(worker.rows(&["trust", "list"]), Vec::<Value>::new());

    let view = seen(requester, &agent, "the new manifest", |view| view["model"] == json!("m-2"));
    let changed = &view["changed"];
    assert_eq!(
        (&changed["ratings"], &changed["earlier"], &changed["since"]["ratings"]),
        (&json!(1), &json!(1), &json!(0))
    );
    hired(&market);
    let requester = &market.requester;
    let view =
        seen(requester, &agent, "a rating of the new one", |view| view["changed"]["since"]["ratings"] == json!(1));
    let changed = &view["changed"];
    assert_eq!((&changed["ratings"], &changed["earlier"]), (&json!(2), &json!(1)));
    let told = requester.cli(&["reputation", &agent, "--skill", "text/translate"]).stdout.replace('\n', " ");
    for words in
        ["and is now model \"m-2\", version \"2.0.0\"", "where nobody has judged it yet", "no ratings of its work at"]
    {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    let told = requester.cli(&["reputation", &agent]).stdout.replace('\n', " ");
    for words in
        ["1 of 2 ratings judged an earlier model", "since the change: 1 rating by raters whose word counts here"]
    {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }
    // Who has history and meets a newcomer is told so; the worker's own history is of who hired it.
    let unknown = requester.ask(&["reputation", &"ab".repeat(32)]);
    assert_eq!(unknown["no_view"], json!("newcomer"), "{unknown}");
    let status = requester.ask(&["status"]);
    assert_eq!((&status["sight"]["seeds"], &status["sight"]["settled"]), (&json!(0), &json!(true)));
    assert_eq!(requester.metrics()["gigmesh_standing_settled"], 1);
}
