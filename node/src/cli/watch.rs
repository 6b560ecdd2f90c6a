//! `gigmesh watch`: what happens on this node as it happens, until somebody has seen enough. On a terminal the last line
//! counts what is under way; with `--json` each line is a document.

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::Side;
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::market::Ruling;
use gigmesh_protocol::peer::io::Notice;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::args::Door;
use super::failure::{Exit, Failure};
use super::hires::{ended, on_its_way};
use super::terminal::{Screen, Tone, clock, command, fit, is_read, quoted, runnable, short};
use super::up::Stop;
use crate::api::client::Client;
use crate::api::types::{Event, Identity, NodeEvent, NodeStatus};
use crate::driver::CONFIRM;
use crate::limits::WATCH_PAUSE;
use crate::words;

/// `gigmesh watch`.
pub(super) async fn watch(door: Door) -> Result<Exit, Failure> {
    let client = door.client()?;
    let mut stop = Stop::listen()?;
    let Identity { agent, .. } = client.get("/v1/id").await?;
    let mut events = client.events().await?;
    let mut view = View { client, screen: Screen::stdout(), json: door.json };
    let mut read = if view.json {
        is_read(&format!("{}\n", json!({ "at": wall_clock(), "event": "watching", "agent": agent })))?
    } else {
        view.line(Tone::Quiet, &format!("watching agent {agent}; Ctrl-C ends it")).await?
    };
    // Counts change without an event, too.
    let mut count_at = Instant::now() + WATCH_PAUSE;
    while read {
        let counts = view.screen.width().is_some() && !view.json;
        read = tokio::select! {
            event = events.next() => match event? {
                Some(event) => view.event(event).await?,
                None => {
                    view.clear()?;
                    let failure = Failure::new(Exit::NoNode, "the node stopped");
                    return Err(failure.hint("its hires go on when it runs again: `gigmesh up`"));
                }
            },
            () = sleep_until(count_at), if counts => {
                count_at = Instant::now() + WATCH_PAUSE;
                view.counts().await?
            }
            () = stop.wanted() => break,
        };
    }
    view.clear()?;
    Ok(Exit::Done)
}

/// Where it is shown.
struct View {
    client: Client,
    screen: Screen,
    json: bool,
}

/// Takes away the line of counts.
const CLEAR: &str = "\r\x1b[K";

impl View {
    /// Shows an event; whether somebody still looks on.
    async fn event(&mut self, mut event: Value) -> Result<bool, Failure> {
        if self.json {
            event["at"] = json!(wall_clock());
            return is_read(&format!("{event}\n"));
        }
        let (tone, line) = told(event.into());
        self.line(tone, &line).await
    }

    async fn line(&mut self, tone: Tone, line: &str) -> Result<bool, Failure> {
        let now = wall_clock();
        let line = format!("{}  {}\n", clock(now, now), self.screen.paint(tone, line));
        match self.screen.width() {
            None => is_read(&line),
            Some(_) => Ok(is_read(&format!("{CLEAR}{line}"))? && self.counts().await?),
        }
    }

    async fn counts(&mut self) -> Result<bool, Failure> {
        let status: NodeStatus = self.client.get("/v1/status").await?;
        let line = fit(&counts(&status), self.screen.width().unwrap_or(usize::MAX).saturating_sub(1));
        is_read(&format!("{CLEAR}{}", self.screen.paint(Tone::Quiet, &line)))
    }

    fn clear(&self) -> Result<(), Failure> {
        if self.screen.width().is_some() && !self.json {
            is_read(CLEAR)?;
        }
        Ok(())
    }
}

fn counts(status: &NodeStatus) -> String {
    let market = &status.market;
    let inbox = if market.inbox == 0 { String::new() } else { format!("; inbox {}", market.inbox) };
    format!(
        "open: hires {}, postings {}, claims {}{inbox}; closed {}; peers {}, agents known {}",
        market.hires_open, market.postings_open, market.claims_out, market.hires_closed, status.peers, market.manifests,
    )
}

