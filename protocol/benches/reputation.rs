//! What reputation costs. `cargo bench -p gigmesh-protocol --bench reputation`, on an otherwise quiet machine.
//!
//! The graph is synthetic, with the size and the degrees of the Bitcoin OTC ratings (5,881 people, 35,592 ratings, one in ten
//! bad; degrees fall like 5,622 / (rank + 6.4)). With the real file at hand: `GIGMESH_OTC=soc-sign-bitcoinotc.csv`.
//!
//! - One viewer's standings, canonical, beside the same vector by power iteration in floats over a compressed matrix that is
//!   there already, to the same error; and by igraph, if `GIGMESH_PYTHON` names a Python that has it (`pip install igraph`).
//!   Ratios are taken viewer by viewer.
//! - One new rating while ten viewers are watching: the last tenth of the ratings, in their order; how far what they see is
//!   from the canonical after it.
//! - An opinion, an explanation, and what is chosen by.
//! - Loading a million ratings; what a rating takes in memory; and a book that may hold no more and is brought 150,000
//!   further: what leaves, by how little that moves what ten viewers think, and the longest that anything else has to wait.

#![expect(clippy::disallowed_methods, reason = "the protocol has no clock or environment; who measures has")]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
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
/// Edges that a node follows for one input.
const PUSH: usize = 20_000;

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

/// The same by igraph, in a process of its own that times itself.
struct Igraph {
    process: Child,
    answers: std::io::Lines<BufReader<ChildStdout>>,
}

impl Igraph {
    /// Reads the edges, then for each line a viewer; answers with microseconds, and with the vector. What rows keep back goes to
    /// the viewer by edges of its own, which are made before the time is taken.
    const SCRIPT: &str = "
import sys, time, igraph
n, m = map(int, sys.stdin.readline().split())
edges, weights, left = [], [], [1.0] * n
for _ in range(m):
    a, b, w = sys.stdin.readline().split()
    edges.append((int(a), int(b))); weights.append(float(w)); left[int(a)] -= float(w)
for line in sys.stdin:
    viewer, damping = line.split()
    viewer = int(viewer)
    back = [(a, viewer) for a in range(n) if left[a] > 1e-15]
    graph = igraph.Graph(n=n, edges=edges + back, directed=True)
    graph.es['weight'] = weights + [left[a] for a, _ in back]
    start = time.perf_counter()
    p = graph.personalized_pagerank(damping=float(damping), reset_vertices=[viewer], weights='weight')
    print((time.perf_counter() - start) * 1e6, flush=True)
    print(*p, flush=True)
";

    fn start(matrix: &Matrix) -> Option<Self> {
        let python = std::env::var("GIGMESH_PYTHON").ok()?;
        let piped = |command: &mut Command| command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = piped(Command::new(python).args(["-c", Self::SCRIPT])).ok()?;
        let mut all = format!("{} {}\n", matrix.people.len(), matrix.from.len());
        for (to, row) in matrix.starts.windows(2).enumerate() {
            for (from, part) in &matrix.from[row[0]..row[1]] {
                all.push_str(&format!("{from} {to} {part}\n"));
            }
        }
        process.stdin.as_mut()?.write_all(all.as_bytes()).ok()?;
        let answers = BufReader::new(process.stdout.take()?).lines();
        Some(Self { process, answers })
    }

    fn walk(&mut self, viewer: usize) -> Option<(f64, Vec<f64>)> {
        writeln!(self.process.stdin.as_mut()?, "{viewer} {}", 1.0 - Params::default().restart).ok()?;
        let time = self.answers.next()?.ok()?.parse().ok()?;
        let p = self.answers.next()?.ok()?.split(' ').map(|p| p.parse().expect("a number")).collect();
        Some((time, p))
    }
}

