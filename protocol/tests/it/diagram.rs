//! The diagram and the table of a hire's life in `protocol/README.md`, against the code they are about.
//!
//! Nothing here says what follows what. Real chains are grown: to each, either side tries every kind of record, having seen
//! all of the other's records or fewer, promptly or late, and the chain's own `admit` says which join it. What is found is
//! compared with the page, both ways: no edge may be missing, none too many. `GIGMESH_BLESS=1 cargo test -p gigmesh-protocol
//! diagram` writes both anew. A new kind of record does not compile until [`kind`] names it, and fails until [`tries`]
//! makes one that is admitted somewhere.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use gigmesh_protocol::codec::{Ext, Text};
use gigmesh_protocol::hire::Side;
use gigmesh_protocol::hire::chain::{Chain, Entry, Misfit, View};
use gigmesh_protocol::hire::rule::Rule;
use gigmesh_protocol::hire::stage::{self, Facts, Stage};
use gigmesh_protocol::id::Id;
use gigmesh_protocol::limits::{CLOSE, GRACE};
use gigmesh_protocol::market::*;
use gigmesh_protocol::record::{Beside, Payload, Record, Signer, Verified};
use gigmesh_protocol::time::{Millis, Timestamp};

use crate::samples::{AT, arbiter, random, requester, samples, worker};

const SIDES: [Side; 2] = [Side::Requester, Side::Worker];

/// The kinds of records there are. A new one is named here, and made in [`tries`].
const KINDS: [&str; 14] = [
    "begin",
    "decline",
    "withdraw",
    "brief",
    "progress",
    "question",
    "answer",
    "delivery",
    "ack",
    "verdict",
    "cancel",
    "contest",
    "receipt",
    "countersign",
];

fn kind(entry: &Entry) -> &'static str {
    match entry {
        Entry::Begin(_) => "begin",
        Entry::Decline(_) => "decline",
        Entry::Withdraw(_) => "withdraw",
        Entry::Brief(_) => "brief",
        Entry::Progress(_) => "progress",
        Entry::Question(_) => "question",
        Entry::Answer(_) => "answer",
        Entry::Delivery(_) => "delivery",
        Entry::Ack(_) => "ack",
        Entry::Verdict(_) => "verdict",
        Entry::Cancel(_) => "cancel",
        Entry::Contest(_) => "contest",
        Entry::Receipt(_) => "receipt",
        Entry::Countersign(_) => "countersign",
    }
}

/// A record as the page names it: kind, what it rules, by whom. `facts` are what its issuer saw.
fn label(entry: &Entry, side: Side, facts: &Facts, parts: usize) -> String {
    let last = facts.delivery.is_none_or(|delivery| delivery.part + 1 == parts);
    let says = match entry {
        Entry::Verdict(verdict) if verdict.ruling == Ruling::Accepted && !last => " \"accepted\" of a part".to_owned(),
        Entry::Verdict(verdict) => format!(" \"{}\"", ruling(verdict.ruling)),
        Entry::Receipt(receipt) => format!(" \"{}\"", receipt.outcome),
        _ => String::new(),
    };
    format!("{}{says} ({})", kind(entry), if side == Side::Requester { "R" } else { "W" })
}

fn ruling(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Accepted => "accepted",
        Ruling::Changes(_) => "changes",
        Ruling::Refused => "refused",
        Ruling::Unserved => "unserved",
    }
}

/// A stage as the page names it: without what it holds, but for the ruling, on which hangs what may follow.
fn name(stage: Stage) -> String {
    match stage {
        Stage::Judged(by) => format!("Judged_{}", ruling(by)),
        other => format!("{other:?}").split('(').next().unwrap_or_default().to_owned(),
    }
}

