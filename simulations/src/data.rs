//! Who rated whom: readers for the data sets of the literature, and the views of them that a fair experiment needs.
//!
//! In come files named on the command line; out come ratings in order of time, between nodes numbered from zero. A line
//! that cannot be read is an error that names it; nothing is skipped in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::limits;

/// A participant, numbered from zero in the order of the numbers in the file.
pub type Node = u32;

/// Seconds in a day.
pub const DAY: f64 = 86_400.0;

/// One rating.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// When, in seconds since 1970.
    pub time: f64,
    /// Who judges.
    pub rater: Node,
    /// Who is judged.
    pub subject: Node,
    /// From -1 (worst) to 1.
    pub weight: f64,
    /// What the hire was worth, in powers of two. Most models do not ask.
    pub value: u8,
    /// What was done, as a number. Most models do not ask.
    pub skill: u8,
    /// Which model stood behind the worker, as a number; 0 if it named none. Most models do not ask.
    pub edition: u8,
}

impl Rating {
    /// Of a hire like any other.
    pub const fn new(time: f64, rater: Node, subject: Node, weight: f64) -> Self {
        Self { time, rater, subject, weight, value: 20, skill: 0, edition: 0 }
    }
}

/// Why a file was not understood. Always something for whoever named the file to put right.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read at all.
    #[error("cannot read {0}: {1}; wanted is {2}")]
    Read(PathBuf, std::io::Error, &'static str),
    /// It is longer than [`limits::FILE`].
    #[error("{0} is {1} bytes long, over the {max} this reads; is it the right file?", max = limits::FILE)]
    Long(PathBuf, u64),
    /// A line that is not what it should be.
    #[error("{0}, line {1}: {2}")]
    Line(PathBuf, usize, String),
    /// Nothing in it.
    #[error("{0} holds no ratings")]
    Empty(PathBuf),
}

/// What each file is called, and the paper whose readers can find it.
const BITCOIN: &str = "soc-sign-bitcoinotc.csv as SNAP has it, the ratings of Kumar, Spezzano, Subrahmanian, Faloutsos, \
     \"Edge Weight Prediction in Weighted Signed Networks\", ICDM 2016";
const LABELS: &str = "otc_gt.csv, the labels of Kumar, Hooi, Makhija, Kumar, Faloutsos, Subrahmanian, \"REV2: Fraudulent User \
     Prediction in Rating Platforms\", WSDM 2018";
const ADVOGATO: &str = "out.advogato as KONECT has it, the certificates of Massa, Salvetti, Tomasoni, \"Bowling Alone and Trust \
     Decline in Social Network Sites\", DASC 2009";

/// A network of ratings.
#[derive(Debug, Clone, PartialEq)]
pub struct Ratings {
    /// In order of time; those of one moment in the order of the file.
    pub list: Vec<Rating>,
    /// What each node is called in the file, ascending.
    pub names: Vec<u64>,
}

fn text(path: &Path, wanted: &'static str) -> Result<String, Error> {
    let read = |e| Error::Read(path.to_owned(), e, wanted);
    let length = std::fs::metadata(path).map_err(read)?.len();
    if length > limits::FILE {
        return Err(Error::Long(path.to_owned(), length));
    }
    std::fs::read_to_string(path).map_err(read)
}

/// Fields of the lines of a file that are not empty, with their numbers; exactly `N` a line.
fn lines<'a, const N: usize>(
    path: &'a Path,
    text: &'a str,
    separator: &'a [char],
) -> impl Iterator<Item = Result<(usize, [&'a str; N]), Error>> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())).filter(|(_, line)| !line.is_empty()).map(
        move |(at, line)| {
            let fields: Vec<&str> = line.split(separator).map(str::trim).collect();
            let fields = <[&str; N]>::try_from(fields)
                .map_err(|fields| Error::Line(path.to_owned(), at, format!("{} fields, not {N}", fields.len())))?;
            Ok((at, fields))
        },
    )
}

fn number<T: std::str::FromStr>(path: &Path, line: usize, what: &str, field: &str) -> Result<T, Error> {
    field.parse().map_err(|_| Error::Line(path.to_owned(), line, format!("{what} `{field}` is not a number")))
}

