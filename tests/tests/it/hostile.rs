//! What a hostile peer can do to an honest one: nothing but be counted, be refused, and in the end not be heard. Honest
//! hires go on while it tries.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::codec::{List, Text};
use gigmesh_protocol::limits::{CLAIMS_PER_OFFER, GOSSIP_RECORD, MESSAGE, PARCEL_ITEMS};
use gigmesh_protocol::market::{Manifest, Offer};
use gigmesh_protocol::record::{Record, Verified};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::wire::{Item, Reply, Request, Response};
use gigmesh_tests::hostile::{
    FORGED, Hostile, award, badly_signed, claim, issued_by, manifest, of_kind, offer, stranger, stranger_of,
};
use gigmesh_tests::{Agent, Market, Node, SOON, wait_until};

use crate::tasks::{RIGHT, SKILL, counter, quick, task};

/// The room of [`SKILL`].
const ROOM: &str = "text";
/// A skill of that room which nobody serves: offers of it bind nobody.
const UNSERVED: &str = "text/nothing";

/// What the counters of a node rose by.
struct Since<'n>(&'n Node, BTreeMap<String, u64>);

impl<'n> Since<'n> {
    fn now(node: &'n Node) -> Self {
        Self(node, node.metrics())
    }

    fn rose(&self, name: &str) -> u64 {
        let now = self.0.metrics();
        let now = now.get(name).unwrap_or_else(|| panic!("{name} is not counted"));
        now - self.1.get(name).copied().unwrap_or(0)
    }

    /// Waits until a counter rose by so much, and no more.
    fn rises(&self, name: &str, by: u64) {
        wait_until(&format!("{name} to rise by {by}"), SOON, || (self.rose(name) >= by).then_some(()));
        assert_eq!(self.rose(name), by, "{name}");
    }
}

fn edge(way: &str, result: &str) -> String {
    format!("gigmesh_records_total{{way={way:?},result={result:?}}}")
}

/// A whole hire, which must end as if nobody did any harm.
fn a_hire_goes_well(market: &Market) {
    let output = market.requester.hire(&quick(market), &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
}

/// One thing to say that is wrong, or of no use.
struct Case {
    name: &'static str,
    envelope: Vec<u8>,
    /// What the edge makes of it.
    edge: &'static str,
    /// Whether it may be held against who says it.
    harmful: bool,
}

fn cases() -> Vec<Case> {
    let case = |name, envelope, edge, harmful| Case { name, envelope, edge, harmful };
    let good = stranger().sign(&offer(UNSERVED));
    let good = good.envelope();
    let sign = |change: &dyn Fn(&mut Offer)| {
        let mut offer = offer(UNSERVED);
        change(&mut offer);
        stranger().sign(&offer).envelope().to_vec()
    };
    vec![
        case("nothing", Vec::new(), "malformed", true),
        case("garbage", vec![0xff; 300], "malformed", true),
        case("as long as can be", vec![0; GOSSIP_RECORD], "malformed", true),
        case("cut off", good[..good.len() - 1].to_vec(), "malformed", true),
        case("more after the end", [good, b"\0"].concat(), "malformed", true),
        case("forged", badly_signed(good), "bad_signature", true),
        case("in another's name", issued_by(good, stranger().agent()), "bad_signature", true),
        case("no key at all", issued_by(good, gigmesh_protocol::id::AgentId([0; 32])), "weak_key", true),
        case(
            "of another network",
            stranger_of("other").sign(&offer(UNSERVED)).envelope().to_vec(),
            "bad_signature",
            true,
        ),
        case("against the rules", sign(&|offer| offer.slots = u16::MAX), "rule_broken", true),
        case("of an unknown kind", of_kind(good, "rumour/1"), "unknown_kind", false),
        case("of an unknown version", of_kind(good, "offer/2"), "unknown_kind", false),
        case(
            "expired",
            sign(&|offer| {
                (offer.at, offer.bids, offer.expires) =
                    (wall_clock() - HOUR, wall_clock() - HOUR, wall_clock() - Millis(1))
            }),
            "admitted",
            false,
        ),
        case(
            "far ahead",
            sign(&|offer| {
                (offer.at, offer.bids, offer.expires) =
                    (wall_clock() + HOUR, wall_clock() + HOUR, wall_clock() + HOUR + HOUR)
            }),
            "admitted",
            false,
        ),
    ]
}

const HOUR: Millis = Millis::hours(1);

/// How often each outcome is due.
fn tally(cases: &[Case]) -> BTreeMap<&'static str, u64> {
    let mut tally = BTreeMap::new();
    cases.iter().for_each(|case| *tally.entry(case.edge).or_default() += 1);
    tally
}