fn view(chain: &Chain, side: Side, seen: usize) -> View<'_> {
    let (requester, worker) = (chain.of(Side::Requester), chain.of(Side::Worker));
    match side {
        Side::Requester => View { award: chain.award(), requester, worker: &worker[..seen], decision: None },
        Side::Worker => View { award: chain.award(), requester: &requester[..seen], worker, decision: None },
    }
}

fn latest(view: &View<'_>) -> Timestamp {
    let entries = view.requester.iter().chain(view.worker);
    entries.filter_map(Entry::link).map(|link| link.at).max().unwrap_or(AT)
}

type Make<'a> = Box<dyn Fn() -> Entry + 'a>;

/// Signs a record without a private part.
fn plain<'a, T: Payload + Clone + 'a>(by: &'a Signer, payload: T) -> Make<'a>
where
    Record: From<Verified<T>>,
{
    Box::new(move || entry(by.sign(&payload)))
}

fn entry<T: Payload>(record: Verified<T>) -> Entry
where
    Record: From<Verified<T>>,
{
    Entry::try_from(Record::from(record)).expect("only what belongs to chains is tried")
}

/// Every record that `side` might think of, whether or not it may; made when wanted, for signing takes time.
fn tries<'a>(by: &'a Signer, view: &View<'_>, link: Link) -> Vec<Make<'a>> {
    let (facts, terms) = (Facts::of(view), view.terms());
    let (hire, day) = (view.award.id(), link.at.day());
    let nothing = [9; 32];
    let delivery = facts.delivery.map_or(Id::from_bytes(nothing), |delivery| delivery.id);
    let question = view.worker.iter().rev().find_map(|entry| match entry {
        Entry::Question(question) => Some(question.id()),
        _ => None,
    });
    let question = question.unwrap_or(Id::from_bytes(nothing));
    let receipt = facts.receipt.unwrap_or(Id::from_bytes(nothing));
    let (ext, reason) = (Ext::default(), Reason::NoCapacity);
    let (until, later, due) = (link.at + terms.review, link.at + Millis::mins(4), link.at + terms.done);
    let blob = BlobRef { root: random("result"), size: 1 };
    let mut all = vec![
        plain(by, Decline { ext: ext.clone(), hire, link, is_final: false, reason: reason.clone() }),
        plain(by, Withdraw { ext: ext.clone(), hire, link, reason: reason.clone() }),
        plain(by, Brief { ext: ext.clone(), hire, link, inputs: Default::default(), params: None }),
        plain(by, Progress { ext: ext.clone(), head: None, hire, link, note: None, percent: 0 }),
        plain(by, Question { ext: ext.clone(), hire, link, text: Text::default() }),
        plain(by, Answer { due: None, ext: ext.clone(), hire, link, text: Text::default(), question }),
        plain(by, Ack { ext: ext.clone(), hire, link, until, delivery }),
        plain(by, Cancel { ext: ext.clone(), hire, link, reason: reason.clone() }),
        plain(by, Contest { ext: ext.clone(), hire, link, statement: reason }),
    ];
    for milestone in [None, Some(0), Some(1)] {
        let (ext, checked) = (ext.clone(), 1000);
        all.push(plain(by, Delivery { ext, blob, hire, link, trace: None, checked, milestone, statement: None }));
    }
    for ruling in [Ruling::Accepted, Ruling::Changes(later), Ruling::Refused, Ruling::Unserved] {
        let (ext, failed) = (ext.clone(), Default::default());
        all.push(plain(by, Verdict { ext, hire, link, note: None, failed, opened: None, ruling, delivery }));
    }
    let outcomes = [
        Outcome::Accepted,
        Outcome::Refused,
        Outcome::Failed,
        Outcome::CancelledByRequester,
        Outcome::CancelledByWorker,
    ];
    for outcome in outcomes {
        let (ext, amount) = (ext.clone(), stage::owed(outcome, &facts, terms));
        all.push(Box::new(move || {
            let beside = Beside { body: ReceiptTerms { link, amount }, salt: random("close") };
            let (body, took) = (beside.commitment::<Receipt>(), Millis(0));
            entry(by.sign_with(&Receipt { day, ext: ext.clone(), body, hire, seal: None, took, outcome }, beside))
        }));
    }
    let of = ext.clone();
    all.push(Box::new(move || {
        let beside = Beside { body: BeginTerms { due, link }, salt: random("begin") };
        entry(by.sign_with(&Begin { day, ext: of.clone(), body: beside.commitment::<Begin>(), hire }, beside))
    }));
    all.push(Box::new(move || {
        let beside = Beside { body: CloseTerms { link }, salt: random("close") };
        let body = beside.commitment::<Countersign>();
        entry(by.sign_with(&Countersign { day, ext: ext.clone(), body, hire, seal: None, receipt }, beside))
    }));
    all
}

/// How a record came to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum How {
    /// In time, by somebody who had seen all there was.
    Plainly,
    /// It may be made only once the stage's deadline is over.
    Late,
    /// Its issuer had not seen all there was.
    Crossing,
}