impl Ratings {
    /// Of (time, rater, subject, weight) under the file's own numbers.
    fn new(path: &Path, raw: &[(f64, u64, u64, f64)]) -> Result<Self, Error> {
        if raw.is_empty() {
            return Err(Error::Empty(path.to_owned()));
        }
        let names: BTreeSet<u64> = raw.iter().flat_map(|(_, rater, subject, _)| [*rater, *subject]).collect();
        let nodes: BTreeMap<u64, Node> = names.iter().copied().zip(0..).collect();
        let mut list: Vec<Rating> = raw
            .iter()
            .map(|&(time, rater, subject, weight)| Rating::new(time, nodes[&rater], nodes[&subject], weight))
            .collect();
        list.sort_by(|a, b| a.time.total_cmp(&b.time));
        Ok(Self { list, names: names.into_iter().collect() })
    }

    /// Bitcoin OTC and Alpha as SNAP has them: `rater,rated,rating,time` without a header; ratings from -10 to 10.
    pub fn bitcoin(path: &Path) -> Result<Self, Error> {
        let text = text(path, BITCOIN)?;
        let mut raw = Vec::new();
        for line in lines::<4>(path, &text, &[',']) {
            let (at, [rater, subject, weight, time]) = line?;
            let wrong = |what: String| Error::Line(path.to_owned(), at, what);
            let weight: f64 = number(path, at, "rating", weight)?;
            if !(-10.0..=10.0).contains(&weight) {
                return Err(wrong(format!("a rating of {weight} is not between -10 and 10")));
            }
            let time: f64 = number(path, at, "time", time)?;
            if !time.is_finite() || time < 0.0 {
                return Err(wrong(format!("a time of {time} is not one")));
            }
            let (rater, subject) = (number(path, at, "rater", rater)?, number(path, at, "rated", subject)?);
            if rater == subject {
                return Err(wrong(format!("{rater} rates itself")));
            }
            raw.push((time, rater, subject, weight / 10.0));
        }
        Self::new(path, &raw)
    }

    /// Advogato as KONECT has it: a header, then `from to level` with levels in (0, 1] and no time. Certificates of oneself
    /// are in the data and left out here.
    ///
    /// Of Advogato's four levels the lowest, Observer, is not a certificate and not in the data; Apprentice, Journeyer and
    /// Master are .6, .8 and 1 there. They are taken as they are for weights of ratings: each is a recommendation, the
    /// weakest too, so none is below 0.
    pub fn advogato(path: &Path) -> Result<Self, Error> {
        let text = text(path, ADVOGATO)?;
        let mut raw = Vec::new();
        for line in lines::<3>(path, &text, &[' ', '\t']) {
            let (at, [from, to, level]) = line?;
            if at == 1 && from.parse::<u64>().is_err() {
                continue;
            }
            let weight: f64 = number(path, at, "level", level)?;
            if !(weight > 0.0 && weight <= 1.0) {
                return Err(Error::Line(
                    path.to_owned(),
                    at,
                    format!("a level of {weight} is not above 0 and up to 1"),
                ));
            }
            let (from, to) = (number(path, at, "certifier", from)?, number(path, at, "certified", to)?);
            if from != to {
                raw.push((0.0, from, to, weight));
            }
        }
        Self::new(path, &raw)
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.names.len()
    }

    /// The node of this number in the file.
    pub fn node(&self, name: u64) -> Option<Node> {
        self.names.binary_search(&name).ok().map(|at| at as Node)
    }

    /// The median positive rating: what satisfaction looks like here.
    pub fn typical(&self) -> f64 {
        let mut positive: Vec<f64> =
            self.list.iter().map(|rating| rating.weight).filter(|weight| *weight > 0.0).collect();
        positive.sort_by(f64::total_cmp);
        positive.get(positive.len() / 2).copied().unwrap_or(1.0)
    }

    /// The time of the last rating.
    pub fn end(&self) -> f64 {
        self.list.last().map_or(0.0, |rating| rating.time)
    }

    /// The same nodes without the ratings that some of them gave.
    pub fn without(&self, raters: &BTreeSet<Node>) -> Self {
        let list = self.list.iter().filter(|rating| !raters.contains(&rating.rater)).copied().collect();
        Self { list, names: self.names.clone() }
    }

    /// Whose ratings *are* the fraud labels of Bitcoin OTC: its founder (number 1 in the file) and everybody the founder
    /// rated +5 or higher. A score that has seen their ratings has seen the answer.
    pub fn labellers(&self) -> BTreeSet<Node> {
        let Some(founder) = self.node(1) else { return BTreeSet::new() };
        let trusted = self.list.iter().filter(|rating| rating.rater == founder && rating.weight >= 0.5);
        std::iter::once(founder).chain(trusted.map(|rating| rating.subject)).collect()
    }

