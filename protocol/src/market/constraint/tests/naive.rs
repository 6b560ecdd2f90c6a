//! The language once more, as slowly and plainly as can be, to compare with: its own tree, its own printing, and instead of
//! three values every way the missing properties could turn out. A term that could turn the answer is one that matters.

use std::collections::BTreeMap;
use std::mem::discriminant;

use super::*;

/// Numbers are millionths.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Plain {
    Bool(bool),
    Number(i64),
    Text(&'static str),
    Version([u32; 3]),
    Time(u64),
    List(Vec<Plain>),
}

#[derive(Clone, Debug)]
enum Tree {
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
    Leaf(char, &'static str, Vec<Plain>),
}

type Stated = BTreeMap<char, Plain>;

impl Plain {
    fn text(&self) -> String {
        match self {
            Self::Bool(truth) => truth.to_string(),
            Self::Number(micros) if micros % 1_000_000 == 0 => (micros / 1_000_000).to_string(),
            Self::Number(micros) => format!("{}0", *micros as f64 / 1e6),
            Self::Text(text) => format!("\"{text}\""),
            Self::Version([major, minor, patch]) => format!("v{major}.{minor}.{patch}"),
            Self::Time(ms) => Timestamp(*ms).to_string(),
            Self::List(items) => format!("[ {} ]", items.iter().map(Self::text).collect::<Vec<_>>().join(" ,")),
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Bool(truth) => Value::Bool(*truth),
            // Both forms of a whole number occur.
            Self::Number(micros) if micros % 2_000_000 == 0 => Value::Int(micros / 1_000_000),
            Self::Number(micros) => Value::Dec(*micros),
            Self::Text(text) => Value::Text((*text).to_owned()),
            Self::Version([major, minor, patch]) => Value::Version(Version(*major, *minor, *patch)),
            Self::Time(ms) => Value::Time(Timestamp(*ms)),
            Self::List(items) => Value::List(items.iter().map(Self::value).collect()),
        }
    }
}

/// Nothing if it depends on what is not stated.
fn leaf(key: char, op: &str, wanted: &[Plain], stated: &Stated) -> Option<bool> {
    if op == "exists" {
        return Some(stated.contains_key(&key));
    }
    let value = stated.get(&key)?;
    let kin = discriminant(value) == discriminant(&wanted[0]);
    Some(match (op, &wanted[0], value) {
        ("=", wanted, _) => value == wanted,
        ("!=", wanted, _) => kin && value != wanted,
        ("<", wanted, _) => kin && value < wanted,
        ("<=", wanted, _) => kin && value <= wanted,
        (">", wanted, _) => kin && value > wanted,
        (">=", wanted, _) => kin && value >= wanted,
        ("in", _, _) => wanted.contains(value),
        ("has", wanted, Plain::List(items)) => items.contains(wanted),
        ("has", wanted, _) => value == wanted,
        ("prefix", Plain::Text(prefix), Plain::Text(text)) => text.starts_with(prefix),
        ("prefix", _, _) => false,
        _ => unreachable!("{op}"),
    })
}

impl Tree {
    /// With every parenthesis there can be.
    fn text(&self) -> String {
        match self {
            Self::And(left, right) => format!("({} and {})", left.text(), right.text()),
            Self::Or(left, right) => format!("({} or {})", left.text(), right.text()),
            Self::Not(inner) => format!("not {}", inner.text()),
            Self::Leaf(key, "exists", _) => format!("exists {key}"),
            Self::Leaf(key, "in", values) => format!("{key} in {}", Plain::List(values.clone()).text()),
            Self::Leaf(key, op, values) => format!("{key} {op} {}", values[0].text()),
        }
    }

    fn leaves(&self) -> Vec<(char, &'static str, &[Plain])> {
        match self {
            Self::And(left, right) | Self::Or(left, right) => [left.leaves(), right.leaves()].concat(),
            Self::Not(inner) => inner.leaves(),
            Self::Leaf(key, op, wanted) => vec![(*key, *op, wanted)],
        }
    }

    /// In two values, the leaves being these.
    fn run(&self, leaves: &mut impl Iterator<Item = bool>) -> bool {
        match self {
            Self::And(left, right) => left.run(leaves) & right.run(leaves),
            Self::Or(left, right) => left.run(leaves) | right.run(leaves),
            Self::Not(inner) => !inner.run(leaves),
            Self::Leaf(..) => leaves.next().unwrap(),
        }
    }

