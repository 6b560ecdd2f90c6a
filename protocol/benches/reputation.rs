//! What reputation costs. `cargo bench -p gigmesh-protocol --bench reputation`, on an otherwise quiet machine.
//!
//! The graph is synthetic, with the size and the degrees of the Bitcoin OTC ratings (5,881 people, 35,592 ratings, one in ten
//! bad; degrees fall like 5,622 / (rank + 6.4)). With the real file at hand: `GIGMESH_OTC=soc-sign-bitcoinotc.csv`.
//!
//! - One viewer's standings, canonical, beside the same vector by power iteration in floats over a compressed matrix that is
//!   there already, to the same error. The ratio is taken viewer by viewer.
//! - One new rating while ten viewers are watching: the last tenth of the ratings, in their order.
//! - An opinion, an explanation, and what is chosen by.
//! - Loading a million ratings, what a rating takes in memory, and what is left when only a quarter of them may be held.

#![expect(clippy::disallowed_methods, reason = "the protocol has no clock or environment; who measures has")]

use std::hint::black_box;
use std::time::Instant;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{AgentId, Id, sha256};
use gigmesh_protocol::market::{Outcome, Scores};
use gigmesh_protocol::reputation::{About, Aspect, Edition, Evidence, Model, Params, WalkBeta};
use gigmesh_protocol::time::Millis;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const PEOPLE: u32 = 5_881;
const RATINGS: usize = 35_592;
const VIEWERS: usize = 40;

/// A small generator: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % below
    }
}

fn agent(n: u32) -> AgentId {
    AgentId(sha256(&[b"agent", &n.to_be_bytes()]).0)
}

/// Who, whom, how (per mille), on which day.
type Said = (u32, u32, u16, u32);

fn synthetic() -> Vec<Said> {
    let degrees = |rank: u32| (5_622.0 / (f64::from(rank) + 7.37)).max(1.0) as usize;
    let stubs: Vec<u32> = (0..PEOPLE).flat_map(|rank| std::iter::repeat_n(rank, degrees(rank))).collect();
    let mut dice = Dice(1);
    let (mut said, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
    while said.len() < RATINGS {
        let (from, to) = (stubs[dice.roll(stubs.len())], stubs[dice.roll(stubs.len())]);
        if from != to && seen.insert((from, to)) {
            let score = if dice.roll(10) == 0 {
                dice.roll(10) as u16 * 50
            } else {
                550 + (dice.roll(3) * dice.roll(4)) as u16 * 50
            };
            said.push((from, to, score, 15_000 + said.len() as u32 * 1_900 / RATINGS as u32));
        }
    }
    said
}

fn otc(path: &str) -> Vec<Said> {
    let text = std::fs::read_to_string(path).expect("the file of the ratings");
    let mut said: Vec<(f64, Said)> = text
        .lines()
        .map(|line| {
            let fields: Vec<f64> = line.split(',').map(|field| field.parse().expect("a number")).collect();
            let score = ((fields[2] + 10.0) * 50.0) as u16;
            (fields[3], (fields[0] as u32, fields[1] as u32, score, (fields[3] / 86_400.0) as u32))
        })
        .collect();
    said.sort_by(|a, b| a.0.total_cmp(&b.0));
    said.into_iter().map(|(_, said)| said).collect()
}

fn put(model: &mut WalkBeta, (from, to, score, day): Said, n: u32) -> bool {
    let hire = sha256(&[b"hire", &n.to_be_bytes()]);
    let about = About { subject: agent(to), rater: agent(from), hire: HireId::from_bytes(hire.0) };
    let evidence = Evidence {
        id: Id::from_bytes(hire.0),
        skill: "table/sort".parse().expect("a skill"),
        day,
        scores: Scores { quality: Some(score), ..Scores::default() },
        value: 1,
        agreed: Some((Outcome::Accepted, Millis(0))),
        sealed: true,
        worked: true,
        edition: Edition::default(),
    };
    model.add(about, &evidence)
}

fn put_all(model: &mut WalkBeta, all: &[Said]) {
    for (n, said) in (0..).zip(all) {
        put(model, *said, n);
    }
}

/// Half of the runs are below the first, one in twenty above the second; in microseconds.
fn middle(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 19 / 20])
}

fn timed<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let value = run();
    (start.elapsed().as_secs_f64() * 1e6, value)
}

/// The same walk by power iteration in floats, the matrix by rows of where it comes from.
struct Matrix {
    starts: Vec<usize>,
    from: Vec<(u32, f64)>,
    people: Vec<AgentId>,
}