#[test]
fn what_is_wrong_in_gossip_is_refused_counted_and_held_against_who_passes_it_on_and_nobody_else() {
    let market = Market::create(&[counter()]);
    let victim = &market.workers[0];
    let before = Since::now(victim);
    let cases = cases();
    let hostile: Vec<Hostile> = cases.iter().map(|_| Hostile::start()).collect();
    for (hostile, case) in hostile.iter().zip(&cases) {
        hostile.meet(victim);
        hostile.publish(ROOM, &case.envelope);
    }
    a_hire_goes_well(&market);
    for (result, number) in tally(&cases) {
        // Honest records are admitted, too.
        if result != "admitted" {
            before.rises(&edge("gossip", result), number);
        }
    }
    let harmful = cases.iter().filter(|case| case.harmful).count() as u64;
    before.rises("gigmesh_gossip_verdicts_total{verdict=\"reject\"}", harmful);
    let ignored = || before.rose("gigmesh_gossip_verdicts_total{verdict=\"ignore\"}");
    let harmless = cases.len() as u64 - harmful;
    wait_until("what is of no use to be ignored", SOON, || (ignored() >= harmless).then_some(()));

    let peers = victim.rows(&["peers"]);
    for (hostile, case) in hostile.iter().zip(&cases) {
        let row = peers.iter().find(|row| row["agent"] == hostile.agent().to_string());
        let score = row.unwrap_or_else(|| panic!("{} is linked", case.name))["score"].as_f64().unwrap();
        assert_eq!(score < 0.0, case.harmful, "{}: {score}", case.name);
    }
    let agents = victim.rows(&["find", "text"]);
    assert_eq!(agents.len(), 1, "nobody but the worker itself is known: {agents:?}");
    a_hire_goes_well(&market);
}

#[test]
fn what_is_wrong_in_a_parcel_is_refused_and_counted_and_ten_such_acts_end_the_link() {
    let market = Market::create(&[counter()]);
    let victim = &market.workers[0];
    let before = Since::now(victim);
    let (harmful, harmless): (Vec<Case>, Vec<Case>) = cases().into_iter().partition(|case| case.harmful);
    let refused = |reply: &Reply| matches!(reply, Reply::Refused(_));

    let innocent = Hostile::start();
    for case in &harmless {
        let replies = innocent.send(victim, &[&case.envelope]).unwrap();
        match case.name {
            "expired" => assert!(matches!(replies[..], [Reply::Ignored(_)]), "{replies:?}"),
            "far ahead" => assert_eq!(replies, [Reply::Later]),
            _ => assert!(refused(&replies[0]), "{}: {replies:?}", case.name),
        }
    }
    // Whoever speaks of what this release does not know may do so for ever.
    let unknown = &harmless[0].envelope;
    for _ in 0..4 {
        let replies = innocent.send(victim, &[unknown; PARCEL_ITEMS]).unwrap();
        assert!(replies.iter().all(refused), "{replies:?}");
    }
    assert_eq!(before.rose("gigmesh_blames_total{in=\"parcel\"}"), 0);

    let hostile = Hostile::start();
    for (sent, case) in harmful.iter().take(9).enumerate() {
        assert!(hostile.send(victim, &[&case.envelope]).unwrap().iter().all(refused), "{}", case.name);
        assert_eq!(before.rose("gigmesh_blames_total{in=\"parcel\"}"), sent as u64 + 1, "{}", case.name);
    }
    // The answer to the tenth may be cut off with the link.
    let _ = hostile.send(victim, &[&harmful[9].envelope]);
    wait_until("the link to end", SOON, || (!hostile.is_linked(victim)).then_some(()));
    hostile.send(victim, &[unknown]).unwrap_err();
    assert!(before.rose("gigmesh_connections_refused_total") > 0, "it does not come back");

    for (result, number) in tally(&harmful) {
        before.rises(&edge("parcel", result), number);
    }
    innocent.meet(victim);
    a_hire_goes_well(&market);
}

