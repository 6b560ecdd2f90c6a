//! One record of every kind, least and full: what tests of bytes, golden vectors and the fuzz corpus are made of.
//!
//! Everything is derived from fixed seeds, so the same bytes come out every time. The records are of one hire: they name
//! each other as those of a real one do.

use gigmesh_protocol::codec::{self, Ext, List, Text};
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::hire::rule::Rule;
use gigmesh_protocol::id::{Bytes32, sha256};
use gigmesh_protocol::market::checks::{Checks, Schema, Sealed};
use gigmesh_protocol::market::*;
use gigmesh_protocol::record::{Beside, Network, Record, Signer};
use gigmesh_protocol::time::{Millis, Timestamp};
use gigmesh_protocol::untrusted::Untrusted;
use gigmesh_protocol::wire::{Item, Reply, Request, Response};

pub const NETWORK: &str = "vectors";
pub const REQUESTER: [u8; 32] = [1; 32];
pub const WORKER: [u8; 32] = [2; 32];
pub const ARBITER: [u8; 32] = [3; 32];
pub const AT: Timestamp = Timestamp(1_800_000_000_000);

pub fn network() -> Network {
    Network::new(NETWORK)
}
pub fn requester() -> Signer {
    Signer::new(&REQUESTER, network())
}
pub fn worker() -> Signer {
    Signer::new(&WORKER, network())
}

pub fn arbiter() -> Signer {
    Signer::new(&ARBITER, network())
}

/// Stands for 32 random bytes.
pub fn random(what: &str) -> Bytes32 {
    sha256(&[b"sample ", what.as_bytes()])
}

/// An extension map as a later release may send it.
pub fn ext(entries: u64, len: usize) -> Ext {
    let entries = (0..entries).map(|n| (n.into(), ciborium::Value::Bytes(vec![7; len]))).collect();
    codec::decode_loose(&codec::encode(&ciborium::Value::Map(entries)), 1 << 16).unwrap()
}

fn properties(facts: serde_json::Value) -> constraint::Properties {
    constraint::Properties::from_json(facts.as_object().unwrap()).unwrap()
}

/// A record of every kind: with nothing optional in it, or with everything.
pub fn samples(full: bool) -> Vec<Record> {
    let mut hire = Hire::new(full);
    let mut records = hire.market();
    records.extend(hire.before_work());
    records.extend(hire.work());
    records.extend(hire.review());
    records.extend(hire.close());
    records
}

/// Every sample, with a name for messages.
pub fn all() -> Vec<(String, Record)> {
    let named = |full: bool| {
        let how = if full { "full" } else { "least" };
        samples(full).into_iter().map(move |record| (format!("{} {how}", record.kind()), record))
    };
    named(false).chain(named(true)).collect()
}

struct Hire {
    full: bool,
    ext: Ext,
    manifest: Option<gigmesh_protocol::id::Id<Manifest>>,
    award: Option<gigmesh_protocol::record::Verified<Award>>,
    begin: Option<gigmesh_protocol::record::Verified<Begin>>,
    delivery: Option<gigmesh_protocol::id::Id<Delivery>>,
}

impl Hire {
    fn new(full: bool) -> Self {
        let ext = if full { ext(2, 3) } else { Ext::default() };
        Self { full, ext, manifest: None, award: None, begin: None, delivery: None }
    }

    /// Something, in the full sample.
    fn opt<T>(&self, value: T) -> Option<T> {
        self.full.then_some(value)
    }

    /// The plain form of a reason in the least samples, the other in the full ones.
    fn reason(&self, with: Reason) -> Reason {
        if self.full { with } else { Reason::NoCapacity }
    }
    fn text<const MAX: usize>(&self, text: &str) -> Text<MAX> {
        text.try_into().unwrap()
    }

    fn id(&self) -> HireId {
        self.award.as_ref().unwrap().id()
    }

    fn link(&self, n: u32) -> Link {
        let award = self.id().untyped();
        Link { n, at: AT + Millis::secs(n.into()), prev: (n > 0).then(|| random("prev")), seen: award }
    }

