//! What an attacker's identities can have, against the bounds: as a crowd that grows, and as one that knows the bounds and
//! goes as near to them as it can.
//!
//! For identities S with F the mass that honest agents send into S: mass `p(S) <= (1-e)/e F`, and evidence on any one
//! subject `<= Q (1-e)/(e t) F`, `Q = 1 / (1 - pair)`.

use std::collections::BTreeSet;

use gigmesh_protocol::id::AgentId;

use super::attack::scenes::Stage;
use crate::data::{Node, Rating, Ratings};
use crate::dice::Dice;
use crate::models::{Face, Model as _, Ours, day};
use crate::report::{Cell, Table};
use crate::threads::each;

/// Hires of a pair that make nine tenths of what it can hold.
const MANY: usize = 6;
/// Hires after which one more adds less than one part in ten thousand: by so many each condemns the subject. Blame is no
/// edge, and takes no mass out of the region.
const MOST: usize = 26;
/// Steps in which an honest rating can be chosen: the protocol's scores are in per mille, half of them above the middle.
const STEPS: u32 = 500;

/// One trial: what the identities had, and what they may.
#[derive(Debug, Clone, Copy)]
struct Trial {
    mass: f64,
    mass_bound: f64,
    evidence: f64,
    evidence_bound: f64,
    slack: f64,
    /// The least standing of an identity, as a part of what counts in full.
    least: f64,
}

impl Trial {
    /// Through the eyes of a viewer. `evidence` is measured on a subject that nobody else has rated, if there is one.
    fn of(ours: &Ours, viewer: AgentId, region: &BTreeSet<AgentId>, subject: Option<AgentId>, now: f64) -> Self {
        let params = *ours.model.params();
        let e = params.restart;
        let t = e * (1.0 - e) / params.d0;
        let standing = ours.model.standing(&viewer, &[], day(now));
        let into = ours.model.edges().filter(|(from, to, _)| !region.contains(from) && region.contains(to));
        let sent: f64 = into.map(|(from, _, share)| standing.mass(&from) * share).sum();
        let masses: Vec<f64> = region.iter().map(|agent| standing.mass(agent)).collect();
        let evidence = match subject {
            Some(subject) => {
                let opinion = standing.opinion(&subject, None, gigmesh_protocol::reputation::Aspect::Overall);
                opinion.map_or(0.0, |opinion| opinion.evidence)
            }
            // One rating by each, of whichever of them, in full.
            None => region.iter().map(|agent| standing.weight(agent)).sum(),
        };
        let mass_bound = (1.0 - e) / e * sent;
        Self {
            mass: masses.iter().sum(),
            mass_bound,
            evidence,
            evidence_bound: mass_bound / t / (1.0 - params.pair),
            slack: standing.certificate(),
            least: masses.iter().copied().fold(f64::INFINITY, f64::min) / t,
        }
    }

    /// Whether it breaks either bound by more than the walk is exact to.
    fn is_outside(&self) -> bool {
        let evidence_slack = self.slack * self.evidence_bound / self.mass_bound.max(self.slack);
        self.mass > self.mass_bound + self.slack || self.evidence > self.evidence_bound + evidence_slack
    }
}

/// The worst of many trials, and how many are outside.
#[derive(Debug, Clone, Copy, Default)]
struct Worst {
    trials: u64,
    outside: u64,
    mass: f64,
    mass_share: f64,
    evidence: f64,
    evidence_share: f64,
}

impl Worst {
    fn of(trials: impl IntoIterator<Item = Trial>) -> Self {
        let ratio = |of: f64, to: f64| if to > 0.0 { of / to } else { 0.0 };
        trials.into_iter().fold(Self::default(), |worst, trial| Self {
            trials: worst.trials + 1,
            outside: worst.outside + u64::from(trial.is_outside()),
            mass: worst.mass.max(trial.mass),
            mass_share: worst.mass_share.max(ratio(trial.mass, trial.mass_bound)),
            evidence: worst.evidence.max(trial.evidence),
            evidence_share: worst.evidence_share.max(ratio(trial.evidence, trial.evidence_bound)),
        })
    }

    fn cells(&self) -> [Cell; 6] {
        [
            Cell::Count(self.trials),
            Cell::text(format!("{:.1e}", self.mass)),
            Cell::Number(self.mass_share, 3),
            Cell::Number(self.evidence, 2),
            Cell::Number(self.evidence_share, 3),
            Cell::Count(self.outside),
        ]
    }
}

/// The columns of both tables after the network's name and what was done.
const COLUMNS: [&str; 6] = ["trials", "mass", "m/bound", "evidence", "e/bound", "outside"];

/// An empty table for [`crowds`].
pub fn crowds_table() -> Table {
    let columns: Vec<&str> = ["network", "fooled", "sybils"].into_iter().chain(COLUMNS).collect();
    let mut table = Table::new("What a crowd around a bad node has, against the bounds; every trial's worst", &columns);
    table.note(
        "Bounds. Of mass: (1-e)/e F, F the mass that honest agents send into the region; of evidence on one subject: Q (1-e)/(e t) F, \
         Q = 1/(1-0.7). Outside: trials that break either.",
    );
    table
}

