//! The market's own model, fed with evidence that needs no signatures.

use std::collections::BTreeSet;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{AgentId, Id, sha256};
use gigmesh_protocol::market::{Outcome, Scores, Skill};
use gigmesh_protocol::reputation::{About, Aspect, Edition, Evidence, Params, WalkBeta};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::untrusted::Untrusted;

use super::Model;
use super::means::ShrunkMean;
use crate::data::{DAY, Node, Rating, Ratings};

/// What skills are called, by their number.
const SKILLS: [&str; 3] = ["text/translate", "code/write", "text/summarise"];

/// The threshold of the walk in loops over tens of thousands of predictions, in binary digits; what ships is 40. On Bitcoin OTC
/// all masses together are then off by 3.9e-6 at most, and one agent's by 9.1e-7 (measured against the shipped one): standing
/// begins with 4.2e-6.
pub const COARSE: u32 = 34;

/// What of an opinion is the score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// The mean.
    Mean,
    /// The mean and the viewer's own leniency: what the viewer is going to say.
    Expected,
    /// What the viewer is going to say, and of a viewer that has never said anything the mean on record: it has no view, and the
    /// record, which anybody can fake, is what people are shown beside it.
    OrRecord,
    /// The lower end, by which is chosen.
    Low,
}

/// The model, and who is who in it.
#[derive(Debug, Clone)]
pub struct Ours {
    /// The protocol's.
    pub model: WalkBeta,
    face: Face,
    record: ShrunkMean,
    keys: Vec<AgentId>,
    count: u64,
    today: u32,
}

/// The key of a node: in another order than the numbers, as real keys are.
fn key(node: Node) -> AgentId {
    AgentId(sha256(&[b"node", &node.to_be_bytes()]).0)
}

/// The day of a time.
pub fn day(time: f64) -> u32 {
    (time / DAY) as u32
}

/// A skill by its number.
fn skill(number: u8) -> Skill {
    SKILLS[usize::from(number) % SKILLS.len()].parse().expect("these are skills")
}

/// The hire of the only rating of a pair.
fn once(rating: &Rating) -> [u8; 32] {
    let parts: [&[u8]; 3] =
        [&rating.rater.to_be_bytes(), &rating.subject.to_be_bytes(), &rating.time.to_bits().to_be_bytes()];
    sha256(&parts).0
}

/// From the protocol's measure, 0 to 1, to the data's, -1 to 1.
fn weight(score: f64) -> f64 {
    2.0 * score - 1.0
}

impl Ours {
    /// With these constants, knowing nobody yet.
    pub fn new(params: Params, face: Face) -> Self {
        Self { model: WalkBeta::new(params), face, record: ShrunkMean::new(2.0), keys: Vec::new(), count: 0, today: 0 }
    }

    /// Constants for data whose typical positive rating is this: what ships, with the smoothing in the data's own measure (two
    /// such ratings), and no bound on how many ratings of one subject strangers may fill, for there is no memory to guard.
    pub fn params(typical: f64) -> Params {
        Params { smoothing: 2.0 * typical, strangers: None, ..Params::default() }
    }

    /// What ships, having learned all of these.
    pub fn learned(ratings: &Ratings, face: Face) -> Self {
        let mut ours = Self::new(Self::params(ratings.typical()), face);
        ratings.list.iter().for_each(|rating| ours.learn(rating));
        ours
    }

    /// The key of a node.
    pub fn key(&mut self, node: Node) -> AgentId {
        while self.keys.len() <= node as usize {
            self.keys.push(key(self.keys.len() as Node));
        }
        self.keys[node as usize]
    }

    /// Takes a rating in, as of a hire of its own; false if the model refuses it.
    pub fn add(&mut self, rating: &Rating) -> bool {
        self.count += 1;
        let mut number = [0; 32];
        number[..8].copy_from_slice(&self.count.to_be_bytes());
        self.add_as(rating, number)
    }

    /// The same for data with one rating a pair, where the pair and the time name the hire in whatever order it comes.
    pub fn add_once(&mut self, rating: &Rating) -> bool {
        self.add_as(rating, once(rating))
    }

    /// What its rater would be expected to say, had it not been said; of what came by [`Ours::add_once`].
    pub fn without(&mut self, rating: &Rating, now: f64) -> f64 {
        let about = self.about(rating, once(rating));
        self.model.remove(&about);
        self.model.advance(day(now));
        let told = self.score(rating.rater, rating.subject, now);
        self.add_once(rating);
        told
    }

    fn about(&mut self, rating: &Rating, number: [u8; 32]) -> About {
        let hire = HireId::from_bytes(number);
        About { subject: self.key(rating.subject), rater: self.key(rating.rater), hire }
    }

