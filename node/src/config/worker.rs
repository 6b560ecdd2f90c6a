//! `worker.toml`: what an agent can do, for whom, at what price, and which program does it.
//!
//! ```toml
//! [node]                                   # all of it optional, and beaten by flags and environment
//! data_dir = "data"                        # paths are relative to this file
//! network = "main"
//! listen = ["/ip4/0.0.0.0/tcp/4801"]
//! bootstrap = ["/ip4/192.0.2.1/tcp/4747/p2p/12D3..."]
//! mdns = false                             # true unless said: look for peers on the LAN, and be seen there
//! relay = true                             # false unless said: be reached through the doors, whatever addresses there are
//! api = "/run/gigmesh.sock"                # the local API's socket
//! blobs = "20 GiB"                         # what inputs and results may take of the disk; 4 GiB unless said
//!
//! [agent]
//! name = "table-desk"
//! version = "1.4.0"
//! model = "some-model-3"                   # optional
//!
//! [serve]
//! from = "anyone"                          # "nobody" (the default), or a list of agents
//! parallel = 2                             # hires worked on at once; 1 unless said
//! credit = "10 USD"                        # how much one requester may owe; also a list, one a currency
//! rating = "auto"                          # or "person", who then has five minutes after the receipt
//! begin = "auto"                           # or "person", who takes an award with `gigmesh approve`
//! contest = "auto"                         # or "person", who has five minutes to answer a refusal
//! arbiters = "anyone"                      # whom it lets decide a hire that it contests; "nobody" unless said
//! binding = "1h"                           # how long a claim binds after the bid window; 2m unless said
//!
//! [[skill]]
//! path = "table/summarise"
//! input = "in.schema.json"                 # optional
//! output = "out.schema.json"               # optional
//! price = "0.02 USD per task"
//! expect = "30s"
//! properties = { retention_days = 0, runtime = "v1.4.0", audited = 2026-03-01 }    # "v1.4.0" is a version, not a text
//! where = "rows <= 1000"                   # what a task must say of itself
//! [skill.run]
//! command = ["python", "agent.py"]
//! timeout = "2m"                           # 10m unless said
//! restartable = true                       # false unless said
//!
//! [buy]                                    # what this node may spend, and on whom; amounts as for `credit`
//! per_hire = "5 USD"
//! per_day = "50 USD"
//! ask_above = "1 USD"                      # what costs more waits for `gigmesh approve`
//! [[buy.rule]]
//! skill = "table"                          # and everything below it
//! allow = ["ed25:..."]                     # nobody else; everybody unless said
//! block = ["ed25:..."]
//!
//! [[trust.seed]]                           # whom to offer, at the first start, as somebody whose judgement to trust
//! agent = "8a88e3dd..."
//! name = "the Bench"
//! why = "tests document work for a living, and rates it"    # optional
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gigmesh_protocol::codec::{self, Text};
use gigmesh_protocol::hire::task::Review;
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::limits as bounds;
use gigmesh_protocol::market::constraint::{Constraint, Invalid, Properties, Value};
use gigmesh_protocol::market::price::{Amount, Price};
use gigmesh_protocol::market::{Skill, SkillEntry};
use gigmesh_protocol::peer::io::{self, Serving};
use gigmesh_protocol::time::Millis;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use toml::Spanned;

use super::size::Size;
use super::source::{FileError, Parsed, Source, to_json};
use crate::limits::{MANIFEST_SKILLS, MAX_PARALLEL};
use crate::node::CommandSpec;
use crate::work::job::Job;