impl Drop for Igraph {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ended = self.process.wait();
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
    let (first, _) = timed(|| model.standing(&agent(busy[0]), &[], today));
    let mut igraph = Igraph::start(&matrix);
    let (mut third, mut times_third) = (Vec::new(), Vec::new());
    for viewer in &busy {
        let viewer = agent(*viewer);
        let (time, standing) = timed(|| model.standing(&viewer, &[], today));
        let Ok(number) = matrix.people.binary_search(&viewer) else { continue };
        let (slow, exact) = timed(|| matrix.walk(number, params.restart, 1e-9));
        let off: f64 = matrix.people.iter().zip(exact).map(|(agent, p)| (standing.mass(agent) - p).abs()).sum();
        assert!(off < standing.certificate() + 1e-9, "they differ by {off}");
        if let Some((time, p)) = igraph.as_mut().and_then(|igraph| igraph.walk(number)) {
            let off: f64 = matrix.people.iter().zip(p).map(|(agent, p)| (standing.mass(agent) - p).abs()).sum();
            assert!(off < 1e-5, "igraph differs by {off}");
            third.push(time);
            times_third.push(time / timed(|| model.standing(&viewer, &[], today)).0);
        }
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
    println!("  the first since an edge changed {first:7.0} us");
    println!("  the same, power iteration      {float:8.0} us; {ratio:.1} times as long");
    if third.is_empty() {
        println!("  the same, igraph                skipped: GIGMESH_PYTHON names no Python that has it");
    } else {
        let ((time, _), (ratio, _)) = (middle(third), middle(times_third));
        println!("  the same, igraph               {time:8.0} us; {ratio:.1} times as long");
    }

    for bits in [26, 34] {
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
    let last = said.len() * 9 / 10;
    let mut alone = WalkBeta::new(params);
    put_all(&mut alone, &said[..last]);
    let before = &said[..last];
    let mut times = Vec::new();
    for (n, said) in (last as u32..).zip(&said[last..]) {
        times.push(timed(|| put(&mut alone, *said, n)).0);
    }
    println!("  one more rating, nobody watching {:8.1} us", times.iter().sum::<f64>() / times.len() as f64);
    println!("  one more rating, ten watching: us until taken in, until all have settled (what is usual included);");
    println!("    threshold     taken   95%   settled: mean  middle    95%   certificate  mass off  weight off");
    let mut watched = WalkBeta::new(params);
    for live_bits in [24, 28, 30, Params::default().live_bits] {
        watched = WalkBeta::new(Params { live_bits, ..params });
        put_all(&mut watched, before);
        for viewer in busy.iter().take(10) {
            watched.watch(agent(*viewer), &[]);
        }
        watched.settle(today);
        let (mut taken, mut settled) = (Vec::new(), Vec::new());
        let (mut certificate, mut mass, mut weight) = (0.0f64, 0.0f64, 0.0f64);
        for (n, said) in (last as u32..).zip(&said[last..]) {
            let (time, _) = timed(|| put(&mut watched, *said, n));
            let (more, ()) = timed(|| while watched.work(today, usize::MAX) {});
            taken.push(time);
            settled.push(time + more);
            if n % 100 != 0 {
                continue;
            }
            for viewer in busy.iter().take(10).map(|viewer| agent(*viewer)) {
                let live = watched.live(&viewer, &[], today).expect("it is watching");
                certificate = certificate.max(live.certificate());
                for (agent, exact, full) in watched.standing(&viewer, &[], today).iter() {
                    mass = mass.max((live.mass(&agent) - exact).abs());
                    weight = weight.max((live.weight(&agent) - full).abs());
                }
            }
        }
        let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
        let (average, take, (half, most)) = (mean(&settled), mean(&taken), middle(settled));
        println!(
            "    2^-{live_bits}      {take:8.1} {:5.0} {average:15.1} {half:7.1} {most:6.0}   {certificate:11.1e}  {mass:8.1e}  {weight:10.1e}",
            middle(taken).1
        );
    }

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

    million();
}

/// The rating number `n` among twenty thousand agents over a year and more; the lower an agent's number the more it deals.
fn deal(dice: &mut Dice, n: u32) -> Said {
    let mut who = || (dice.roll(20_000) * dice.roll(20_000) / 20_000) as u32;
    let (from, to) = (who(), who());
    let score = if dice.roll(10) == 0 { 0 } else { 800 + dice.roll(5) as u16 * 50 };
    (from, to, score, 15_000 + n / 2_740)
}

fn million() {
    const CAP: u32 = 1_000_000;
    const ALL: u32 = 1_150_000;
    let (mut dice, before) = (Dice(3), MEMORY.current_usage());
    let mut whole = WalkBeta::new(Params { ratings: usize::MAX, ..Params::default() });
    let (time, ()) = timed(|| {
        for n in 0..CAP {
            put(&mut whole, deal(&mut dice, n), n);
        }
    });
    let bytes = (MEMORY.current_usage() - before) as f64;
    println!("a million ratings among 20,000 agents over a year");
    println!("  loaded in                      {:8.1} s, {:.1} us a rating", time / 1e6, time / f64::from(CAP));
    println!(
        "  in memory                      {:8.0} bytes a rating, {} held",
        bytes / whole.len() as f64,
        whole.len()
    );

    // As after a restart: all is read, then ten begin to watch.
    let viewers: Vec<AgentId> = [1, 5, 20, 60, 150, 400, 900, 2_000, 4_000, 8_000].map(agent).to_vec();
    let mut part = WalkBeta::new(Params { ratings: CAP as usize, strangers: None, ..Params::default() });
    for (about, evidence) in whole.evidence() {
        part.add(about, &evidence);
    }
    viewers.iter().for_each(|viewer| part.watch(*viewer, &[]));
    let (time, ()) = timed(|| part.settle(15_000 + CAP / 2_740));
    println!("  ten walks and what is usual    {:8.1} s", time / 1e6);
    let (first, _) = timed(|| part.standing(&viewers[0], &[], 15_000 + CAP / 2_740));
    let (again, certificate) = timed(|| part.standing(&viewers[1], &[], 15_000 + CAP / 2_740).certificate());
    println!(
        "  one viewer, canonical          {:8.1} ms, {:.1} once there was one; certificate {certificate:.1e}",
        first / 1e3,
        again / 1e3
    );

    // The rest, as a node takes it: some work after each.
    let (mut puts, mut works, mut gone) = (Vec::new(), Vec::new(), 0);
    let (time, ()) = timed(|| {
        for n in CAP..ALL {
            let said = deal(&mut dice, n);
            put(&mut whole, said, n);
            puts.push(timed(|| put(&mut part, said, n)).0);
            works.push(timed(|| part.work(said.3, PUSH)).0);
            gone += part.take_gone().len();
        }
    });
    let day = 15_000 + ALL / 2_740;
    println!(
        "150,000 more, ten watching, a million held at most; {:.0} s with the book that holds everything",
        time / 1e6
    );
    let line = |what: &str, times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[(times.len() as f64 * share) as usize] / 1e3;
        let (half, most, worst) = (at(0.5), at(0.999), at(0.999_999_9));
        println!("  {what}, ms   {half:8.3} in the middle, {most:.2} in 999 of 1000, {worst:.1} at most");
    };
    line("one rating taken in    ", &mut puts);
    line("the work after it      ", &mut works);
    part.settle(day);
    whole.advance(day);
    part.advance(day);
    println!("  held {}, gone {gone}", part.len());
    println!("  by what the rater counts for whoever hears it most: kept of everything");
    let heard: Vec<_> = viewers.iter().map(|viewer| whole.standing(viewer, &[], day)).collect();
    let mut kept = [(0u32, 0u32); 4];
    let mut weights = std::collections::BTreeMap::new();
    for (about, _) in whole.evidence() {
        let weight = *weights
            .entry(about.rater)
            .or_insert_with(|| heard.iter().map(|standing| standing.weight(&about.rater)).fold(0.0, f64::max));
        let class = if weight == 0.0 {
            0
        } else if weight < 0.1 {
            1
        } else if weight < 0.5 {
            2
        } else {
            3
        };
        kept[class].1 += 1;
        kept[class].0 += u32::from(part.rating(&about).is_some());
    }
    for (name, (kept, all)) in ["nothing", "below 0.1", "below 0.5", "more"].into_iter().zip(kept) {
        println!("    {name:12} {kept:9} of {all:9}");
    }
    let (mut off, mut ends) = (Vec::new(), Vec::new());
    for (viewer, whole) in viewers.iter().zip(&heard) {
        let part = part.standing(viewer, &[], day);
        for subject in (0..20_000).step_by(20).map(agent) {
            let (then, now) =
                (whole.expect(&subject, None, Aspect::Overall), part.expect(&subject, None, Aspect::Overall));
            off.push((then.mean - now.mean).abs());
            ends.push((then.low - now.low).abs());
        }
    }
    println!("  1,000 subjects in the eyes of ten, against the book that holds everything:");
    for (name, mut off) in [("score", off), ("lower end", ends)] {
        off.sort_by(f64::total_cmp);
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        let (most, worst) = (off[off.len() * 99 / 100], off[off.len() - 1]);
        println!("    {name:10} moved by {mean:.5} in the mean, {most:.4} in 99 of 100, {worst:.4} at most");
    }
}