/// What was found.
#[derive(Default)]
struct Found {
    /// From, to, by what, and how at the plainest.
    edges: BTreeMap<(String, String, String), How>,
    /// By stage: when silence decides, and what.
    silence: BTreeMap<String, BTreeSet<[String; 2]>>,
    /// Stages in the order they are first come to.
    stages: Vec<String>,
    kinds: BTreeSet<&'static str>,
}

impl Found {
    fn grow(&mut self, award: &Verified<Award>, fine: bool) {
        // Which of the tries a side may never make.
        let mut never = BTreeSet::new();
        let mut queue = VecDeque::from([Chain::new(award.clone())]);
        let mut known = BTreeSet::new();
        while let Some(chain) = queue.pop_front() {
            self.look(&chain);
            for (next, label) in decided(&chain) {
                self.edge(&chain, &next, label, How::Plainly);
                if known.insert(key(&next, fine)) {
                    queue.push_back(next);
                }
            }
            for side in SIDES {
                let others = chain.of(side.other()).len();
                for seen in chain.seen_of(side.other())..=others {
                    for (entry, how) in admitted(&chain, side, seen, &mut never) {
                        let mut next = chain.clone();
                        next.push(entry.clone());
                        self.kinds.insert(kind(&entry));
                        let of = Facts::of(&view(&chain, side, seen));
                        self.edge(&chain, &next, label(&entry, side, &of, stage::parts(chain.terms())), how);
                        if known.insert(key(&next, fine)) {
                            queue.push_back(next);
                        }
                    }
                }
            }
        }
    }

    fn edge(&mut self, before: &Chain, after: &Chain, label: String, how: How) {
        let (from, to) = (name(before.facts().stage), name(after.facts().stage));
        // What crosses and changes nothing is of no interest: it fills the picture.
        if how == How::Crossing && from == to {
            return;
        }
        let known = self.edges.entry((from, to, label)).or_insert(how);
        *known = how.min(*known);
    }

    fn look(&mut self, chain: &Chain) {
        let (facts, terms) = (chain.facts(), chain.terms());
        let name = name(facts.stage);
        if !self.stages.contains(&name) {
            self.stages.push(name.clone());
        }
        self.silence.entry(name).or_default().insert([when(chain, &facts), then(&facts, terms)]);
    }
}

/// What an arbiter may make of a hire; that is in neither chain.
fn decided(chain: &Chain) -> Vec<(Chain, String)> {
    let last = |side: Side| chain.of(side).last().map_or(chain.award().id().untyped(), Entry::id);
    let at = latest(&chain.view()) + Millis::secs(1);
    let decide = |ruling| {
        let (hire, worker, requester) = (chain.award().id(), last(Side::Worker), last(Side::Requester));
        let (ext, statement) = (Ext::default(), Text::default());
        let decision = Decision { at, ext, hire, ruling, worker, requester, statement };
        let decision = arbiter().sign(&decision);
        chain.admit_decision(&decision).ok()?;
        let mut next = chain.clone();
        next.decide(decision);
        Some((next, format!("decision \"{}\" (arbiter)", self::ruling(ruling))))
    };
    [Ruling::Accepted, Ruling::Refused].into_iter().filter_map(decide).collect()
}