impl Matrix {
    fn of(model: &WalkBeta) -> Self {
        let edges: Vec<_> = model.edges().collect();
        let mut people: Vec<AgentId> = edges.iter().flat_map(|(from, to, _)| [*from, *to]).collect();
        people.sort_unstable();
        people.dedup();
        let number = |agent: &AgentId| people.binary_search(agent).expect("it is among them");
        let mut into: Vec<Vec<(u32, f64)>> = vec![Vec::new(); people.len()];
        for (from, to, part) in edges {
            into[number(&to)].push((number(&from) as u32, part));
        }
        let mut starts = vec![0];
        let mut all = Vec::new();
        for row in into {
            all.extend(row);
            starts.push(all.len());
        }
        Self { starts, from: all, people }
    }

    fn walk(&self, viewer: usize, e: f64, error: f64) -> Vec<f64> {
        let mut p = vec![0.0; self.people.len()];
        p[viewer] = 1.0;
        loop {
            let mut next: Vec<f64> = self
                .starts
                .windows(2)
                .map(|row| {
                    (1.0 - e)
                        * self.from[row[0]..row[1]].iter().map(|(from, part)| part * p[*from as usize]).sum::<f64>()
                })
                .collect();
            next[viewer] += 1.0 - next.iter().sum::<f64>();
            let change: f64 = next.iter().zip(&p).map(|(a, b)| (a - b).abs()).sum();
            p = next;
            // What is left of a geometric series.
            if change * (1.0 - e) / e < error {
                return p;
            }
        }
    }
}