    /// The answer, if there is one; else the keys that matter.
    fn answer(&self, stated: &Stated) -> Result<bool, Vec<char>> {
        let leaves: Vec<_> = self.leaves().iter().map(|(key, op, wanted)| leaf(*key, op, wanted, stated)).collect();
        let open: Vec<_> = (0..leaves.len()).filter(|at| leaves[*at].is_none()).collect();
        let way = |mask: usize| {
            let turned = |at: usize| open.iter().position(|one| *one == at).is_some_and(|bit| mask >> bit & 1 == 1);
            self.run(&mut leaves.iter().enumerate().map(|(at, leaf)| leaf.unwrap_or_else(|| turned(at))))
        };
        let ways: Vec<bool> = (0..1 << open.len()).map(way).collect();
        if ways.iter().all(|way| *way == ways[0]) {
            return Ok(ways[0]);
        }
        let turns = |bit: usize| (0..ways.len()).any(|mask| ways[mask] != ways[mask ^ 1 << bit]);
        let mut keys: Vec<char> = Vec::new();
        for bit in (0..open.len()).filter(|bit| turns(*bit)) {
            let key = self.leaves()[open[bit]].0;
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        Err(keys)
    }
}

/// Few values, so that many are equal.
fn scalar() -> impl Strategy<Value = Plain> + Clone {
    prop_oneof![any::<bool>().prop_map(Plain::Bool), ordered(),]
}

fn ordered() -> impl Strategy<Value = Plain> + Clone {
    prop_oneof![
        prop::sample::select(vec![-1_500_000, 0, 500_000, 1_000_000, 2_000_000]).prop_map(Plain::Number),
        text(),
        (0..2u32, 0..2u32, prop::sample::select(vec![0, 9, 10])).prop_map(|(x, y, z)| Plain::Version([x, y, z])),
        prop::sample::select(vec![0, 86_400_000, 1_795_219_200_000, 1_795_219_200_001]).prop_map(Plain::Time),
    ]
}

fn text() -> impl Strategy<Value = Plain> + Clone {
    prop::sample::select(vec!["", "a", "ab", "b", "v0.0.0", "1970-01-01"]).prop_map(Plain::Text)
}

fn scalars(least: usize) -> impl Strategy<Value = Vec<Plain>> + Clone {
    prop::collection::vec(scalar(), least..3)
}

fn plain() -> impl Strategy<Value = Plain> + Clone {
    prop_oneof![3 => scalar(), 1 => scalars(0).prop_map(Plain::List)]
}

fn key() -> impl Strategy<Value = char> + Clone {
    prop::char::range('a', 'f')
}

fn tree() -> impl Strategy<Value = Tree> {
    let order = prop::sample::select(vec!["<", "<=", ">", ">="]);
    let equality = prop::sample::select(vec!["=", "!="]);
    let leaf = prop_oneof![
        3 => (key(), order, ordered()).prop_map(|(key, op, value)| Tree::Leaf(key, op, vec![value])),
        3 => (key(), equality, plain()).prop_map(|(key, op, value)| Tree::Leaf(key, op, vec![value])),
        1 => (key(), scalars(1)).prop_map(|(key, values)| Tree::Leaf(key, "in", values)),
        1 => (key(), scalar()).prop_map(|(key, value)| Tree::Leaf(key, "has", vec![value])),
        1 => (key(), text()).prop_map(|(key, value)| Tree::Leaf(key, "prefix", vec![value])),
        1 => key().prop_map(|key| Tree::Leaf(key, "exists", Vec::new())),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(left, right)| Tree::And(left.into(), right.into())),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| Tree::Or(left.into(), right.into())),
            inner.prop_map(|inner| Tree::Not(inner.into())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_evaluator_agrees_with_a_naive_one(
        tree in tree(),
        stated in prop::collection::btree_map(key(), plain(), 0..5),
    ) {
        let demand = constraint(&tree.text());
        let values = stated.iter().map(|(key, value)| (key.to_string().parse().unwrap(), value.value()));
        let properties = Properties::try_from(values.collect::<BTreeMap<_, _>>()).unwrap();
        let printed = constraint(&demand.to_string());
        for demand in [&demand, &printed] {
            let answer = match demand.evaluate(&properties) {
                Match::Yes => Ok(true),
                Match::No(_) => Ok(false),
                Match::Unknown(missing) => Err(missing.iter().map(|key| key.as_str().chars().next().unwrap()).collect()),
            };
            prop_assert_eq!(&answer, &tree.answer(&stated), "{}", demand);
            prop_assert_eq!(demand.holds(&properties), answer.ok());
        }
    }
}