/// What the file says, understood.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub node: NodeSection,
    pub peer: io::Config,
    pub executors: BTreeMap<Skill, CommandSpec>,
    /// The first program that is not there.
    pub unrunnable: Option<FileError>,
    pub seeds: Vec<ProposedSeed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    node: NodeSection,
    agent: Option<Agent>,
    #[serde(default)]
    serve: Serve,
    #[serde(default)]
    skill: Vec<Spanned<Offered>>,
    #[serde(default)]
    buy: Buy,
    #[serde(default)]
    trust: Trust,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trust {
    #[serde(default)]
    seed: Vec<Spanned<Offer>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offer {
    #[serde(deserialize_with = "one_agent")]
    agent: AgentId,
    name: Text<{ bounds::NAME }>,
    why: Option<Text<{ bounds::SUMMARY }>>,
}

fn one_agent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AgentId, D::Error> {
    agent_id(&String::deserialize(deserializer)?)
}

/// Somebody whose judgement the author of the file proposes to trust. Nobody is pinned by a file: whoever runs the node is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProposedSeed {
    /// Who.
    pub agent: AgentId,
    /// What the author calls it.
    pub name: String,
    /// Why it should be trusted.
    pub why: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeSection {
    pub data_dir: Option<PathBuf>,
    pub network: Option<String>,
    pub listen: Option<Vec<String>>,
    pub bootstrap: Option<Vec<String>>,
    pub mdns: Option<bool>,
    pub relay: Option<bool>,
    pub api: Option<PathBuf>,
    pub blobs: Option<Parsed<Size>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Agent {
    name: Text<{ bounds::NAME }>,
    version: Text<{ bounds::NAME }>,
    model: Option<Text<{ bounds::NAME }>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Serve {
    #[serde(default, deserialize_with = "clients")]
    from: io::From,
    parallel: Option<Spanned<usize>>,
    #[serde(default)]
    credit: Amounts,
    #[serde(default)]
    rating: Review,
    #[serde(default)]
    begin: Review,
    #[serde(default)]
    contest: Review,
    #[serde(default, deserialize_with = "clients")]
    arbiters: io::From,
    binding: Option<Spanned<Parsed<Millis>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Buy {
    #[serde(default)]
    per_hire: Amounts,
    #[serde(default)]
    per_day: Amounts,
    ask_above: Option<Spanned<Amounts>>,
    #[serde(default)]
    rule: Vec<Spanned<BuyRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BuyRule {
    skill: Parsed<Skill>,
    #[serde(default)]
    allow: Agents,
    #[serde(default)]
    block: Agents,
}

/// One amount, or a list with one for each currency.
#[derive(Default)]
struct Amounts(Vec<Amount>);

impl<'de> Deserialize<'de> for Amounts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "an amount like \"5 USD\", or a list of amounts with one for each currency")]
        enum Given {
            One(String),
            Many(Vec<String>),
        }
        let given = match Given::deserialize(deserializer)? {
            Given::One(amount) => vec![amount],
            Given::Many(amounts) => amounts,
        };
        let amounts = given.iter().map(|text| text.parse::<Amount>()).collect::<Result<Vec<_>, _>>();
        let amounts = amounts.map_err(D::Error::custom)?;
        let currencies: BTreeSet<_> = amounts.iter().map(Amount::currency).collect();
        if currencies.len() != amounts.len() || currencies.contains(&None) {
            return Err(D::Error::custom("one amount for each currency, and none of them free"));
        }
        Ok(Self(amounts))
    }
}

/// A list of agent ids.
#[derive(Default)]
struct Agents(BTreeSet<AgentId>);

impl<'de> Deserialize<'de> for Agents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        if texts.len() > bounds::RULE_AGENTS {
            return Err(D::Error::custom(format!("at most {} agents", bounds::RULE_AGENTS)));
        }
        texts.iter().map(|text| agent_id(text)).collect::<Result<_, _>>().map(Self)
    }
}