#[test]
fn what_is_no_request_is_answered_with_no_and_not_punished() {
    let market = Market::create(&[counter()]);
    let victim = &market.workers[0];
    let before = Since::now(victim);
    let hostile = Hostile::start();
    let parcel = Request::Parcel(List::fit([Item {
        beside: None,
        record: stranger().sign(&offer(UNSERVED)).envelope().to_vec().try_into().unwrap(),
    }]))
    .encode();
    let nonsense = [
        Vec::new(),
        vec![0xff; 40],
        parcel[..parcel.len() / 2].to_vec(),
        [&parcel[..], b"\0"].concat(),
        vec![0; MESSAGE + 1],
    ];
    for bytes in nonsense.iter().cycle().take(50) {
        let answer = Response::decode(&hostile.ask(victim, bytes.clone()).unwrap()).unwrap();
        assert!(matches!(answer, Response::No(_)), "{answer:?}");
    }
    before.rises("gigmesh_requests_total{kind=\"not_understood\"}", 50);
    assert!(hostile.is_linked(victim), "it may be of a later release");
    a_hire_goes_well(&market);
}

#[test]
fn a_badly_signed_copy_that_comes_first_shadows_nothing() {
    let market = Market::create(&[counter()]);
    let victim = &market.workers[0];
    let (first, second) = (Hostile::start(), Hostile::start());
    let before = Since::now(victim);
    [&first, &second].iter().for_each(|peer| peer.meet(victim));

    let by_gossip = stranger().sign(&manifest("text/gossiped"));
    first.publish(ROOM, &badly_signed(by_gossip.envelope()));
    before.rises(&edge("gossip", "bad_signature"), 1);
    second.publish(ROOM, by_gossip.envelope());
    let by_parcel = stranger().sign(&manifest("text/sent"));
    let replies = first.send(victim, &[badly_signed(by_parcel.envelope()), by_parcel.envelope().to_vec()]).unwrap();
    assert!(matches!(replies[..], [Reply::Refused(_), Reply::Kept]), "{replies:?}");
    // Again, as it came: it neither counts twice nor does harm.
    assert_eq!(second.send(victim, &[by_parcel.envelope()]).unwrap(), [Reply::Kept]);
    for (skill, honest) in [("text/gossiped", &by_gossip), ("text/sent", &by_parcel)] {
        wait_until("the honest one to be known", SOON, || {
            let rows = victim.rows(&["find", skill]);
            (rows.iter().any(|row| row["agent"] == honest.issuer().to_string())).then_some(())
        });
    }
}

#[test]
fn of_two_records_with_one_number_all_hold_the_same_whichever_came_first() {
    let market = Market::create(&[counter()]);
    let (hostile, signer) = (Hostile::start(), stranger());
    let say = |version: &str| signer.sign(&Manifest { version: Text::fit(version), ..manifest("text/twice") });
    let mut two: Vec<Verified<Manifest>> = Vec::new();
    let one = say("1");
    two.push(signer.sign(&Manifest { version: Text::fit("2"), ..(*one).clone() }));
    two.push(one);
    two.sort_by_key(Verified::id);
    let [low, high] = &two[..] else { unreachable!("there are two") };
    let before = Since::now(&market.workers[0]);
    for (victim, order) in [(&market.workers[0], [low, high]), (&market.requester, [high, low])] {
        for record in order {
            assert_eq!(hostile.send(victim, &[record.envelope()]).unwrap(), [Reply::Kept]);
        }
        let rows = victim.rows(&["find", "text/twice"]);
        let held = rows.iter().find(|row| row["skill"] == "text/twice").cloned().unwrap();
        assert_eq!(held["manifest"], low.id().to_string(), "the lower id, everywhere");
    }
    assert_eq!(before.rose("gigmesh_blames_total{in=\"parcel\"}"), 0, "it may be a restored backup");
    assert!(hostile.is_linked(&market.workers[0]));
}