    fn add_as(&mut self, rating: &Rating, number: [u8; 32]) -> bool {
        let about = self.about(rating, number);
        let quality = ((rating.weight + 1.0) * 500.0).round() as u16;
        let evidence = Evidence {
            id: Id::from_bytes(number),
            skill: skill(rating.skill),
            day: day(rating.time),
            scores: Scores { quality: Some(quality), ..Scores::default() },
            value: rating.value,
            agreed: Some((Outcome::Accepted, Millis(0))),
            sealed: true,
            worked: true,
            edition: Edition {
                model: (rating.edition > 0).then(|| Untrusted::new(format!("model-{}", rating.edition))),
                version: None,
            },
        };
        self.model.add(about, &evidence)
    }

    /// What a viewer thinks of each subject, at a skill or at anything.
    fn told(&mut self, viewer: Node, subjects: &[Node], at: Option<&Skill>, now: f64) -> Vec<f64> {
        let today = day(now);
        if self.today != today {
            self.today = today;
            self.model.advance(today);
        }
        let (node, viewer) = (viewer, self.key(viewer));
        if self.face == Face::OrRecord && self.model.count_by(&viewer) == 0 {
            return self.record.scores(node, subjects, now);
        }
        let subjects: Vec<AgentId> = subjects.iter().map(|subject| self.key(*subject)).collect();
        let standing = self.model.standing(&viewer, &[], today);
        let leniency = match self.face {
            Face::Expected | Face::OrRecord => standing.leniency(),
            Face::Mean | Face::Low => 0.0,
        };
        let one = |subject: &AgentId| {
            let opinion = standing.expect(subject, at, Aspect::Overall);
            match self.face {
                Face::Low => weight(opinion.low),
                Face::Mean | Face::Expected | Face::OrRecord => weight((opinion.mean + leniency).clamp(0.0, 1.0)),
            }
        };
        subjects.iter().map(one).collect()
    }

    /// Where the next rating of a subject by a viewer falls, nine times in ten.
    pub fn next(&mut self, viewer: Node, subject: Node, now: f64) -> Option<(f64, f64)> {
        let today = day(now);
        if self.today != today {
            self.today = today;
            self.model.advance(today);
        }
        let (viewer, subject) = (self.key(viewer), self.key(subject));
        let standing = self.model.standing(&viewer, &[], today);
        let range = standing.expect(&subject, None, Aspect::Overall).next?;
        Some((weight(range.low), weight(range.high)))
    }
}

impl Model for Ours {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        self.record.learn(rating);
        self.add(rating);
    }

    fn scores(&mut self, viewer: Node, subjects: &[Node], now: f64) -> Vec<f64> {
        self.told(viewer, subjects, None, now)
    }

    fn skilled(&mut self, viewer: Node, subjects: &[Node], at: u8, now: f64) -> Vec<f64> {
        self.told(viewer, subjects, Some(&skill(at)), now)
    }

    fn editions(&mut self, viewer: Node, subject: Node, now: f64) -> Option<usize> {
        let (viewer, subject) = (self.key(viewer), self.key(subject));
        let standing = self.model.standing(&viewer, &[], day(now));
        let told = standing.explain(&subject, None, Aspect::Overall, usize::from(u8::MAX))?;
        let named =
            told.raters.iter().flat_map(|rater| &rater.ratings).filter_map(|rating| rating.edition.model.as_ref());
        Some(named.collect::<BTreeSet<_>>().len())
    }

    fn personal(&self) -> bool {
        true
    }

    fn slow(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_believes_those_it_has_reason_to() {
        let mut ours = Ours::new(Ours::params(0.8), Face::Mean);
        // 0 trusts 1, who finds 2 bad; strangers find 2 good.
        ours.learn(&Rating::new(0.0, 0, 1, 0.8));
        ours.learn(&Rating::new(0.0, 1, 2, -0.8));
        (10..30).for_each(|stranger| ours.learn(&Rating::new(0.0, stranger, 2, 1.0)));
        assert!(ours.score(0, 2, 0.0) < -0.1);
        assert!(ours.score(10, 2, 0.0) > 0.1, "who has found it good thinks otherwise");
        assert!(!ours.add(&Rating::new(0.0, 3, 3, 1.0)), "nobody rates itself");
    }

    #[test]
    fn a_skill_is_judged_by_what_was_done_at_it() {
        let mut ours = Ours::new(Ours::params(0.8), Face::Mean);
        for hire in 0..10 {
            let time = DAY * f64::from(hire);
            ours.learn(&Rating { skill: 0, ..Rating::new(time, 0, 1, 0.8) });
            ours.learn(&Rating { skill: 1, ..Rating::new(time, 0, 1, -0.8) });
        }
        let mut at = |skill| ours.skilled(0, &[1], skill, 9.0 * DAY)[0];
        assert!(at(0) > 0.3 && at(1) < -0.3, "{} {}", at(0), at(1));
    }
}