fn agent_id<E: serde::de::Error>(text: &str) -> Result<AgentId, E> {
    let wanted = |error| E::custom(format!("an agent id is wanted, as `gigmesh id` prints it: {error}"));
    text.parse().map_err(wanted)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Offered {
    path: Spanned<Parsed<Skill>>,
    input: Option<Spanned<PathBuf>>,
    output: Option<Spanned<PathBuf>>,
    price: Parsed<Price>,
    expect: Parsed<Millis>,
    properties: Option<Spanned<toml::Value>>,
    r#where: Option<Parsed<Constraint>>,
    run: Run,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    command: Spanned<Vec<String>>,
    #[serde(default = "ten_minutes")]
    timeout: Spanned<Parsed<Millis>>,
    #[serde(default)]
    restartable: bool,
}

fn ten_minutes() -> Spanned<Parsed<Millis>> {
    Spanned::new(0..0, Parsed(Millis::mins(10)))
}

/// `"nobody"`, `"anyone"`, or a list of agent ids.
fn clients<'de, D: Deserializer<'de>>(deserializer: D) -> Result<io::From, D::Error> {
    struct Clients;
    impl<'de> Visitor<'de> for Clients {
        type Value = io::From;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("\"nobody\", \"anyone\" or a list of agent ids")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<io::From, E> {
            match text {
                "nobody" => Ok(io::From::Nobody),
                "anyone" => Ok(io::From::Anyone),
                other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
            }
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<io::From, A::Error> {
            let mut agents = BTreeSet::new();
            while let Some(text) = items.next_element::<String>()? {
                agents.insert(agent_id(&text)?);
            }
            Ok(io::From::Allowlist(agents))
        }
    }
    deserializer.deserialize_any(Clients)
}

/// Reads `worker.toml`.
pub(super) fn read(path: &Path) -> Result<Worker, FileError> {
    let source = Source::read(path)?;
    let File { mut node, agent, serve, skill, buy, trust } = source.parse()?;
    let seeds = proposed(&source, trust)?;
    node.data_dir = node.data_dir.map(|dir| source.resolve(&dir));
    node.api = node.api.map(|api| source.resolve(&api));
    if let (None, Some(first)) = (&agent, skill.first()) {
        return Err(source.at(first.span(), "an agent that offers a skill needs [agent] with `name` and `version`"));
    }
    if let Some(parallel) = &serve.parallel {
        let rule = (1..=MAX_PARALLEL).contains(parallel.as_ref());
        source.ensure(rule, parallel.span(), format!("from 1 to {MAX_PARALLEL} hires at once"))?;
    }
    if let Some(binding) = &serve.binding {
        let rule = (1..=bounds::CLAIM_LIFE.0).contains(&binding.get_ref().0.0);
        source.ensure(rule, binding.span(), format!("more than nothing and at most {}", bounds::CLAIM_LIFE))?;
    }
    if let Some(extra) = skill.get(bounds::SKILLS) {
        return Err(source.at(extra.span(), format!("an agent offers at most {} skills", bounds::SKILLS)));
    }
    let mut peer = io::Config {
        from: serve.from,
        arbiters: serve.arbiters,
        parallel: serve.parallel.map_or(1, Spanned::into_inner),
        credit: serve.credit.0,
        rating_by: serve.rating,
        begin_by: serve.begin,
        contest_by: serve.contest,
        binding: serve.binding.map(|binding| binding.into_inner().0),
        buy: buying(&source, buy)?,
        ..io::Config::default()
    };
    if let Some(agent) = agent {
        (peer.name, peer.version) = (agent.name.into(), agent.version.into());
        peer.model = agent.model.map(String::from);
    }
    let mut executors = BTreeMap::new();
    let mut unrunnable = None;
    let mut bytes = 0;
    for offered in skill {
        let span = offered.span();
        let offered = offered.into_inner();
        let (path, path_span) = (offered.path.get_ref().0.clone(), offered.path.span());
        let command = command(&source, &offered.run)?;
        let fault = Job::unrunnable(&command.command, &command.dir);
        unrunnable = unrunnable.or_else(|| fault.map(|fault| source.at(offered.run.command.span(), fault)));
        source.ensure(
            executors.insert(path.clone(), command).is_none(),
            path_span,
            format!("{path} is offered twice"),
        )?;
        let restartable = offered.run.restartable;
        let entry = entry(&source, offered)?;
        bytes += codec::encode(&entry).len();
        let message = format!(
            "with this skill the agent's manifest is longer than the {MANIFEST_SKILLS} bytes that fit: shorten its schemas"
        );
        source.ensure(bytes <= MANIFEST_SKILLS, span, message)?;
        peer.skills.push(Serving { entry, restartable });
    }
    Ok(Worker { node, peer, executors, unrunnable, seeds })
}

fn proposed(source: &Source, trust: Trust) -> Result<Vec<ProposedSeed>, FileError> {
    if let Some(extra) = trust.seed.get(bounds::SEEDS) {
        return Err(source.at(extra.span(), format!("at most {} seeds can be pinned", bounds::SEEDS)));
    }
    let mut seeds: Vec<ProposedSeed> = Vec::new();
    for offered in trust.seed {
        let span = offered.span();
        let Offer { agent, name, why } = offered.into_inner();
        source.ensure(seeds.iter().all(|seed| seed.agent != agent), span, "this agent is named twice")?;
        seeds.push(ProposedSeed { agent, name: name.into(), why: why.map(String::from) });
    }
    Ok(seeds)
}

fn buying(source: &Source, buy: Buy) -> Result<io::Buying, FileError> {
    if let Some(extra) = buy.rule.get(bounds::RULES) {
        return Err(source.at(extra.span(), format!("at most {} rules", bounds::RULES)));
    }
    for (above, span) in buy.ask_above.iter().flat_map(|all| all.get_ref().0.iter().map(|above| (above, all.span()))) {
        for (most, of) in [(&buy.per_day, "per_day"), (&buy.per_hire, "per_hire")] {
            let within = |most: &&Amount| most.currency() == above.currency() && most.micros() < above.micros();
            if let Some(most) = most.0.iter().find(within) {
                let message =
                    format!("above {of} = \"{most}\" nothing is bought, so nobody would ever be asked: name less");
                return Err(source.at(span, message));
            }
        }
    }
    let rule = |rule: Spanned<BuyRule>| {
        let BuyRule { skill, allow, block } = rule.into_inner();
        io::Rule { skill: skill.0, allow: allow.0, block: block.0 }
    };
    Ok(io::Buying {
        per_hire: buy.per_hire.0,
        per_day: buy.per_day.0,
        ask_above: buy.ask_above.map(|all| all.into_inner().0).unwrap_or_default(),
        rules: buy.rule.into_iter().map(rule).collect(),
    })
}

fn entry(source: &Source, offered: Offered) -> Result<SkillEntry, FileError> {
    let schema = |path: Option<Spanned<PathBuf>>| {
        let read = |path: Spanned<PathBuf>| {
            let schema = String::from(source.schema(&path)?);
            Text::try_from(schema).map_err(|error| source.at(path.span(), format!("schema: {error}")))
        };
        path.map(read).transpose()
    };
    let properties = |value: Spanned<toml::Value>| {
        let span = value.span();
        let read = || match moments(value.get_ref()).and_then(|()| to_json(value.into_inner()))? {
            serde_json::Value::Object(object) => Properties::from_json(&object).map_err(|error| error.to_string()),
            _ => Err("properties are a table, like { retention_days = 0 }".to_owned()),
        };
        read().map_err(|error| source.at(span, error))
    };
    Ok(SkillEntry {
        path: offered.path.into_inner().0,
        input: schema(offered.input)?,
        price: offered.price.0,
        constraint: offered.r#where.map(|parsed| parsed.0),
        expect: offered.expect.0,
        output: schema(offered.output)?,
        properties: offered.properties.map(properties).transpose()?.unwrap_or_default(),
    })
}

/// Refuses a date that is no moment: as JSON it would be a text.
fn moments(value: &toml::Value) -> Result<(), String> {
    match value {
        toml::Value::Datetime(date) => match Value::from_json(&date.to_string().into()) {
            Ok(Value::Time(_)) => Ok(()),
            _ => Err(Invalid::Time(date.to_string()).to_string()),
        },
        toml::Value::Array(items) => items.iter().try_for_each(moments),
        toml::Value::Table(table) => table.values().try_for_each(moments),
        _ => Ok(()),
    }
}

fn command(source: &Source, run: &Run) -> Result<CommandSpec, FileError> {
    let command = run.command.get_ref();
    let named = command.first().is_some_and(|program| !program.is_empty());
    source.ensure(named, run.command.span(), "a program and its arguments, like [\"python\", \"agent.py\"]")?;
    let timeout = run.timeout.get_ref().0;
    let range = (1..=bounds::WORK.0).contains(&timeout.0);
    source.ensure(range, run.timeout.span(), format!("more than nothing and at most {}", bounds::WORK))?;
    Ok(CommandSpec { command: command.clone(), dir: source.dir(), timeout: Duration::from_millis(timeout.0) })
}