#[test]
fn the_second_of_two_awards_for_one_slot_binds_nobody() {
    let market = Market::create(&[counter()]);
    let victim = &market.workers[0];
    let hostile = Hostile::start();
    let posted = hostile.signer.sign(&offer(SKILL));
    assert_eq!(hostile.send(victim, &[posted.envelope()]).unwrap(), [Reply::Kept]);
    let claimed = hostile.hears("the worker's claim", |record| match record {
        Record::Claim(claim) if claim.offer == posted.id() => Some(claim.clone()),
        _ => None,
    });
    let awards = [award(&hostile.signer, &posted, &claimed), award(&hostile.signer, &posted, &claimed)];
    assert_ne!(awards[0].id(), awards[1].id());
    let send = |n: usize| {
        let item = Item::of(&awards[n].clone().into());
        hostile.send_items(victim, [item].into_iter()).unwrap()
    };
    assert_eq!(send(0), [Reply::Kept]);
    assert!(matches!(send(1)[..], [Reply::Ignored(_)]));
    assert_eq!(send(0), [Reply::Kept], "the first is what it was");
    let begun = hostile.hears("the worker's begin", |record| match record {
        Record::Begin(begin) => Some(begin.hire),
        _ => None,
    });
    assert_eq!(begun, awards[0].id());
    let hires = victim.hires();
    assert!(matches!(&hires[..], [row] if row["hire"] == awards[0].id().to_string()), "{hires:?}");
    // Another peer's copy of an award is nothing new, and its own of this claim no award.
    let other = Hostile::start();
    let item = Item::of(&awards[0].clone().into());
    assert_eq!(other.send_items(victim, [item].into_iter()).unwrap(), [Reply::Kept]);
    let item = Item::of(&award(&other.signer, &posted, &claimed).into());
    assert!(matches!(other.send_items(victim, [item].into_iter()).unwrap()[..], [Reply::Ignored(_)]));
    assert_eq!(victim.hires().len(), 1);
    a_hire_goes_well(&market);
}

#[test]
fn a_flood_of_claims_fills_its_places_and_the_best_is_still_hired() {
    const CLAIMS: usize = 20 * PARCEL_ITEMS;
    let market = Market::create(&[counter()]);
    let hostile = Hostile::start();
    hostile.follow(ROOM);
    hostile.meet(&market.requester);
    let before = Since::now(&market.requester);
    // Long enough for the flood to be in before one is chosen, on a machine with much else to do.
    let file = task(&market, "auto", "15s");
    let mut text = fs::read_to_string(&file).unwrap();
    text += "[choose]\nprefer = [\"price\"]\n";
    fs::write(&file, text).unwrap();
    let id = market.requester.post(&file, None);
    let posted = hostile.hears("the offer", |record| match record {
        Record::Offer(offer) if offer.id().to_string() == id => Some(offer.clone()),
        _ => None,
    });
    let resident = market.requester.resident();
    for _ in 0..CLAIMS / PARCEL_ITEMS {
        let claims: Vec<_> = (0..PARCEL_ITEMS).map(|_| stranger().sign(&claim(&posted, "0.05 USD per task"))).collect();
        let envelopes: Vec<&[u8]> = claims.iter().map(|claim| claim.envelope()).collect();
        let replies = hostile.send(&market.requester, &envelopes).unwrap();
        assert!(replies.iter().all(|reply| *reply == Reply::Kept), "{replies:?}");
    }
    let shown = market.requester.show(&id);
    assert_eq!(shown["claims"], CLAIMS_PER_OFFER, "{shown}");
    let grown = market.requester.resident().saturating_sub(resident);
    assert!(grown < 16 << 20, "{grown} bytes more");
    assert!(before.rose("gigmesh_parcel_replies_total{reply=\"kept\"}") >= CLAIMS as u64);
    let hire = market.requester.first_hire();
    let settled = market.requester.settled(&hire);
    assert_eq!(settled["row"]["with"], market.workers[0].agent, "{settled}");
}