/// The records that `side` may add to `chain` having seen so many of the other's.
fn admitted(chain: &Chain, side: Side, seen: usize, never: &mut BTreeSet<(Side, usize)>) -> Vec<(Entry, How)> {
    let by = if side == Side::Requester { requester() } else { worker() };
    let (all, view) = (chain.view(), view(chain, side, seen));
    let others = chain.of(side.other());
    let next = chain.next_link(side, AT);
    let root = chain.award().id().untyped();
    let last = seen.checked_sub(1).and_then(|last| others.get(last)).map_or(root, Entry::id);
    let crossing = seen < others.len();
    let at_once = if crossing { How::Crossing } else { How::Plainly };
    // No two sides' records have one date: by its date it is known of which a deadline is counted.
    let soon = Millis(1_000 + u64::from(side == Side::Worker));
    let late = stage::deadline(&Facts::of(&view), view.terms()).map(|by| by + soon);
    let dates = [
        (Some(latest(&view) + soon), at_once),
        // Of two that cross it may matter that one is dated long after the other.
        (Some(latest(&all) + GRACE + soon).filter(|_| crossing), at_once),
        (late, at_once.max(How::Late)),
    ];
    let (mut found, mut in_time) = (Vec::new(), BTreeSet::new());
    for (turn, (at, how)) in dates.into_iter().enumerate() {
        let Some(at) = at else { continue };
        let link = Link { at, seen: last, ..next };
        for (number, make) in (0..).zip(tries(&by, &view, link)) {
            // What can be done in time is no matter of being late.
            if never.contains(&(side, number)) || (turn == 2 && in_time.contains(&number)) {
                continue;
            }
            let entry = make();
            match chain.admit(&entry) {
                Ok(()) => {
                    in_time.insert(number);
                    found.push((entry, how));
                }
                Err(Misfit::NotAllowed(Rule::Side)) => {
                    never.insert((side, number));
                }
                Err(_) => {}
            }
        }
    }
    found
}

/// What tells a chain from others that go on otherwise: where it stands, where each side thinks it stands, and of what one
/// has not seen of the other the last. `GIGMESH_DIAGRAM=1` tells more apart, which takes minutes and finds the same.
fn key(chain: &Chain, fine: bool) -> String {
    let facts = chain.facts();
    let unseen = SIDES.map(|side| {
        let mut entries = chain.of(side).iter().skip(chain.seen_of(side)).map(kind);
        if fine { entries.collect::<BTreeSet<_>>() } else { entries.next_back().into_iter().collect() }
    });
    let thinks = SIDES.map(|side| name(Facts::of(&view(chain, side, chain.seen_of(side.other()))).stage));
    let latest = latest(&chain.view());
    let over = [Some(facts.due), facts.review_until, facts.since.map(|since| since + CLOSE)]
        .map(|by| by.is_some_and(|by| latest > by));
    let asked = facts.questions.0 > facts.questions.1;
    let counts = [facts.deliveries, facts.progress, facts.questions.0, facts.questions.1].map(|count| count.min(2));
    let counts = if fine { counts } else { [counts[0].min(1), 0, asked.into(), 0] };
    let dates = chain.in_order().into_iter().filter_map(Entry::link).map(|link| link.at);
    let pause = dates.fold((AT, false), |(last, pause), at| (at, pause || at > last + GRACE)).1;
    let cancelled = SIDES.map(|side| chain.of(side).iter().any(|entry| matches!(entry, Entry::Cancel(_))));
    let rest = (over, counts, pause, cancelled, facts.briefed, facts.accepted);
    format!("{:?} {thinks:?} {unseen:?} {rest:?}", name(facts.stage))
}