    fn checks(&self) -> Checks {
        if !self.full {
            return Checks::default();
        }
        let schema = Schema::parse(r#"{"type": "object", "required": ["rows"]}"#).unwrap();
        Checks { schema: Some(schema), asserts: vec!["result.rows == 820".parse().unwrap()] }
    }

    fn milestones(&self) -> Milestones {
        let rows = Milestone { share: 250, title: self.text("rows"), checks: self.checks() };
        if self.full { List::fit([rows]) } else { List::default() }
    }

    fn sealed(&self) -> Sealed {
        Sealed { salt: random("sealed"), checks: vec!["result.mean in [355.0, 361.0]".parse().unwrap()] }
    }

    fn market(&mut self) -> Vec<Record> {
        let mut entry = SkillEntry {
            path: "table".parse().unwrap(),
            input: self.opt(self.text(r#"{"type":"object"}"#)),
            price: "1.5 USD per 1000 rows".parse().unwrap(),
            constraint: self.opt("rows = 820".parse().unwrap()),
            expect: Millis::secs(20),
            output: self.opt(self.text(r#"{"type":"array"}"#)),
            properties: Default::default(),
        };
        if self.full {
            let facts = serde_json::json!({"eu": true, "langs": ["de", "en"], "size": -7, "load": 0.5, "region": "eu"});
            entry.properties = properties(facts);
        }
        let manifest = worker().sign(&Manifest {
            at: AT,
            ext: self.ext.clone(),
            seq: 1,
            name: self.text("counter"),
            model: self.opt(self.text("sha256:0123")),
            skills: List::fit([entry]),
            expires: AT + Millis::hours(1),
            version: self.text("1.2.3"),
            recovery: self.opt(random("recovery")),
            principal: self.opt(requester().agent()),
        });
        let offer = requester().sign(&Offer {
            at: AT,
            ext: self.ext.clone(),
            max: self.opt("0.05 USD per task".parse().unwrap()),
            seq: 2,
            bids: AT + Millis::secs(3),
            done: Millis::mins(5),
            agree: self.opt(2),
            arbiter: self.opt(Arbiter { agent: arbiter().agent(), within: Millis::hours(1) }),
            case: None, // only arbitrations have one
            nonce: random("nonce"),
            skill: "table/summarise".parse().unwrap(),
            slots: if self.full { 3 } else { 1 },
            constraint: self.opt("region = \"eu\" and langs = \"de\"".parse().unwrap()),
            checks: self.checks(),
            review: Millis::mins(10),
            expires: AT + Millis::mins(10),
            summary: self.text("Rows and mean of a table"),
            milestones: self.milestones(),
            properties: self.opt(properties(serde_json::json!({"rows": 820}))).unwrap_or_default(),
        });
        let contact = worker().sign(&Contact {
            at: AT,
            ext: self.ext.clone(),
            seq: 3,
            addrs: if self.full { List::fit([self.text("/ip4/127.0.0.1/tcp/4001")]) } else { List::default() },
            expires: AT + Millis::hours(2),
        });
        let claim = worker().sign(&Claim {
            at: AT,
            ext: self.ext.clone(),
            model: self.opt(self.text("sha256:0123")),
            nonce: offer.nonce,
            offer: offer.id(),
            price: if self.full { "0.02 USD per task".parse().unwrap() } else { "free".parse().unwrap() },
            until: AT + Millis::mins(5),
            expect: Millis::secs(20),
            version: self.text("1.2.3"),
            manifest: manifest.id(),
            requester: requester().agent(),
        });
        let price = "1 USD per task".parse().unwrap();
        let consent = Consent { at: AT, ext: self.ext.clone(), offer: offer.id(), price, until: AT + Millis::days(60) };
        let consent = arbiter().sign(&consent);
        let terms = Terms {
            at: AT,
            done: offer.done,
            offer: offer.id(),
            price: claim.price.clone(),
            until: claim.until,
            checks: self.checks(),
            inputs: if self.full { 11 } else { 0 },
            review: offer.review,
            sealed: self.opt(self.sealed().commitment()),
            agree: offer.agree,
            arbiter: offer.arbiter,
            consent: self.opt(consent.envelope().to_vec().try_into().unwrap()),
            milestones: self.milestones(),
        };
        let beside = Beside { body: terms, salt: random("terms") };
        let award = Award {
            day: AT.day(),
            ext: self.ext.clone(),
            slot: 0,
            claim: claim.id(),
            nonce: offer.nonce,
            round: u16::from(self.full),
            skill: offer.skill.clone(),
            terms: beside.commitment::<Award>(),
            value: award::value_bucket(&claim.price),
            worker: worker().agent(),
            replaces: self.opt(HireId::from_bytes(random("replaced").0)),
        };
        let award = requester().sign_with(&award, beside);
        (self.manifest, self.award) = (Some(manifest.id()), Some(award.clone()));
        let reject = Reject {
            at: AT,
            ext: self.ext.clone(),
            claim: claim.id(),
            reason: self.reason(Reason::Outbid("0.01 USD per task".parse().unwrap())),
        };
        let reject = requester().sign(&reject);
        vec![manifest.into(), offer.into(), contact.into(), claim.into(), reject.into(), consent.into(), award.into()]
    }

    fn before_work(&mut self) -> Vec<Record> {
        let (hire, ext) = (self.id(), self.ext.clone());
        let link = self.link(0);
        let beside = Beside { body: BeginTerms { due: link.at + Millis::mins(5), link }, salt: random("begin") };
        let begin = Begin { day: AT.day(), ext: ext.clone(), body: beside.commitment::<Begin>(), hire };
        let begin = worker().sign_with(&begin, beside);
        self.begin = Some(begin.clone());
        let decline =
            Decline { ext: ext.clone(), hire, link, is_final: self.full, reason: self.reason(Reason::said("busy")) };
        let withdraw = Withdraw { ext, hire, link: self.link(1), reason: self.reason(Reason::said("")) };
        vec![begin.into(), worker().sign(&decline).into(), requester().sign(&withdraw).into()]
    }

    fn work(&mut self) -> Vec<Record> {
        let (hire, ext) = (self.id(), self.ext.clone());
        let blob = BlobRef { root: random("input"), size: 11 };
        let input = Input { blob, name: self.text("table"), media: self.text("text/csv") };
        let brief = Brief {
            ext: ext.clone(),
            hire,
            link: self.link(1),
            inputs: if self.full { List::fit([input]) } else { List::default() },
            params: self.opt(self.text(r#"{"column": "mean"}"#)),
        };
        let progress = Progress {
            ext: ext.clone(),
            head: self.opt(random("head")),
            hire,
            link: self.link(1),
            note: self.opt(self.text("read the table\n")),
            percent: 40,
        };
        let question = Question { ext: ext.clone(), hire, link: self.link(2), text: self.text("Which column?") };
        let question = worker().sign(&question);
        let answer = Answer {
            due: self.opt(AT + Millis::mins(9)),
            ext,
            hire,
            link: self.link(2),
            text: self.text("The last."),
            question: question.id(),
        };
        vec![
            requester().sign(&brief).into(),
            worker().sign(&progress).into(),
            question.into(),
            requester().sign(&answer).into(),
        ]
    }

    fn review(&mut self) -> Vec<Record> {
        let (hire, ext) = (self.id(), self.ext.clone());
        let delivery = worker().sign(&Delivery {
            ext: ext.clone(),
            blob: BlobRef { root: random("result"), size: 300 },
            hire,
            link: self.link(3),
            trace: self.opt(random("trace")),
            checked: 1000,
            milestone: self.opt(0),
            statement: self.opt(self.text("done")),
        });
        self.delivery = Some(delivery.id());
        let until = AT + Millis::mins(12);
        let ack = Ack { ext: ext.clone(), hire, link: self.link(3), until, delivery: delivery.id() };
        let failed = self.text("result.mean in [355.0, 361.0]: result.mean is 3");
        let verdict = Verdict {
            ext: ext.clone(),
            hire,
            link: self.link(4),
            note: self.opt(self.text("the mean is off")),
            failed: if self.full { List::fit([failed]) } else { List::default() },
            opened: self.opt(self.sealed()),
            ruling: if self.full { Ruling::Changes(until) } else { Ruling::Accepted },
            delivery: delivery.id(),
        };
        let cancel = Cancel {
            ext: ext.clone(),
            hire,
            link: self.link(2),
            reason: self.reason(Reason::said("no longer needed")),
        };
        let contest = Contest {
            ext,
            hire,
            link: self.link(4),
            statement: self.reason(Reason::said("It is what was asked for.")),
        };
        let (verdict, contest) = (requester().sign(&verdict), worker().sign(&contest));
        let decision = Decision {
            at: AT + Millis::mins(20),
            ext: self.ext.clone(),
            hire,
            ruling: if self.full { Ruling::Refused } else { Ruling::Accepted },
            worker: contest.id().untyped(),
            requester: verdict.id().untyped(),
            statement: self.text("The mean is not that of the table."),
        };
        vec![
            delivery.into(),
            requester().sign(&ack).into(),
            verdict.into(),
            worker().sign(&cancel).into(),
            contest.into(),
            arbiter().sign(&decision).into(),
        ]
    }

    fn close(&mut self) -> Vec<Record> {
        let (hire, ext) = (self.id(), self.ext.clone());
        let judgement = judgement(hire);
        let (opening, salt) = (random("opening"), random("close"));
        let beside = Beside { body: ReceiptTerms { link: self.link(5), amount: 20_000 }, salt };
        let receipt = Receipt {
            day: AT.day(),
            ext: ext.clone(),
            body: beside.commitment::<Receipt>(),
            hire,
            seal: self.opt(judgement.seal(&opening)),
            took: Millis::secs(42),
            outcome: Outcome::Accepted,
        };
        let receipt = requester().sign_with(&receipt, beside);
        let beside = Beside { body: CloseTerms { link: self.link(4) }, salt };
        let sign = Countersign {
            day: AT.day(),
            ext: ext.clone(),
            body: beside.commitment::<Countersign>(),
            hire,
            seal: self.opt(random("the worker's seal")),
            receipt: receipt.id(),
        };
        let sign = worker().sign_with(&sign, beside);
        let part = |bytes: &[u8]| bytes.to_vec().try_into().unwrap();
        let permit = Permit {
            award: part(self.award.as_ref().unwrap().envelope()),
            begin: part(self.begin.as_ref().unwrap().envelope()),
            receipt: self.opt(part(receipt.envelope())),
            countersign: self.opt(part(sign.envelope())),
        };
        let rating = Rating {
            day: AT.day(),
            ext,
            model: self.opt(self.text("sha256:0123")),
            permit,
            opening: self.opt(opening),
            version: self.opt(self.text("1.2.3")),
            manifest: self.opt(self.manifest.unwrap()),
            judgement: if self.full {
                judgement
            } else {
                Judgement { scores: Scores { quality: Some(0), ..Scores::default() }, ..judgement }
            },
        };
        let rating = requester().sign(&rating);
        let news = News { rating: rating.id(), subject: rating.judgement.subject };
        let opened = requester().sign(&Opened { at: AT, ext: self.ext.clone(), ratings: List::fit([news]) });
        vec![receipt.into(), sign.into(), rating.into(), opened.into()]
    }
}

/// The requester's judgement of the worker.
pub fn judgement(hire: HireId) -> Judgement {
    let scores = Scores { speed: Some(900), quality: Some(1000), accuracy: Some(1000), communication: Some(750) };
    Judgement { hire, skill: "table/summarise".parse().unwrap(), scores, subject: worker().agent() }
}

/// Every request.
pub fn requests() -> Vec<Request> {
    let (hire, root) = (HireId::from_bytes(random("hire").0), random("root"));
    let items = samples(false).into_iter().filter(|record| matches!(record.kind(), "claim/1" | "award/1"));
    vec![
        Request::Parcel(List::fit(items.map(|record| Item::of(&record)))),
        Request::Page { room: "table".try_into().unwrap(), after: None },
        Request::Page { room: "table".try_into().unwrap(), after: Some(random("after")) },
        Request::Leaves { hire, root },
        Request::Ratings { about: worker().agent(), after: None },
        Request::Ratings { about: worker().agent(), after: Some(random("after")) },
        Request::RatingsById(List::fit([random("rating")])),
        Request::Chunk { hire, root, index: 300 },
    ]
}

/// Every response.
pub fn responses() -> Vec<Response> {
    let manifest = samples(false)[0].envelope().to_vec().try_into().unwrap();
    let later = Text::try_from("of_a_later_release").unwrap();
    vec![
        Response::Replies(List::fit([
            Reply::Kept,
            Reply::Later,
            Reply::Ignored(Reason::NoCapacity),
            Reply::Ignored(Reason::Unknown(Untrusted::new(later))),
            Reply::Ignored(Reason::Asks("0.02 USD per task".parse().unwrap())),
            Reply::Ignored(Reason::Slower(Millis::secs(30))),
            Reply::Ignored(Reason::BelowBar(500)),
            Reply::Refused(Rule::BeginDate.into()),
            Reply::Refused(Reason::malformed(&"the signature does not verify")),
        ])),
        Response::Page { next: None, records: List::default() },
        Response::Page { next: Some(random("after")), records: List::fit([manifest]) },
        Response::Ratings { next: None, ratings: List::default() },
        Response::Ratings {
            next: Some(random("after")),
            ratings: List::fit([b"an envelope".to_vec().try_into().unwrap()]),
        },
        Response::Leaves(random("leaf").0.to_vec().try_into().unwrap()),
        Response::Chunk(b"hello world".to_vec().try_into().unwrap()),
        Response::No("not here".try_into().unwrap()),
    ]
}