#[test]
fn floods_delay_no_hire_for_long_and_take_no_more_memory_than_the_records_that_are_held() {
    /// Manifests that the directory takes, and about how large each is.
    const HELD: usize = 48 * PARCEL_ITEMS;
    const BYTES: usize = 7 * 1024;
    /// A held record is kept as it came and as it was read; the rest is for buffers, links and two hires.
    const BOUND: usize = 2 * HELD * (BYTES + 1024) + (24 << 20);
    let market = Market::create(&[counter()]);
    let victim = &market.workers[0];
    a_hire_goes_well(&market);
    let resident = victim.resident();
    let before = Since::now(victim);

    let over = AtomicBool::new(false);
    let held = || stranger().sign(&large_manifest("text/flood", BYTES)).envelope().to_vec();
    let nobodys = stranger().sign(&offer(UNSERVED));
    let useless = || stranger().sign(&claim(&nobodys, "free")).envelope().to_vec();
    let parcel = |record: &dyn Fn() -> Vec<u8>| (0..PARCEL_ITEMS).map(|_| record()).collect::<Vec<_>>();
    thread::scope(|threads| {
        threads.spawn(|| {
            let hostile = Hostile::start();
            for _ in 0..HELD / PARCEL_ITEMS {
                hostile.send(victim, &parcel(&held)).expect("it goes on answering");
            }
        });
        let useless = threads.spawn(|| {
            let (hostile, mut sent) = (Hostile::start(), 0);
            while !over.load(Ordering::Relaxed) {
                let replies = hostile.send(victim, &parcel(&useless)).expect("it goes on answering");
                assert!(replies.iter().all(|reply| matches!(reply, Reply::Ignored(_))), "{replies:?}");
                sent += replies.len() as u64;
            }
            sent
        });
        // Whatever comes of it, the threads end.
        let hire = thread::Builder::new().spawn_scoped(threads, || a_hire_goes_well(&market)).unwrap().join();
        over.store(true, Ordering::Relaxed);
        assert!(hire.is_ok(), "the hire amid the flood");
        before.rises("gigmesh_parcel_replies_total{reply=\"ignored\"}", useless.join().unwrap());
    });
    assert!(victim.metrics()["gigmesh_directory_records{kind=\"manifest\"}"] >= HELD as u64);
    let grown = victim.resident().saturating_sub(resident);
    assert!(grown < BOUND as u64, "{grown} bytes more, {BOUND} allowed");
    a_hire_goes_well(&market);
}

fn large_manifest(skill: &str, bytes: usize) -> Manifest {
    let mut small = manifest(skill);
    let mut entry = small.skills[0].clone();
    entry.input = Some(Text::fit(&" ".repeat(bytes)));
    small.skills = List::fit([entry]);
    small
}

#[test]
fn a_page_of_a_hostile_member_is_taken_as_far_as_it_is_good_and_held_against_it() {
    let market = Market::create(&[counter()]);
    let victim = &market.workers[0];
    let good = stranger().sign(&manifest("text/paged"));
    let bad = [
        badly_signed(good.envelope()),
        vec![0xff; 100],
        of_kind(good.envelope(), "manifest/2"),
        stranger_of("other").sign(&manifest("text/other")).envelope().to_vec(),
    ];
    let records: Vec<Vec<u8>> = bad.into_iter().chain([good.envelope().to_vec()]).collect();
    let before = Since::now(victim);
    let hostile = Hostile::answering(move |request| {
        let Request::Page { .. } = request else { return None };
        let records = records.iter().map(|record| record.clone().try_into().expect("it is short"));
        Some(Response::Page { next: None, records: List::fit(records) }.encode())
    });
    hostile.follow(ROOM);
    hostile.meet(victim);
    before.rises("gigmesh_blames_total{in=\"page\"}", 1);
    for (result, number) in [("bad_signature", 2), ("malformed", 1), ("unknown_kind", 1)] {
        before.rises(&edge("page", result), number);
    }
    let paged = || victim.rows(&["find", "text/paged"]).iter().any(|row| row["skill"] == "text/paged");
    wait_until("what is good in the page", SOON, || paged().then_some(()));
    a_hire_goes_well(&market);
}