fn main() {
    let (name, said) = match std::env::var("GIGMESH_OTC") {
        Ok(path) => ("Bitcoin OTC", otc(&path)),
        Err(_) => ("synthetic, as large and as uneven as Bitcoin OTC", synthetic()),
    };
    let params = Params { smoothing: 0.2, ..Params::default() };
    let today = said.last().map_or(0, |said| said.3);
    println!("{name}: {} ratings", said.len());

    // ---- one viewer's vector ----
    let mut model = WalkBeta::new(params);
    let (load, ()) = timed(|| put_all(&mut model, &said));
    println!("  taken in, edges and all        {:8.1} us a rating", load / said.len() as f64);
    let matrix = Matrix::of(&model);
    let mut dice = Dice(7);
    let busy: Vec<u32> = (0..VIEWERS).map(|_| said[dice.roll(said.len())].0).collect();
    let (mut ours, mut theirs, mut ratios, mut reach, mut certificate) =
        (Vec::new(), Vec::new(), Vec::new(), 0, 0.0f64);
    for viewer in &busy {
        let viewer = agent(*viewer);
        let (time, standing) = timed(|| model.standing(&viewer, &[], today));
        let Ok(number) = matrix.people.binary_search(&viewer) else { continue };
        let (slow, exact) = timed(|| matrix.walk(number, params.restart, 1e-9));
        let off: f64 = matrix.people.iter().zip(exact).map(|(agent, p)| (standing.mass(agent) - p).abs()).sum();
        assert!(off < standing.certificate() + 1e-9, "they differ by {off}");
        reach += standing.iter().count();
        certificate = certificate.max(standing.certificate());
        ours.push(time);
        theirs.push(slow);
        ratios.push(slow / time);
    }
    let ((median, worst), (float, _), (ratio, _)) = (middle(ours), middle(theirs), middle(ratios));
    println!(
        "  one viewer, canonical          {median:8.0} us (95%: {worst:.0}), {} reached, certificate {certificate:.1e}",
        reach / VIEWERS
    );
    println!("  the same, power iteration      {float:8.0} us; {ratio:.1} times as long");

    for bits in [26, 30, 34] {
        let mut coarse = WalkBeta::new(Params { bits, ..params });
        put_all(&mut coarse, &said);
        let (mut times, mut certificate, mut most) = (Vec::new(), 0.0f64, 0.0f64);
        for viewer in busy.iter().map(|viewer| agent(*viewer)) {
            let (time, standing) = timed(|| coarse.standing(&viewer, &[], today));
            let exact = model.standing(&viewer, &[], today);
            certificate = certificate.max(standing.certificate());
            let off = exact.iter().map(|(agent, mass, _)| (standing.mass(&agent) - mass).abs());
            most = off.fold(most, f64::max);
            times.push(time);
        }
        let (median, _) = middle(times);
        println!(
            "  with {bits} bits                   {median:8.0} us; certificate {certificate:.1e}, one agent off by {most:.1e}"
        );
    }

    // ---- many who watch ----
    let mut watched = WalkBeta::new(params);
    let last = said.len() * 9 / 10;
    put_all(&mut watched, &said[..last]);
    let mut alone = watched.clone();
    for viewer in busy.iter().take(10) {
        watched.watch(agent(*viewer), &[]);
    }
    watched.settle(today);
    let time_of = |model: &mut WalkBeta| {
        let mut times = Vec::new();
        for (n, said) in (last as u32..).zip(&said[last..]) {
            let (time, ()) = timed(|| {
                put(model, *said, n);
                while model.work(today, usize::MAX) {}
            });
            times.push(time);
        }
        (times.iter().sum::<f64>() / times.len() as f64, middle(times).1)
    };
    let ((nobody, _), (ten, worst)) = (time_of(&mut alone), time_of(&mut watched));
    println!("  one more rating, ten watching  {ten:8.1} us (95%: {worst:.1}); nobody watching {nobody:.1}");

    // ---- opinions ----
    watched.settle(today);
    let viewer = agent(busy[0]);
    let standing = watched.live(&viewer, &[], today).expect("it is watching");
    let subjects: Vec<AgentId> = (0..500).map(|_| agent(said[dice.roll(said.len())].1)).collect();
    let times = |run: &dyn Fn(&AgentId) -> f64| {
        middle(subjects.iter().map(|subject| timed(|| black_box(run(subject))).0).collect())
    };
    let choosing = times(&|subject| standing.expect(subject, None, Aspect::Overall).low);
    let viewing = times(&|subject| standing.view(subject, None).map_or(0.0, |view| view.overall.low));
    let telling = times(&|subject| standing.explain(subject, None, Aspect::Overall, 20).map_or(0.0, |told| told.score));
    println!("  what is chosen by              {:8.1} us (95%: {:.1})", choosing.0, choosing.1);
    println!("  a whole view                   {:8.1} us (95%: {:.1})", viewing.0, viewing.1);
    println!("  an explanation with paths      {:8.1} us (95%: {:.1})", telling.0, telling.1);
    drop((model, watched, alone, matrix));

    // ---- a million ----
    let million = |ratings| {
        let mut dice = Dice(3);
        let before = MEMORY.current_usage();
        let mut model = WalkBeta::new(Params { ratings, ..Params::default() });
        model.watch(agent(1), &[]);
        let (time, ()) = timed(|| {
            for n in 0..1_000_000u32 {
                // Twenty thousand agents; the lower the number the more it deals.
                let mut who = || (dice.roll(20_000) * dice.roll(20_000) / 20_000) as u32;
                let (from, to) = (who(), who());
                let score = if dice.roll(10) == 0 { 0 } else { 800 + dice.roll(5) as u16 * 50 };
                put(&mut model, (from, to, score, 15_000 + n / 2_740), n);
                if n % 1_000 == 999 {
                    while model.work(15_000 + n / 2_740, usize::MAX) {}
                    drop(model.take_gone());
                }
            }
            model.settle(15_365);
        });
        (time, MEMORY.current_usage() - before, model)
    };
    let (time, bytes, whole) = million(1_000_000);
    println!("a million ratings among 20,000 agents over a year, one watching");
    println!("  loaded in                      {:8.1} s", time / 1e6);
    println!("  held {}                     {:8.0} bytes a rating", whole.len(), bytes as f64 / whole.len() as f64);
    let (time, bytes, part) = million(250_000);
    println!("  loaded in, 250,000 held        {:8.1} s", time / 1e6);
    println!(
        "  held {}                      {:8.0} bytes a rating, {:.0} MB",
        part.len(),
        bytes as f64 / part.len() as f64,
        bytes as f64 / 1e6
    );
    let (all, kept) = (whole.standing(&agent(1), &[], 15_365), part.standing(&agent(1), &[], 15_365));
    let (mut off, mut n, mut most) = (0.0, 0.0, 0.0f64);
    for subject in (0..20_000).step_by(40).map(agent) {
        let (Some(then), Some(now)) =
            (all.opinion(&subject, None, Aspect::Overall), kept.opinion(&subject, None, Aspect::Overall))
        else {
            continue;
        };
        off += (then.mean - now.mean).abs();
        most = most.max((then.mean - now.mean).abs());
        n += 1.0;
    }
    println!(
        "  scores of {n:.0} subjects move by  {:8.4} in the mean, {most:.3} at most, for three quarters being gone",
        off / n
    );
}
