//! Ratings that should not count: forged, replayed, without a permit, of oneself. Real records with real signatures go through
//! the protocol's own door, and what gets through it into the model; those dated ahead, through a whole brain, whose to refuse
//! they are.

use gigmesh_protocol::codec::{Bytes, Ext};
use gigmesh_protocol::id::{AgentId, Id, sha256};
use gigmesh_protocol::market::{Award, Begin, Judgement, Permit, Rating, Scores};
use gigmesh_protocol::peer::Peer;
use gigmesh_protocol::peer::io::{Command, Config, Input, Output};
use gigmesh_protocol::record::{Network, Record, Signer, Verified};
use gigmesh_protocol::reputation::{Model as _, Params, WalkBeta};
use gigmesh_protocol::time::{Millis, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::report::{Cell, Table};

/// How often each is tried.
const TRIES: u32 = 100;
/// The day it is.
const TODAY: u32 = 20_000;

struct Parties {
    network: Network,
    requester: Signer,
    worker: Signer,
    other: Signer,
}

impl Parties {
    fn new() -> Self {
        let network = Network::new("forged");
        let signer = |n: u8| Signer::new(&[n; 32], network);
        Self { network, requester: signer(1), worker: signer(2), other: signer(3) }
    }

    /// Award and begin of a hire.
    fn hire(&self, number: u32, requester: &Signer, worker: AgentId, begun_by: &Signer) -> (Id<Award>, Permit) {
        let mark = sha256(&[&number.to_be_bytes()]);
        let award = requester.sign(&Award {
            day: TODAY,
            ext: Ext::default(),
            slot: 0,
            claim: Id::from_bytes(mark.0),
            nonce: mark,
            round: 0,
            skill: "text/translate".parse().expect("it is a skill"),
            terms: mark,
            value: 20,
            worker,
            replaces: None,
        });
        let begin = begun_by.sign(&Begin { day: TODAY, ext: Ext::default(), body: mark, hire: award.id() });
        let part = |bytes: &[u8]| Bytes::try_from(bytes.to_vec()).expect("header records are small");
        let permit =
            Permit { award: part(award.envelope()), begin: part(begin.envelope()), receipt: None, countersign: None };
        (award.id(), permit)
    }

    fn rating(&self, hire: Id<Award>, permit: Permit, subject: AgentId, quality: u16) -> Rating {
        Rating {
            day: TODAY,
            ext: Ext::default(),
            model: None,
            permit,
            opening: None,
            version: None,
            manifest: None,
            judgement: Judgement {
                hire,
                skill: "text/translate".parse().expect("it is a skill"),
                scores: Scores { quality: Some(quality), ..Scores::default() },
                subject,
            },
        }
    }

    /// What it says of the worker that was hired for this number, as it should be.
    fn honest(&self, number: u32, quality: u16) -> Rating {
        let (hire, permit) = self.hire(number, &self.requester, self.worker.agent(), &self.worker);
        self.rating(hire, permit, self.worker.agent(), quality)
    }
}

/// Admits an envelope and hands it to the model; whether it was admitted, and whether it counted.
fn offer(model: &mut WalkBeta, envelope: &[u8], network: &Network) -> (bool, bool) {
    match Record::admit(envelope, None, network) {
        Ok(Record::Rating(rating)) => (true, model.insert(&rating)),
        _ => (false, false),
    }
}

/// How many of these ratings a brain keeps that trusts their rater, has asked it for them, and gets them on [`TODAY`].
fn kept(us: &Parties, ratings: Vec<Verified<Rating>>) -> Option<u64> {
    let config = Config { name: "reader".to_owned(), version: "1".to_owned(), ..Config::default() };
    let noon = Timestamp::default() + Millis::days(u64::from(TODAY)) + Millis::hours(12);
    let rng = Box::new(ChaCha20Rng::seed_from_u64(1));
    let (mut peer, mut out) = Peer::restore(config, Signer::new(&[9; 32], us.network), rng, noon, [], []).ok()?;
    let pin = Command::Pin { agent: us.requester.agent(), pinned: true };
    peer.handle(noon, Input::Command { caller: 1, command: pin }, &mut out);
    // It asks whoever its walk has come to, after a pause.
    while let Some(due) = peer.next_deadline().filter(|due| *due <= noon + Millis::mins(1)) {
        peer.handle(due.max(noon) + Millis(1), Input::Tick, &mut out);
    }
    let asked = out.drain(..).find_map(|output| match output {
        Output::AskRatings { to, wanted, .. } => Some((to, wanted)),
        _ => None,
    });
    let (from, wanted) = asked?;
    let noon = noon + Millis::mins(2);
    peer.handle(noon, Input::Ratings { from, wanted, ratings, next: None }, &mut out);
    Some(out.iter().filter(|output| matches!(output, Output::Keep(_))).count() as u64)
}

/// The table: how many of each kind were admitted, and how many counted.
pub fn play() -> Table {
    let mut table = Table::new(
        "Ratings that should not count, signed as real ones are, through the protocol's own door",
        &["kind", "tried", "admitted", "counted"],
    );
    let us = Parties::new();
    let mut kind = |name: &str, model: &mut WalkBeta, envelope: &mut dyn FnMut(u32) -> Vec<u8>| {
        let (mut admitted, mut counted) = (0, 0);
        for number in 0..TRIES {
            let (in_form, in_model) = offer(model, &envelope(number), &us.network);
            admitted += u64::from(in_form);
            counted += u64::from(in_model);
        }
        table.row([Cell::text(name), Cell::Count(u64::from(TRIES)), Cell::Count(admitted), Cell::Count(counted)]);
    };
    let fresh = || WalkBeta::new(Params::default());
    let sign = |rating: &Rating| us.requester.sign(rating).envelope().to_vec();

    kind("real ones, to compare", &mut fresh(), &mut |number| sign(&us.honest(number, 900)));
    let mut model = fresh();
    let one = sign(&us.honest(0, 900));
    offer(&mut model, &one, &us.network);
    kind("one that is held, replayed", &mut model, &mut |_| one.clone());
    // Each is in form. Of two for a hire the lower id counts, so some take the place of the one held; none is added to it.
    let held = model.len();
    for number in 0..TRIES {
        offer(&mut model, &sign(&us.honest(0, (number * 7 % 1_000) as u16)), &us.network);
    }
    let added = model.len() - held;
    kind("signature changed in a bit", &mut fresh(), &mut |number| {
        let mut envelope = sign(&us.honest(number, 900));
        // The signature is the last part of an envelope.
        let last = envelope.len() - 1 - number as usize % 60;
        envelope[last] ^= 1;
        envelope
    });
    kind("by somebody who took no part", &mut fresh(), &mut |number| {
        us.other.sign(&us.honest(number, 900)).envelope().to_vec()
    });
    kind("a hire that its worker never began", &mut fresh(), &mut |number| {
        let (hire, permit) = us.hire(number, &us.requester, us.worker.agent(), &us.other);
        sign(&us.rating(hire, permit, us.worker.agent(), 900))
    });
    kind("the permit of another hire", &mut fresh(), &mut |number| {
        let (hire, _) = us.hire(number, &us.requester, us.worker.agent(), &us.worker);
        let (_, permit) = us.hire(number + TRIES, &us.requester, us.worker.agent(), &us.worker);
        sign(&us.rating(hire, permit, us.worker.agent(), 900))
    });
    kind("of somebody other than was hired", &mut fresh(), &mut |number| {
        let (hire, permit) = us.hire(number, &us.requester, us.worker.agent(), &us.worker);
        sign(&us.rating(hire, permit, us.other.agent(), 900))
    });
    kind("who hired itself", &mut fresh(), &mut |number| {
        let (hire, permit) = us.hire(number, &us.requester, us.requester.agent(), &us.requester);
        sign(&us.rating(hire, permit, us.requester.agent(), 900))
    });
    for (name, day) in [("of a week before the hire", TODAY - 7), ("dated years after it", TODAY + 2_000)] {
        kind(name, &mut fresh(), &mut |number| sign(&Rating { day, ..us.honest(number, 900) }));
    }
    kind("of another network", &mut fresh(), &mut |number| {
        let elsewhere = Signer::new(&[1; 32], Network::new("elsewhere"));
        elsewhere.sign(&us.honest(number, 900)).envelope().to_vec()
    });
    // Whose an agent is, is kept of those that ratings are held of.
    let mut model = fresh();
    offer(&mut model, &sign(&us.honest(TRIES, 100)), &us.network);
    model.belongs(us.requester.agent(), Some(us.other.agent()));
    model.belongs(us.worker.agent(), Some(us.other.agent()));
    kind("praise within one principal", &mut model, &mut |number| sign(&us.honest(number, 900)));
    for (name, days) in
        [("made today, through a whole brain", 0), ("dated tomorrow, the same", 1), ("dated in a week, the same", 7)]
    {
        let dated = |number| us.requester.sign(&Rating { day: TODAY + days, ..us.honest(number, 900) });
        let ratings: Vec<_> = (0..TRIES).map(dated).collect();
        let counted = kept(&us, ratings).map_or(Cell::None, Cell::Count);
        table.row([Cell::text(name), Cell::Count(u64::from(TRIES)), Cell::Count(u64::from(TRIES)), counted]);
    }
    table.note("Real ones, and those made today, are here to compare. A brain keeps what is dated a minute ahead, as clocks differ.");
    table.note(format!("{TRIES} more ratings of a hire already rated, each in form: {added} more are held."));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_ratings_count_and_nothing_else_does() {
        let table = play();
        let counted: Vec<&Cell> = table.rows.iter().filter_map(|row| row.get(3)).collect();
        assert_eq!(counted[0], &Cell::Count(100));
        let [forged @ .., today, tomorrow, week] = &counted[1..] else { panic!("{}", table.show()) };
        assert!(forged.iter().all(|cell| **cell == Cell::Count(0)), "{}", table.show());
        assert_eq!([today, tomorrow, week], [&&Cell::Count(100), &&Cell::Count(0), &&Cell::Count(0)]);
        assert!(table.notes[1].ends_with(": 0 more are held."), "{}", table.notes[1]);
    }
}