/// After what silence decides a stage, in words: what it is counted from is found by its value.
fn when(chain: &Chain, facts: &Facts) -> String {
    let terms = chain.terms();
    let Some(by) = stage::deadline(facts, terms) else { return "at once".to_owned() };
    let begun = facts.begin.map(|_| facts.due);
    let of = |at: Timestamp| move |entry: &&Entry| entry.link().is_some_and(|link| link.at == at);
    let since = facts.since.and_then(|since| {
        let records = SIDES.into_iter().flat_map(|side| chain.of(side));
        let words = records.filter(of(since)).map(|entry| format!("the {}'s date + 10 min", kind(entry))).next();
        words.map(|words| (since + CLOSE, words))
    });
    let known = [
        (Some(terms.until), "the terms' `until`"),
        (begun, "the deadline"),
        (begun.map(|due| due + terms.review), "the deadline + `review`"),
        (facts.review_until, "the ack's `until`"),
        (stage::decide_by(facts, terms), "the contest's date + the arbiter's `within`"),
    ];
    let known = known.into_iter().filter_map(|(at, words)| Some((at?, words.to_owned())));
    let words: Vec<_> = known.chain(since).filter(|(at, _)| *at + GRACE == by).map(|(_, words)| words).collect();
    assert_eq!(words.len(), 1, "what decides when {:?} ends has no words, or several: {words:?}", facts.stage);
    words.concat()
}

/// What silence leads to, in words: tried with every result of the checks.
fn then(facts: &Facts, terms: &Terms) -> String {
    let after = stage::deadline(facts, terms).map_or(AT, |by| by + Millis(1));
    let results = [Some(true), Some(false), None];
    let outcome = |public, opened| stage::outcome(facts, terms, after, public, opened).expect("silence has decided");
    let (same, agreed) = outcome(None, None);
    let all = |by: &dyn Fn(Option<bool>) -> Outcome| results.map(by);
    let public = results.map(|opened| all(&|public| outcome(public, opened).0));
    let opened = results.map(|public| all(&|opened| outcome(public, opened).0));
    let told = |of: &str, [pass, fail, none]: [Outcome; 3]| {
        let mut told = if pass == fail { format!("{pass}") } else { format!("{fail} if {of} fails, else {pass}") };
        if none != pass {
            told += &format!("; {none} if this side does not hold the bytes");
        }
        told
    };
    let words = if public.iter().flatten().all(|outcome| *outcome == same) {
        match facts.stage {
            Stage::Receipted(_) | Stage::Settled(_) => "as the receipt says".to_owned(),
            Stage::Decided(_) => "as the arbiter ruled".to_owned(),
            Stage::Cancelled(_) => "cancelled by the cancel's issuer".to_owned(),
            _ => same.to_string(),
        }
    } else if public.iter().all(|of| *of == public[0]) {
        told("a public check", public[0])
    } else if opened.iter().all(|of| *of == opened[0]) {
        told("a public or an opened check", opened[0])
    } else {
        panic!("{:?} hangs on both kinds of checks: find words for it", facts.stage)
    };
    if agreed { format!("{words}, **agreed**") } else { words }
}

/// From the samples of awards: for a task of two parts with an arbiter, and for one without either.
fn found() -> Found {
    let fine = std::env::var_os("GIGMESH_DIAGRAM").is_some();
    let mut found = Found::default();
    for full in [true, false] {
        let award = samples(full).into_iter().find_map(|record| match record {
            Record::Award(award) => Some(award),
            _ => None,
        });
        found.grow(&award.expect("there is one of every kind"), fine);
    }
    found
}

