//! What must hold, while a case is played and once it is over.

use std::collections::{BTreeMap, BTreeSet};

use gigmesh_protocol::hire::{HireId, Side};
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::market::{Award, Outcome, Receipt};
use gigmesh_protocol::peer::io::*;
use gigmesh_protocol::peer::query::*;
use gigmesh_protocol::record::{Record, Verified};

use super::tally::Tally;
use gigmesh_simulations::world::{World, network};

macro_rules! hold {
    ($rule:expr, $($otherwise:tt)*) => { if !$rule { return Err(format!($($otherwise)*)); } };
}

fn status(world: &World, n: usize) -> Status {
    world.query(n, GetStatus).unwrap_or_default()
}

/// Nothing is open, owed or on its way.
pub fn is_quiet(world: &World) -> bool {
    (0..world.nodes.len()).all(|n| world.nodes[n].peer.as_ref().is_some_and(|peer| peer.is_quiet()))
}

/// What a market that is not quiet waits for.
pub fn waiting(world: &World) -> String {
    let lines = (0..world.nodes.len()).map(|n| {
        let open = world.rows(n).into_iter().filter(|row| row.closed.is_none());
        let open: Vec<_> = open.map(|row| format!("{:?} {:?}", row.stage, row.hire)).collect();
        format!("peer {n} at {}: {:?} {open:?}", world.time(n), status(world, n))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn hires(world: &World, n: usize) -> impl Iterator<Item = (HireId, HireRow)> {
    world.rows(n).into_iter().filter_map(|row| Some((row.hire?, row)))
}

/// Slot and round of a hire's award.
fn award(world: &World, n: usize, hire: HireId) -> Option<Verified<Award>> {
    world.records(n, hire).into_iter().find_map(|record| match record {
        Record::Award(award) => Some(award),
        _ => None,
    })
}

/// At every moment: no slot has two at work, nobody serves more than it said.
pub fn moment(world: &World, tally: &mut Tally) -> Result<(), String> {
    use HireStatus::{Awarded, Begun, Delivered, InReview, Working};
    for n in 0..world.nodes.len() {
        let mut live = BTreeMap::new();
        let mut at_work = 0;
        for (id, row) in hires(world, n) {
            tally.add(&format!("stage {:?}", row.stage), 1);
            let open = row.closed.is_none() && matches!(row.stage, Awarded | Begun | Working | Delivered | InReview);
            if open && row.side == Side::Requester {
                live.entry(row.offer).or_insert_with(Vec::new).push(id);
            }
            at_work +=
                usize::from(row.side == Side::Worker && row.closed.is_none() && matches!(row.stage, Begun | Working));
        }
        for ids in live.values().filter(|ids| ids.len() > 1) {
            let slots: BTreeSet<_> = ids.iter().map(|id| award(world, n, *id).map(|award| award.slot)).collect();
            hold!(slots.len() == ids.len(), "two live awards of one slot: {:?}", world.rows(n));
        }
        // A late record that counts may open again what was thought over.
        tally.add("more at work than `parallel`", u64::from(at_work > world.nodes[n].config.parallel));
    }
    Ok(())
}

/// Once it is quiet.
pub fn end(world: &World, tally: &mut Tally) -> Result<(), String> {
    let all = 0..world.nodes.len();
    for n in all.clone() {
        closed(world, n)?;
        rated(world, n, tally)?;
        bounded(world, n)?;
        executed(world, n, tally)?;
        let node = &world.nodes[n];
        hold!(node.blamed.is_empty(), "peer {n} blames somebody honest: {:?}", node.blamed);
        for notice in &node.notices {
            count(notice, tally);
        }
        let replay = world.replay(n).map_err(|error| error.to_string())?;
        let peer = node.peer.as_ref().ok_or("it is down")?;
        hold!(replay.durable() == peer.durable(), "peer {n} is not what its journal says");
    }
    for (a, b) in all.clone().flat_map(|a| all.clone().map(move |b| (a, b))).filter(|(a, b)| a != b) {
        agree(world, a, b, tally)?;
    }
    awards(world, tally)?;
    for n in all {
        money(world, n)?;
        let closed = world.nodes[n].notices.iter().filter_map(|notice| match notice {
            Notice::Closed { hire, .. } => Some(*hire),
            _ => None,
        });
        let closed: Vec<HireId> = closed.collect();
        let first = closed.iter().collect::<BTreeSet<_>>().len();
        tally.add("closed otherwise than thought", (closed.len() - first) as u64);
    }
    tally.add("messages lost", world.lost as u64);
    tally.add("messages that came twice", world.doubled as u64);
    tally.add("events replayed and compared", world.replayed as u64);
    tally.add("falls in the middle of a commit", world.torn[0] as u64);
    tally.add("falls after a commit", world.torn[1] as u64);
    tally.add("cases", 1);
    Ok(())
}

fn count(notice: &Notice, tally: &mut Tally) {
    let name = match notice {
        Notice::Said { kind, .. } => format!("said {kind}"),
        Notice::Closed { closed, .. } => {
            format!("closed: {}, {}", closed.outcome, if closed.agreed { "agreed" } else { "one-sided" })
        }
        Notice::Worked { failed, .. } => format!("agent {}", if failed.is_some() { "failed" } else { "did it" }),
        other => {
            let name = format!("{other:?}");
            format!("notice {}", name.split([' ', '{']).next().unwrap_or_default())
        }
    };
    tally.add(&name, 1);
}

/// No state without an exit: everything is closed, and nothing is left to be sent.
fn closed(world: &World, n: usize) -> Result<(), String> {
    for row in world.rows(n) {
        let over = if row.hire.is_some() { row.closed.is_some() } else { row.reason.is_some() };
        hold!(over, "peer {n} is stuck in {row:?}");
    }
    Ok(())
}

/// No rating without a permit; and each side of a hire that both closed and judged has rated once, and has the other's.
fn rated(world: &World, n: usize, tally: &mut Tally) -> Result<(), String> {
    let node = &world.nodes[n];
    let mut seen = BTreeSet::new();
    for rating in node.ratings.values() {
        let hire = rating.judgement.hire;
        // Those of others were verified when they were admitted.
        let proven = match rating.issuer() == world.id(n) {
            true => rating.permit.verify(&hire, &network()).ok(),
            false => rating.permit.read(),
        };
        let proven = proven.ok_or_else(|| format!("peer {n} holds a rating of {hire} without a permit"))?;
        hold!(
            [proven.requester, proven.worker].contains(&rating.issuer()),
            "peer {n} holds a rating of somebody who had no part in it"
        );
        hold!(seen.insert((rating.issuer(), hire)), "peer {n} holds two ratings of {hire} by one side");
    }
    for (id, row) in hires(world, n) {
        let Some(closed) = row.closed.filter(|closed| closed.agreed) else { continue };
        let by = [world.id(n), row.with.ok_or("a hire with nobody")?];
        // Who was cancelled on judges, who cancelled does not.
        let expected = match (closed.outcome, row.side) {
            (Outcome::Accepted | Outcome::Refused, _) => [true, true],
            (Outcome::Failed | Outcome::CancelledByWorker, Side::Requester)
            | (Outcome::CancelledByRequester, Side::Worker) => [true, false],
            (Outcome::Failed | Outcome::CancelledByWorker, Side::Worker)
            | (Outcome::CancelledByRequester, Side::Requester) => [false, true],
            (Outcome::Lapsed | Outcome::Contested, _) => [false, false],
        };
        for (by, expected) in by.into_iter().zip(expected) {
            hold!(
                !expected || seen.contains(&(by, id)),
                "peer {n} has no rating of {id} by {by}, which ended {closed:?}"
            );
            tally.add("ratings expected and held", u64::from(expected));
        }
    }
    Ok(())
}

/// What is held is bounded by what there is to hold it for.
fn bounded(world: &World, n: usize) -> Result<(), String> {
    let held = world.nodes[n].peer.as_ref().ok_or("it is down")?.held();
    let hires = hires(world, n).count();
    hold!(held.busy == 0, "peer {n} still waits for work: {held:?}");
    hold!(held.load == 0 && held.restless == 0 && held.letters == 0, "peer {n} holds what is over: {held:?}");
    // Its own renewal, and a look around.
    hold!(held.timers <= 2, "peer {n} has timers for what is over: {held:?}");
    hold!(held.hires == hires, "peer {n}: {held:?}");
    Ok(())
}

/// The agent ran no more often than was written down before it was started, and never a second time over one that fell with
/// the node, unless it may be restarted.
fn executed(world: &World, n: usize, tally: &mut Tally) -> Result<(), String> {
    let node = &world.nodes[n];
    for (hire, runs) in &node.runs {
        let attempts = world.shown(n, *hire).attempts;
        hold!(*runs <= attempts.len(), "the agent ran {runs} times, {} are on record", attempts.len());
        let fell = attempts.iter().filter(|attempt| attempt.ended.is_none()).count();
        tally.add("runs that fell with their node", fell as u64);
        let restartable = node.config.skills.iter().all(|serving| serving.restartable);
        let last_only = attempts.iter().rev().skip(1).all(|attempt| attempt.ended.is_some());
        hold!(restartable || last_only, "peer {n} ran an agent again that must not be: {attempts:?}");
        tally.add("runs again after a fall", u64::from(!last_only));
    }
    Ok(())
}

/// Sides that hold the same records agree; and once all is quiet they hold the same.
fn agree(world: &World, a: usize, b: usize, tally: &mut Tally) -> Result<(), String> {
    let theirs: BTreeMap<HireId, HireRow> = hires(world, b).collect();
    for (id, mine) in hires(world, a).filter(|(_, row)| row.with == Some(world.id(b))) {
        let end = |row: &HireRow| row.closed.map(|closed| (closed.outcome, closed.agreed));
        let Some(other) = theirs.get(&id) else {
            let lapsed = mine.side == Side::Requester && end(&mine) == Some((Outcome::Lapsed, false));
            hold!(lapsed, "peer {b} has never heard of {id}, and peer {a} has {mine:?}");
            tally.add("awards that never arrived", 1);
            continue;
        };
        hold!(
            ids(world, a, id) == ids(world, b, id),
            "peers {a} and {b} hold other records of {id}: {:?} {:?}",
            kinds(world, a, id),
            kinds(world, b, id)
        );
        hold!(
            end(&mine) == end(other),
            "the same records, and another outcome of {id}: {:?} {:?} {:?}",
            mine.closed,
            other.closed,
            kinds(world, a, id)
        );
    }
    Ok(())
}

fn ids(world: &World, n: usize, id: HireId) -> Vec<Bytes32> {
    world.records(n, id).iter().map(Record::id).collect()
}

fn kinds(world: &World, n: usize, id: HireId) -> Vec<&'static str> {
    world.records(n, id).iter().map(Record::kind).collect()
}

/// One award for each round of a slot, each after the first in the place of one that never began, and one that is paid for.
fn awards(world: &World, tally: &mut Tally) -> Result<(), String> {
    let mut rounds = BTreeMap::new();
    let mut paid: BTreeMap<(Bytes32, u16), HireId> = BTreeMap::new();
    for n in 0..world.nodes.len() {
        for (id, row) in hires(world, n) {
            let award = award(world, n, id).ok_or("a hire without an award")?;
            let held = *rounds.entry((award.issuer(), award.nonce, award.slot, award.round)).or_insert(id);
            hold!(held == id, "two awards of one round: {held} and {id}");
            tally.add("awarded again", u64::from(award.round > 0 && row.side == Side::Requester));
            let works = row
                .closed
                .is_some_and(|closed| !matches!(closed.outcome, Outcome::Lapsed | Outcome::CancelledByRequester));
            if works {
                let first = *paid.entry((award.nonce, award.slot)).or_insert(id);
                hold!(first == id, "one slot worked for twice: {first} and {id}");
            }
        }
    }
    Ok(())
}

/// Balances are the sum of the receipts both have signed, on both sides; and within the budget.
fn money(world: &World, n: usize) -> Result<(), String> {
    let mut sums: BTreeMap<AgentId, i64> = BTreeMap::new();
    let mut spent = 0;
    for (id, row) in hires(world, n) {
        if !row.closed.is_some_and(|closed| closed.agreed) {
            continue;
        }
        let receipt = world.records(n, id).into_iter().filter_map(|record| match record {
            Record::Receipt(receipt) => Some(receipt),
            _ => None,
        });
        let receipt: Verified<Receipt> = receipt.last().ok_or("agreed without a receipt")?;
        let amount = receipt.private().ok_or("a receipt without its terms")?.amount as i64;
        let signed = if row.side == Side::Worker { amount } else { -amount };
        spent += amount * i64::from(row.side == Side::Requester);
        *sums.entry(row.with.ok_or("a hire with nobody")?).or_default() += signed;
    }
    let LedgerPage { balances, .. } = world.query(n, LedgerAfter::default()).ok_or("no ledger")?;
    let held: BTreeMap<AgentId, i64> = balances.iter().map(|balance| (balance.with, balance.micros)).collect();
    sums.retain(|_, sum| *sum != 0);
    hold!(held == sums, "peer {n} has balances of {held:?}, its receipts say {sums:?}");
    let most = world.nodes[n].config.buy.per_day.first().map(|most| most.micros() as i64);
    hold!(most.is_none_or(|most| spent <= most), "peer {n} has spent {spent}, of {most:?} a day");
    Ok(())
}