/// An empty table for [`nearest`].
pub fn nearest_table() -> Table {
    let columns: Vec<&str> = ["network", "fooled", "names"].into_iter().chain(COLUMNS).collect();
    let mut table = Table::new("The same of an attacker that goes as near to the bounds as it can", &columns);
    table.note(
        "The fooled rate all identities alike, just so well that each has full standing and no more, where they can. Each \
         identity praises each of the others six times and nobody else, so that next to no mass leaves the region, and \
         condemns one subject twenty-six times.",
    );
    table
}

/// Regions of every size around bad targets, seen by every viewer.
pub fn crowds(name: &str, ratings: &Ratings, viewers: usize, seed: u64, table: &mut Table) {
    let stage = Stage::set(ratings, viewers.min(12), 4, &mut Dice::new(seed, u64::from_be_bytes(*b"regions\0")));
    let honest = Ours::learned(ratings, Face::Mean);
    for fooled in [0, 1, 5] {
        for sybils in [10, 100, 1_000] {
            let of_target = |target: &Node| -> Vec<Trial> {
                let mut ours = honest.clone();
                stage.promotion(*target, sybils, fooled).iter().for_each(|rating| ours.learn(rating));
                let region = stage.region(*target, sybils).into_iter().map(|node| ours.key(node)).collect();
                let viewers: Vec<AgentId> = stage.viewers.iter().map(|viewer| ours.key(*viewer)).collect();
                viewers.into_iter().map(|viewer| Trial::of(&ours, viewer, &region, None, stage.now)).collect()
            };
            let worst = Worst::of(each("crowds", &stage.bad, of_target).into_iter().flatten());
            let head = [Cell::text(name), Cell::Count(fooled as u64), Cell::Count(u64::from(sybils))];
            table.row(head.into_iter().chain(worst.cells()));
        }
    }
}

/// Whom the attacker fools.
#[derive(Debug, Clone, Copy)]
enum Fooled {
    Viewer,
    Closest(usize),
}

/// Attackers of so many identities that tune what the fooled say of them, for every viewer.
pub fn nearest(name: &str, ratings: &Ratings, viewers: usize, seed: u64, table: &mut Table) {
    let stage = Stage::set(ratings, viewers.min(6), 1, &mut Dice::new(seed, u64::from_be_bytes(*b"nearest\0")));
    let honest = Ours::learned(ratings, Face::Mean);
    for identities in [2, 10, 40] {
        let (mut base, names) = (honest.clone(), stage.free..stage.free + identities);
        let subject = names.end;
        for one in names.clone() {
            let others = names.clone().filter(|other| *other != one);
            others.for_each(|other| (0..MANY).for_each(|_| base.learn(&Rating::new(stage.now, one, other, 1.0))));
            (0..MOST).for_each(|_| base.learn(&Rating::new(stage.now, one, subject, -1.0)));
        }
        let ways = [("viewer", Fooled::Viewer), ("closest", Fooled::Closest(1)), ("5 closest", Fooled::Closest(5))];
        for (what, fooled) in ways {
            let tuned =
                |viewer: &Node| tune(&base, *viewer, fooled, &names.clone().collect::<Vec<_>>(), subject, &stage);
            let worst = Worst::of(each("tuning", &stage.viewers, tuned).into_iter().flatten());
            let head = [Cell::text(name), Cell::text(what), Cell::Count(u64::from(identities))];
            table.row(head.into_iter().chain(worst.cells()));
        }
    }
}

/// Every trial of a bisection for the least that the fooled must say so that each identity has full standing.
fn tune(base: &Ours, viewer: Node, fooled: Fooled, names: &[Node], subject: Node, stage: &Stage) -> Vec<Trial> {
    let mut base = base.clone();
    let own = base.key(viewer);
    let region: BTreeSet<AgentId> = names.iter().map(|name| base.key(*name)).collect();
    let subject = base.key(subject);
    let fooled: Vec<Node> = match fooled {
        Fooled::Viewer => vec![viewer],
        Fooled::Closest(count) => {
            let nodes: Vec<(AgentId, Node)> = (0..stage.free).map(|node| (base.key(node), node)).collect();
            let standing = base.model.standing(&own, &[], day(stage.now));
            let mut by_mass: Vec<(f64, Node)> = nodes
                .iter()
                .filter(|(_, node)| *node != viewer)
                .map(|(key, node)| (standing.mass(key), *node))
                .collect();
            by_mass.sort_by(|a, b| b.0.total_cmp(&a.0));
            by_mass.into_iter().take(count).map(|(_, node)| node).collect()
        }
    };
    let trial = |hires: usize, step: u32| {
        let mut ours = base.clone();
        let weight = f64::from(step) / f64::from(STEPS);
        for (one, name) in fooled.iter().flat_map(|one| names.iter().map(move |name| (*one, *name))) {
            (0..hires).for_each(|_| ours.learn(&Rating::new(stage.now, one, name, weight)));
        }
        Trial::of(&ours, own, &region, Some(subject), stage.now)
    };
    // One hire is enough where it can be; else as many as count.
    let whole = trial(1, STEPS);
    let mut trials = vec![whole];
    let hires = if whole.least >= 1.0 { 1 } else { MANY };
    if hires > 1 {
        trials.push(trial(hires, STEPS));
    }
    if trials.last().is_some_and(|whole| whole.least >= 1.0) {
        let (mut low, mut high) = (0, STEPS);
        while low + 1 < high {
            let middle = (low + high) / 2;
            let tried = trial(hires, middle);
            *(if tried.least >= 1.0 { &mut high } else { &mut low }) = middle;
            trials.push(tried);
        }
    }
    trials
}