#[test]
fn a_member_that_never_answers_is_waited_for_by_nobody() {
    let market = Market::create(&[counter()]);
    let victim = &market.workers[0];
    let before = Since::now(victim);
    let hostile = Hostile::answering(|_| None);
    hostile.follow(ROOM);
    hostile.meet(victim);
    let asked = || before.rose("gigmesh_requests_sent_total");
    wait_until("it to be asked", SOON, || (asked() > 0).then_some(()));
    a_hire_goes_well(&market);
    let failed = || before.rose("gigmesh_requests_failed_total");
    wait_until("it to be given up", SOON, || (failed() > 0).then_some(()));
    a_hire_goes_well(&market);
}

#[test]
fn sockets_that_say_nonsense_or_nothing_close_no_door_to_those_who_are_in() {
    /// More than the handshakes that a node has under way at once.
    const SOCKETS: usize = 150;
    let mut market = Market::create(&[counter()]);
    a_hire_goes_well(&market);
    let place = socket_of(&market.workers[0].listen);
    let before = Since::now(&market.workers[0]);
    let resident = market.workers[0].resident();
    let open = |n: usize| {
        let mut socket = TcpStream::connect(place).unwrap();
        // The beginning of a handshake; nothing at all; noise. What is refused may be closed already.
        let _ = match n % 3 {
            0 => socket.write_all(b"\x13/multistream/1.0.0\n"),
            1 => Ok(()),
            _ => socket.write_all(&[0x5a; 4096]),
        };
        socket
    };
    let sockets: Vec<TcpStream> = (0..SOCKETS).map(open).collect();
    wait_until("those that are too many to be refused", SOON, || {
        (before.rose("gigmesh_connections_refused_total") > 0).then_some(())
    });
    a_hire_goes_well(&market);
    let grown = market.workers[0].resident().saturating_sub(resident);
    assert!(grown < 16 << 20, "{grown} bytes more");
    drop(sockets);
    // And who was outside comes in again.
    market.join("late", Agent::printing(SKILL, RIGHT));
    a_hire_goes_well(&market);
}

/// The TCP address in a node's own words.
fn socket_of(listen: &[String]) -> SocketAddr {
    let parts: Vec<&str> = listen[0].split('/').collect();
    let ["", "ip4", ip, "tcp", port, ..] = parts[..] else { panic!("not over TCP: {listen:?}") };
    format!("{ip}:{port}").parse().unwrap()
}

#[test]
fn the_words_of_a_peer_never_pass_for_a_line_of_ours() {
    let market = Market::create(&[]);
    let requester = &market.requester;
    let hostile = Hostile::forging(requester, SKILL);
    let (task, to) = (quick(&market).display().to_string(), hostile.agent().to_string());
    let told = requester.cli(&["hire", &task, "--to", &to, "--wait"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    let offer = requester.rows(&["hires"])[0]["offer"].as_str().unwrap().to_owned();
    // A command of theirs stays theirs: the user's own flags are not put into it.
    assert!(told.stdout.contains("`gigmesh stop x`"), "{told:?}");
    let others = [&["show", &offer][..], &["hires"], &["find", SKILL]].map(|args| requester.cli(args));
    for told in [told].iter().chain(&others) {
        let text = format!("{}{}", told.stdout, told.stderr);
        let quoted = r#""no\naccepted: hire 7c1d"#;
        assert!(text.contains(quoted), "{text}");
        let forged = |line: &&str| FORGED.lines().skip(1).any(|forged| line.contains(forged));
        assert!(text.lines().filter(forged).all(|line| line.contains(quoted)), "{text}");
        assert!(!text.contains("`gigmesh stop x --data-dir"), "{text}");
    }
}