/// What the page says between a pair of its marks, and where.
fn block<'a>(page: &'a str, what: &str) -> &'a str {
    let open = format!("<!-- {what}: written by tests/it/diagram.rs -->\n");
    let (_, rest) = page.split_once(&open).unwrap_or_else(|| panic!("the page has lost its mark {open:?}"));
    rest.split_once("<!-- end -->").expect("a block has an end").0
}

impl Found {
    /// The stages in the order of the page, for people may arrange them; new ones come last.
    fn order(&self, page: &str) -> Vec<&String> {
        let place = |stage: &String| page.lines().position(|line| line.trim().starts_with(&format!("{stage} -->")));
        let mut stages: Vec<_> = self.stages.iter().collect();
        stages.sort_by_key(|stage| place(stage).unwrap_or(usize::MAX));
        stages
    }

    fn label(label: &str, how: How) -> String {
        match how {
            How::Plainly => label.to_owned(),
            How::Late => format!("late {label}"),
            How::Crossing => format!("crossing {label}"),
        }
    }

    fn diagram(&self, page: &str) -> String {
        let stages = self.order(page);
        let mut text = "```mermaid\nstateDiagram-v2\n".to_owned();
        for stage in &stages {
            if let Some((of, ruling)) = stage.split_once('_') {
                text += &format!("    state \"{of}: {ruling}\" as {stage}\n");
            }
        }
        text += "    [*] --> Awarded: award (R)\n";
        for from in &stages {
            for to in &stages {
                let of = self.edges.iter().filter(|((a, b, _), _)| (a, b) == (from, to));
                let labels: Vec<_> = of.map(|((_, _, label), how)| Self::label(label, *how)).collect();
                if !labels.is_empty() {
                    text += &format!("    {from} --> {to}: {}\n", labels.join(", "));
                }
            }
            if self.silence.get(*from).is_some_and(|found| found.iter().any(|[when, _]| when == "at once")) {
                text += &format!("    {from} --> [*]\n");
            }
        }
        text + "```\n"
    }

    fn table(&self, page: &str) -> String {
        let mut text = "| stage | silence decides 120 s after | then the outcome is |\n|---|---|---|\n".to_owned();
        for stage in self.order(page) {
            for [when, then] in &self.silence[stage] {
                text += &format!("| {} | {when} | {then} |\n", stage.replace('_', ": "));
            }
        }
        text
    }
}

/// The lines of a block one by one; of an edge every label by itself.
fn lines(block: &str) -> BTreeSet<String> {
    let split = |line: &str| -> Vec<String> {
        match line.split_once(": ").filter(|(edge, _)| edge.contains("-->")) {
            Some((edge, labels)) => labels.split(", ").map(|label| format!("{}: {label}", edge.trim())).collect(),
            None => vec![line.trim().to_owned()],
        }
    };
    block.lines().flat_map(split).collect()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the protocol has no files; its tests do")]
fn the_page_draws_the_life_of_a_hire_as_the_code_has_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let mut page = std::fs::read_to_string(path).unwrap();
    let found = found();
    let missing: Vec<_> = KINDS.iter().filter(|kind| !found.kinds.contains(*kind)).collect();
    assert!(missing.is_empty(), "{missing:?} are never admitted: does `tries` make them as they must be?");
    for (what, made) in [("life", found.diagram(&page)), ("silence", found.table(&page))] {
        let written = block(&page, what).to_owned();
        if std::env::var_os("GIGMESH_BLESS").is_some() {
            page = page.replace(&written, &made);
            std::fs::write(path, &page).unwrap();
            continue;
        }
        let (written, made) = (lines(&written), lines(&made));
        let (lost, extra): (Vec<_>, Vec<_>) =
            (made.difference(&written).collect(), written.difference(&made).collect());
        assert!(
            lost.is_empty() && extra.is_empty(),
            "README.md is not as the code is ({what}): it lacks {lost:#?} and has {extra:#?}; if the code is right, \
             bless it with GIGMESH_BLESS=1"
        );
    }
}
