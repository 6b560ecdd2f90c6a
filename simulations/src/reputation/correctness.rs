//! Whether standing is what it is said to be: the canonical walk against plain linear algebra, the incremental one within
//! its certificate, the same bits in any order of arrival, and the bounds on what an attacker's identities can have.

use std::collections::{BTreeMap, BTreeSet};

use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::reputation::{Standing, WalkBeta};
use serde_json::json;

use super::bounds;
use crate::data::{Node, Ratings};
use crate::dice::Dice;
use crate::models::{Face, Model, Ours, day};
use crate::report::{Cell, Report, Table};

/// Ratings between two looks at the incremental walks.
const EVERY: usize = 50;
/// Orders of arrival tried besides that of time.
const ORDERS: u64 = 5;

/// What a run depends on besides the data.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many viewers are tried.
    pub viewers: usize,
    /// Of every choice.
    pub seed: u64,
}

/// All checks over these networks, the first of which has times.
pub fn check(networks: &[(&'static str, Ratings)], settings: Settings) -> Report {
    let mut dense = Table::new(
        "The canonical walk against a dense power iteration, every viewer's worst",
        &["network", "viewers", "largest", "all together", "certificate"],
    );
    let mut order = Table::new(
        "The canonical walk of the same ratings in other orders of arrival",
        &["network", "orders", "vectors", "with other bits"],
    );
    let mut live = Table::new(
        format!("The incremental walk over the last tenth, looked at after each {EVERY} ratings"),
        &["network", "looks", "off by", "certificate", "off / certificate", "outside"],
    );
    let (mut crowds, mut nearest) = (bounds::crowds_table(), bounds::nearest_table());
    for (name, ratings) in networks {
        let viewers = viewers(ratings, settings);
        dense.row(against_dense(name, ratings, &viewers));
        order.row(in_any_order(name, ratings, &viewers, settings.seed));
        live.row(within_certificate(name, ratings, &viewers));
        bounds::crowds(name, ratings, settings.viewers, settings.seed, &mut crowds);
        bounds::nearest(name, ratings, settings.viewers, settings.seed, &mut nearest);
    }
    dense.note("All together: the sum of the differences over all agents, to be below the certificate.");
    Report { settings: vec![("viewers", json!(settings.viewers))], tables: vec![dense, live, order, crowds, nearest] }
}

fn viewers(ratings: &Ratings, settings: Settings) -> Vec<Node> {
    let positive = ratings.list.iter().filter(|rating| rating.weight > 0.0);
    let raters: BTreeSet<Node> = positive.map(|rating| rating.rater).collect();
    let raters: Vec<Node> = raters.into_iter().collect();
    Dice::new(settings.seed, u64::from_be_bytes(*b"viewers\0")).sample(&raters, settings.viewers)
}

fn learned(ratings: &Ratings) -> Ours {
    Ours::learned(ratings, Face::Mean)
}

/// `p = e o + (1 - e) P' p` by plain iteration in floats, what rows keep back going to the viewer.
fn iterate(model: &WalkBeta, viewer: &AgentId) -> BTreeMap<AgentId, f64> {
    let e = model.params().restart;
    let mut places = BTreeMap::from([(*viewer, 0usize)]);
    let mut edges: Vec<(usize, usize, f64)> = Vec::new();
    for (from, to, share) in model.edges() {
        let next = places.len();
        let from = *places.entry(from).or_insert(next);
        let next = places.len();
        let to = *places.entry(to).or_insert(next);
        edges.push((from, to, share));
    }
    let mut p = vec![0.0; places.len()];
    p[0] = 1.0;
    // 0.7^120 is 3e-19: nothing that a float of this size can hold.
    for _ in 0..120 {
        let mut next = vec![0.0; places.len()];
        for (from, to, share) in &edges {
            next[*to] += (1.0 - e) * share * p[*from];
        }
        next[0] += 1.0 - next.iter().sum::<f64>();
        p = next;
    }
    places.into_iter().map(|(agent, at)| (agent, p[at])).collect()
}

fn against_dense(name: &str, ratings: &Ratings, viewers: &[Node]) -> Vec<Cell> {
    let mut ours = learned(ratings);
    let (mut largest, mut together, mut certificate) = (0.0f64, 0.0f64, 0.0f64);
    for viewer in viewers {
        let viewer = ours.key(*viewer);
        let standing = ours.model.standing(&viewer, &[], day(ratings.end()));
        let dense = iterate(&ours.model, &viewer);
        let off: Vec<f64> = dense.iter().map(|(agent, mass)| (standing.mass(agent) - mass).abs()).collect();
        largest = off.iter().copied().fold(largest, f64::max);
        together = together.max(off.iter().sum());
        certificate = certificate.max(standing.certificate());
    }
    let tiny = |number: f64| Cell::text(format!("{number:.1e}"));
    vec![Cell::text(name), Cell::Count(viewers.len() as u64), tiny(largest), tiny(together), tiny(certificate)]
}

fn in_any_order(name: &str, ratings: &Ratings, viewers: &[Node], seed: u64) -> Vec<Cell> {
    let today = day(ratings.end());
    let bits = |ratings: &Ratings| -> Vec<Vec<(AgentId, u64)>> {
        let mut ours = learned_as(ratings);
        viewers
            .iter()
            .map(|viewer| {
                let viewer = ours.key(*viewer);
                ours.model.standing(&viewer, &[], today).bits()
            })
            .collect()
    };
    let straight = bits(ratings);
    let mut other = 0;
    for order in 0..ORDERS {
        let mut shuffled = ratings.clone();
        Dice::new(seed, 1_000 + order).shuffle(&mut shuffled.list);
        other += bits(&shuffled).iter().zip(&straight).filter(|(one, other)| one != other).count();
    }
    let vectors = ORDERS * viewers.len() as u64;
    vec![Cell::text(name), Cell::Count(ORDERS), Cell::Count(vectors), Cell::Count(other as u64)]
}

/// Learned in the order given, each hire under the number it has in order of time, as its id would be.
fn learned_as(ratings: &Ratings) -> Ours {
    let mut ours = Ours::new(Ours::params(ratings.typical()), Face::Mean);
    for rating in &ratings.list {
        ours.add_once(rating);
    }
    ours
}

fn off(one: &Standing<'_>, other: &Standing<'_>) -> f64 {
    let agents: BTreeSet<AgentId> = one.iter().chain(other.iter()).map(|(agent, ..)| agent).collect();
    agents.iter().map(|agent| (one.mass(agent) - other.mass(agent)).abs()).sum()
}

fn within_certificate(name: &str, ratings: &Ratings, viewers: &[Node]) -> Vec<Cell> {
    let first = ratings.list.len() - ratings.list.len() / 10;
    let (before, last) = ratings.list.split_at(first);
    let mut ours = Ours::new(Ours::params(ratings.typical()), Face::Mean);
    before.iter().for_each(|rating| ours.learn(rating));
    let today = day(ratings.end());
    let viewers: Vec<AgentId> = viewers.iter().take(10).map(|viewer| ours.key(*viewer)).collect();
    viewers.iter().for_each(|viewer| ours.model.watch(*viewer, &[]));
    ours.model.settle(today);
    let (mut looks, mut outside) = (0u64, 0u64);
    let (mut most, mut certificate, mut share) = (0.0f64, 0.0f64, 0.0f64);
    for (at, rating) in last.iter().enumerate() {
        ours.add(rating);
        // Settled after each rating, as a node would, so that errors have every chance to pile up.
        ours.model.settle(today);
        if at % EVERY != EVERY - 1 && at + 1 != last.len() {
            continue;
        }
        for viewer in &viewers {
            let canonical = ours.model.standing(viewer, &[], today);
            let Some(live) = ours.model.live(viewer, &[], today) else { continue };
            let (off, within) = (off(&live, &canonical), live.certificate() + canonical.certificate());
            looks += 1;
            outside += u64::from(off > within);
            most = most.max(off);
            certificate = certificate.max(live.certificate());
            share = share.max(off / within);
        }
    }
    let tiny = |number: f64| Cell::text(format!("{number:.1e}"));
    vec![
        Cell::text(name),
        Cell::Count(looks),
        tiny(most),
        tiny(certificate),
        Cell::Number(share, 3),
        Cell::Count(outside),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DAY, Rating};

    #[test]
    fn on_a_small_network_everything_that_is_claimed_holds() {
        let mut dice = Dice::new(4, 0);
        let mut list = Vec::new();
        for at in 0..600u32 {
            let (rater, subject) = (dice.below(40) as Node, dice.below(40) as Node);
            let weight = if subject < 4 { -0.5 } else { 0.5 };
            if rater != subject {
                list.push(Rating::new(f64::from(at) * DAY, rater, subject, weight));
            }
        }
        let ratings = Ratings { list, names: (0..40).collect() };
        let report = check(&[("small", ratings)], Settings { viewers: 4, seed: 1 });
        let [dense, live, order, crowds, nearest] = &report.tables[..] else { panic!("five tables") };
        let number = |cell: &Cell| match cell {
            Cell::Text(text) => text.parse::<f64>().unwrap(),
            other => panic!("not a small number: {other:?}"),
        };
        assert!(number(&dense.rows[0][3]) <= number(&dense.rows[0][4]), "{}", dense.show());
        assert!(number(&dense.rows[0][2]) > 0.0, "floats and whole numbers differ in something");
        assert_eq!(live.rows[0][5], Cell::Count(0), "{}", live.show());
        assert_eq!((&order.rows[0][2], &order.rows[0][3]), (&Cell::Count(20), &Cell::Count(0)), "{}", order.show());
        assert_eq!((crowds.rows.len(), nearest.rows.len()), (9, 9));
        for table in [crowds, nearest] {
            assert!(table.rows.iter().all(|row| row[8] == Cell::Count(0)), "{}", table.show());
        }
        let fooled = |row: &&Vec<Cell>| row[1] != Cell::Count(0);
        let reached = |row: &Vec<Cell>| number(&row[4]) > 0.0;
        assert!(crowds.rows.iter().filter(fooled).all(reached), "the bound is tried, not idle: {}", crowds.show());
        assert!(!crowds.rows.iter().filter(|row| !fooled(row)).any(reached), "{}", crowds.show());
        let near = |row: &Vec<Cell>| matches!(row[7], Cell::Number(share, _) if share > 0.9);
        assert!(nearest.rows.iter().any(near), "the bound is nearly reached: {}", nearest.show());
    }
}