/// An event as a person reads it.
fn told(event: Event) -> (Tone, String) {
    let notice = match event {
        Event::Market(notice) => notice,
        Event::Node(NodeEvent::Missed { count }) => {
            let missed = format!("{count} events were missed: more happened than could be told");
            return (Tone::Bad, missed + &runnable("; `gigmesh hires` has how things stand"));
        }
        Event::Node(NodeEvent::Clock { trouble: Some(trouble) }) => {
            return (Tone::Bad, format!("clock: {trouble}; {}", runnable(CONFIRM)));
        }
        Event::Node(NodeEvent::Clock { trouble: None }) => return (Tone::Good, "clock: right again".to_owned()),
        Event::Node(NodeEvent::Transfer(transfer)) => {
            let (tone, line) = on_its_way(&transfer);
            return (tone, format!("hire {}: {line}", transfer.hire.short()));
        }
        Event::Unknown(event) => return (Tone::Quiet, quoted(&event.to_string())),
    };
    let name = |agent: AgentId| short(Some(agent));
    match notice {
        Notice::Posted { offer, skill } => (Tone::Plain, format!("offer {}: posted, {skill}", offer.short())),
        Notice::Unfilled { offer, reason } => {
            (Tone::Bad, format!("offer {}: nobody began: {}", offer.short(), words::posting_end(&reason)))
        }
        Notice::Held { offer, over } => (Tone::Bad, format!("offer {}: waits: {}", offer.short(), words::over(&over))),
        Notice::Asked { offer, with, price } => {
            let offer = offer.short();
            let approve = command(format_args!("approve {offer}"));
            let text = format!("offer {offer}: {} would do it for {price}; {approve}, or refuse", name(with));
            (Tone::Heading, text)
        }
        Notice::Claimed { claim, offer, skill } => {
            (Tone::Plain, format!("claim {}: made on offer {}, {skill}", claim.short(), offer.short()))
        }
        Notice::ClaimEnded { claim, reason } => {
            (Tone::Quiet, format!("claim {}: not awarded: {}", claim.short(), words::claim_end(&reason)))
        }
        Notice::Awarded { hire, offer, side, with, skill } => {
            let how = match side {
                Side::Requester => format!("{} is hired", name(with)),
                Side::Worker => format!("hired by {}", name(with)),
            };
            (Tone::Plain, format!("hire {}: {how} for {skill}, offer {}", hire.short(), offer.short()))
        }
        Notice::Said { hire, by, kind } => {
            let kind = kind.split('/').next().unwrap_or_default();
            (Tone::Quiet, format!("hire {}: {kind} by the {}", hire.short(), super::hires::side(by)))
        }
        Notice::Started { hire, attempt: 0 } => (Tone::Plain, format!("hire {}: the agent is at work", hire.short())),
        Notice::Started { hire, attempt } => {
            (Tone::Plain, format!("hire {}: the agent is at work, run {}", hire.short(), attempt + 1))
        }
        Notice::Worked { hire, failed: None, .. } => (Tone::Plain, format!("hire {}: the agent is done", hire.short())),
        Notice::Worked { hire, failed: Some(why), .. } => {
            (Tone::Bad, format!("hire {}: the agent failed: {}", hire.short(), quoted(&why)))
        }
        Notice::Closed { hire, closed } => {
            let (tone, end) = ended(closed);
            (tone, format!("hire {}: {end}", hire.short()))
        }
        Notice::Rated { hire, by, subject } => {
            (Tone::Plain, format!("hire {}: {} has rated {}", hire.short(), name(by), name(subject)))
        }
        Notice::Decided { hire, by, ruling } => {
            let (tone, what) =
                if ruling == Ruling::Accepted { (Tone::Good, "accepted") } else { (Tone::Bad, "refused") };
            (tone, format!("hire {}: its arbiter {} has decided: {what}", hire.short(), name(by)))
        }
    }
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::Id;
    use gigmesh_protocol::market::Reason;
    use gigmesh_protocol::peer::io::{ClaimEnd, PostingEnd};

    use super::*;
    use crate::forged;

    #[test]
    fn an_event_is_told_in_words_with_those_of_others_quoted_and_a_gap_is_told() {
        let notice = |notice: Notice| told(Event::Market(notice)).1;
        let claim = Id::from_bytes([1; 32]);
        assert_eq!(
            notice(Notice::ClaimEnded {
                claim,
                reason: ClaimEnd::TurnedDown(Reason::said("too dear\nhire 02020202: accepted"))
            }),
            r#"claim 01010101: not awarded: the requester says: "too dear\nhire 02020202: accepted""#
        );
        let (hire, skill) = (Id::from_bytes([2; 32]), "a/b".parse().unwrap());
        let (offer, with) = (Id::from_bytes([3; 32]), AgentId([4; 32]));
        assert_eq!(
            notice(Notice::Awarded { hire, offer, side: Side::Worker, with, skill }),
            "hire 02020202: hired by 04040404 for a/b, offer 03030303"
        );
        assert_eq!(
            notice(Notice::Said { hire, by: Side::Worker, kind: "begin/1".to_owned() }),
            "hire 02020202: begin by the worker"
        );
        let transfer = json!({
            "event": "transfer", "hire": hire, "blob": "ab".repeat(32), "way": "served", "done": 1 << 20,
            "size": 3 << 20, "per_second": 1_536, "trouble": null,
        });
        assert_eq!(told(transfer.clone().into()).1, "hire 02020202: abababab: 33% of 3.0 MiB sent, 1.5 KiB/s");
        let mut stuck = transfer;
        (stuck["trouble"], stuck["way"]) = (json!({ "denied": "away\u{1b}" }), json!("fetched"));
        let stuck = told(stuck.into()).1;
        assert!(stuck.ends_with(r#"tried again: the peer does not give it: "away\u{1b}""#), "{stuck}");
        let missed = told(json!({ "event": "missed", "count": 12 }).into()).1;
        assert!(missed.starts_with("12 events were missed"), "{missed}");
        let clock = |trouble| told(json!({ "event": "clock", "trouble": trouble }).into()).1;
        let set = format!("clock: it was set; {CONFIRM}");
        assert_eq!([clock(Some("it was set")), clock(None)], [&*set, "clock: right again"]);
        let unknown = told(json!({ "event": "invented\u{1b}" }).into()).1;
        assert!(unknown.contains("invented") && !unknown.contains('\u{1b}'), "{unknown}");
    }

    #[test]
    fn what_peers_write_is_quoted() {
        let transfer = json!({
            "event": "transfer", "hire": "ab".repeat(32), "blob": "ab".repeat(32), "way": "fetched", "done": 1, "size": 3,
            "per_second": 0, "trouble": { "denied": forged::text() },
        });
        forged::assert_quoted(&told(transfer.into()).1, 1);
        let said = || Reason::said(&forged::text());
        let notices = [
            Notice::Unfilled { offer: Id::from_bytes([1; 32]), reason: PostingEnd::WorkerRefused(said()) },
            Notice::Unfilled { offer: Id::from_bytes([1; 32]), reason: PostingEnd::ArbiterRefused(said()) },
            Notice::ClaimEnded { claim: Id::from_bytes([1; 32]), reason: ClaimEnd::TurnedDown(said()) },
        ];
        for notice in notices {
            forged::assert_quoted(&told(serde_json::to_value(notice).unwrap().into()).1, 1);
        }
    }
}