    /// Which users are labelled, and whether as fraudulent: `user,label` with +1 for benign and -1 for fraudulent.
    pub fn labels(&self, path: &Path) -> Result<Vec<(Node, bool)>, Error> {
        let text = text(path, LABELS)?;
        let mut labels = BTreeMap::new();
        for line in lines::<2>(path, &text, &[',']) {
            let (at, [user, label]) = line?;
            let wrong = |what: String| Error::Line(path.to_owned(), at, what);
            let user: u64 = number(path, at, "user", user)?;
            let node = self.node(user).ok_or_else(|| wrong(format!("user {user} is not among the ratings")))?;
            let fraud = match label {
                "+1" | "1" => false,
                "-1" => true,
                other => return Err(wrong(format!("a label is +1 or -1, not `{other}`"))),
            };
            if labels.insert(node, fraud).is_some() {
                return Err(wrong(format!("user {user} is labelled twice")));
            }
        }
        Ok(labels.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("gigmesh-sim-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn ratings_come_in_order_of_time_between_nodes_in_order_of_their_numbers() {
        let path = file("order", "30,10,-10,300.5\n10,20,5,100\n\n20,30,1,300.5\n");
        let ratings = Ratings::bitcoin(&path).unwrap();
        assert_eq!(ratings.names, [10, 20, 30]);
        let seen: Vec<_> = ratings.list.iter().map(|r| (r.rater, r.subject, r.weight)).collect();
        assert_eq!(seen, [(0, 1, 0.5), (2, 0, -1.0), (1, 2, 0.1)]);
        assert_eq!(ratings.typical(), 0.5);
        assert_eq!((ratings.node(20), ratings.node(21), ratings.end()), (Some(1), None, 300.5));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line() {
        for (name, text, said) in [
            ("fields", "1,2,3\n", "line 1: 3 fields, not 4"),
            ("range", "1,2,3,4\n1,3,11,4\n", "line 2: a rating of 11 is not between -10 and 10"),
            ("nan", "1,2,NaN,4\n", "line 1: a rating of NaN is not between"),
            ("self", "1,1,3,4\n", "line 1: 1 rates itself"),
            ("word", "1,x,3,4\n", "line 1: rated `x` is not a number"),
            ("empty", "\n", "holds no ratings"),
        ] {
            let path = file(name, text);
            let error = Ratings::bitcoin(&path).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            std::fs::remove_file(path).unwrap();
        }
        let missing = Ratings::bitcoin(Path::new("/nowhere/at all")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read /nowhere/at all: ") && missing.contains("ICDM 2016"), "{missing}");
    }

    #[test]
    fn advogato_has_a_header_and_certificates_of_oneself() {
        let path = file("advogato", "source_id target_id trust_value\n1 1 .8\n1 2 1\n2 1 .6\n");
        let ratings = Ratings::advogato(&path).unwrap();
        assert_eq!(ratings.list.iter().map(|r| r.weight).collect::<Vec<_>>(), [1.0, 0.6]);
        std::fs::write(&path, "a b c\n1 2 1.2\n").unwrap();
        assert!(Ratings::advogato(&path).unwrap_err().to_string().contains("line 2: a level of 1.2"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn labels_are_kept_apart_from_the_ratings_that_made_them() {
        let path = file("otc", "1,2,5,1\n1,3,4,2\n2,4,-5,3\n3,4,1,4\n");
        let ratings = Ratings::bitcoin(&path).unwrap();
        let labellers = ratings.labellers();
        assert_eq!(labellers, BTreeSet::from([0, 1]), "the founder and whom it rated +5; not whom it rated +4");
        let honest = ratings.without(&labellers);
        assert_eq!(honest.list.iter().map(|r| (r.rater, r.subject)).collect::<Vec<_>>(), [(2, 3)]);
        assert_eq!(honest.nodes(), 4, "nodes keep their numbers");
        let labels = file("labels", "4,-1\n2,+1\n");
        assert_eq!(ratings.labels(&labels).unwrap(), [(1, false), (3, true)]);
        std::fs::write(&labels, "9,-1\n").unwrap();
        assert!(ratings.labels(&labels).unwrap_err().to_string().contains("line 1: user 9 is not among"));
        std::fs::write(&labels, "4,-1\n4,-1\n").unwrap();
        assert!(ratings.labels(&labels).unwrap_err().to_string().contains("line 2: user 4 is labelled twice"));
        std::fs::remove_file(path).unwrap();
        std::fs::remove_file(labels).unwrap();
    }
}
