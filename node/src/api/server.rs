//! The routes. In: HTTP from the owner of the node. Out: JSON. Nothing is decided here: requests become commands and
//! queries of the brain, and its answers are written down. Bodies are bounded; blobs are streamed, never held whole.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query as UrlQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::{Stream, TryStreamExt, stream};
use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::limits::ANSWER_ROWS;
use gigmesh_protocol::market::{BlobRef, Rating, Ruling, Scores, Skill};
use gigmesh_protocol::merkle::CHUNK_BYTES;
use gigmesh_protocol::peer::io::{
    AgentRow, Answer, ClaimRow, Command, HireRecords, HireRow, InboxRow, Page, PassedRow, SeedRow, Shown,
};
use gigmesh_protocol::peer::query::{
    Alive, Claims, Explain, Find, Follows, GetStatus, Hires, Inbox, LedgerAfter, ListPassed, ReputationOf,
    ResolveAgent, ResolveHires, ResolveOfferOrHire, Seeds,
};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::transcript::Transcript;
use gigmesh_protocol::wire::Item;
use tokio::net::UnixListener;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use super::error::{ApiError, Code};
use super::types::{
    Done, Event, Explanations, FindParams, HireRequest, Identity, JudgeRequest, Judged, LedgerPage, LedgerParams,
    NodeEvent, NodeStatus, PageParams, PaymentRequest, Peer, Posted, RateRequest, Readiness, ReplyRequest, Reputation,
    ReputationParams, Room, Rows, SettleRequest, StopRequest, TextRequest, TrustRequest, Trusted, aspect, id_prefix,
};
use crate::limits::{API_KEEP_ALIVE, FIRST_SEARCH, MAX_API_BODY, SEARCH_AGAIN};
use crate::node::{CallError, NodeHandle, Transfer};
use crate::store::blobs::BlobStore;

/// What the routes know.
#[derive(Clone)]
struct Api {
    node: NodeHandle,
    identity: Arc<Identity>,
    /// Whether the node has been told of any door into the network.
    invited: bool,
}

type Answered<T> = Result<Json<T>, ApiError>;
type Given<T> = Result<Json<T>, JsonRejection>;

/// Serves until the node stops. Requests under way are finished; event streams end.
///
/// `invited`: whether the node was told of bootstrap nodes, without which having no peers is no failure.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: UnixListener, node: NodeHandle, identity: Identity, invited: bool) -> std::io::Result<()> {
    let stopped = {
        let node = node.clone();
        async move { node.stopped().await }
    };
    let routes = routes(Api { node, identity: Arc::new(identity), invited });
    axum::serve(listener, routes).with_graceful_shutdown(stopped).await
}

fn routes(api: Api) -> Router {
    // A blob is bounded by its store while it streams.
    let blobs = post(put_blob).layer(DefaultBodyLimit::disable()).get(room);
    Router::new()
        .route("/v1/id", get(id))
        .route("/v1/status", get(status))
        .route("/v1/agents", get(agents))
        .route("/v1/hires", get(hires).post(hire))
        .route("/v1/hires/{id}", get(show))
        .route("/v1/hires/{id}/records", get(records))
        .route("/v1/hires/{id}/stop", post(stop))
        .route("/v1/hires/{id}/judge", post(judge))
        .route("/v1/hires/{id}/rate", post(rate))
        .route("/v1/hires/{id}/ask", post(ask))
        .route("/v1/hires/{id}/reply", post(reply))
        .route("/v1/hires/{id}/contest", post(contest))
        .route("/v1/hires/{id}/appeal", post(appeal))
        .route("/v1/hires/{id}/approve", post(approve))
        .route("/v1/hires/{id}/refuse", post(refuse))
        .route("/v1/inbox", get(inbox))
        .route("/v1/claims", get(claims))
        .route("/v1/passed", get(passed))
        .route("/v1/ledger", get(ledger).post(book))
        .route("/v1/reputation/{agent}", get(reputation))
        .route("/v1/trust", get(trusted).post(trust))
        .route("/v1/peers", get(peers))
        .route("/v1/transfers", get(transfers))
        .route("/v1/blobs", blobs)
        .route("/v1/blobs/{root}", get(get_blob))
        .route("/v1/clock/confirm", post(confirm_clock))
        .route("/v1/events", get(events))
        .route("/metrics", get(|State(api): State<Api>| super::metrics::metrics(api.node)))
        .route("/livez", get(|| async { Json(Readiness { ready: true, reasons: Vec::new() }) }))
        .route("/readyz", get(readyz))
        .fallback(|| async { ApiError::new(Code::NoSuchPath, "there is no such thing in this API") })
        .method_not_allowed_fallback(|| async { ApiError::new(Code::NoSuchMethod, "that cannot be done with this") })
        .layer(DefaultBodyLimit::max(MAX_API_BODY))
        .with_state(api)
}

impl Api {
    /// Follows the room of `skill`; whether that is new.
    async fn enter(&self, skill: &Skill) -> Result<bool, ApiError> {
        let followed = self.node.query(Follows(skill.clone())).await?;
        if !followed {
            self.node.command(Command::Follow(skill.clone())).await?;
        }
        Ok(!followed)
    }

    async fn shown(&self, id: String) -> Result<Shown, ApiError> {
        let mut shown = self.node.show(id).await??;
        // What nobody may ask for any more is swept, a month after the close at the latest.
        if let Some(result) = shown.result.filter(|_| shown.held && shown.row.closed.is_some()) {
            let blobs = self.blobs();
            shown.held = blocking(move || Ok(blobs.path_of(result.root).is_some())).await?;
        }
        Ok(shown)
    }

    /// The agent of this id or unique beginning.
    async fn agent(&self, text: String) -> Result<AgentId, ApiError> {
        Ok(self.node.query(ResolveAgent(text)).await??)
    }

    /// The offer or hire of this id or unique beginning.
    async fn offer_or_hire(&self, text: String) -> Result<Bytes32, ApiError> {
        Ok(self.node.query(ResolveOfferOrHire(text)).await??)
    }

    /// The one hire that this id, or an offer's, stands for.
    async fn hire(&self, text: String) -> Result<HireId, ApiError> {
        match self.node.query(ResolveHires(text.clone())).await??[..] {
            [only] => Ok(only),
            [] => {
                let error = format!("{text} has no hire yet, so there is nothing to judge");
                Err(ApiError::new(Code::NoHire, error))
            }
            _ => {
                let error = ApiError::new(Code::SeveralHires, format!("{text} is an offer with several hires"));
                Err(error.hint("name one of them; `gigmesh show` lists them"))
            }
        }
    }

    async fn done(&self, command: Command) -> Answered<Done> {
        self.node.command(command).await?;
        Ok(Json(Done { done: true }))
    }

    fn blobs(&self) -> BlobStore {
        self.node.blobs().as_ref().clone()
    }
}

async fn id(State(api): State<Api>) -> Json<Identity> {
    Json(Identity { listen: api.node.listen_addrs(), ..(*api.identity).clone() })
}

async fn status(State(api): State<Api>) -> Answered<NodeStatus> {
    let market = api.node.query(GetStatus).await?;
    let net = api.node.network_stats().await;
    let bootstrap = net.doors.into_iter().map(Into::into).collect();
    Ok(Json(NodeStatus {
        peers: api.node.peers().await.len(),
        bootstrap,
        mdns: net.mdns,
        reach: net.reach.into(),
        relays: net.relayed_by,
        warnings: api.node.warnings(),
        market,
    }))
}

async fn readyz(State(api): State<Api>) -> Result<Response, ApiError> {
    let mut reasons = Vec::new();
    if let Err(error) = api.node.query(Alive).await {
        reasons.push(error.to_string());
    }
    reasons.extend(api.node.clock_parted());
    if api.invited && api.node.peers().await.is_empty() {
        reasons.push("no peer is connected; bootstrap nodes may be down or out of reach".to_owned());
    }
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(Readiness { ready, reasons })).into_response())
}

async fn agents(
    State(api): State<Api>,
    params: Result<UrlQuery<FindParams>, QueryRejection>,
) -> Answered<Rows<AgentRow>> {
    let UrlQuery(FindParams { skill, r#where, max, limit }) = params?;
    let find = Find {
        skill: parse("skill", skill)?,
        constraint: parse("where", r#where)?,
        max: parse("max", max)?,
        limit: limit.unwrap_or(ANSWER_ROWS).min(ANSWER_ROWS),
    };
    // A node hears of agents in the rooms it follows: the first search in a room waits a little for what comes in.
    let patience = match &find.skill {
        Some(skill) if api.enter(skill).await? => FIRST_SEARCH,
        _ => Duration::ZERO,
    };
    let until = tokio::time::Instant::now() + patience;
    loop {
        let rows = api.node.query(find.clone()).await?;
        if !rows.is_empty() || tokio::time::Instant::now() >= until {
            return Ok(Json(rows.into()));
        }
        tokio::time::sleep(SEARCH_AGAIN).await;
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    what: &str,
    text: Option<String>,
) -> Result<Option<T>, ApiError> {
    let wrong = |error| ApiError::field(format!("{what}: {error}"));
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

async fn hires(
    State(api): State<Api>,
    params: Result<UrlQuery<PageParams>, QueryRejection>,
) -> Answered<Rows<HireRow>> {
    let UrlQuery(PageParams { after, limit, all }) = params?;
    let (after, limit) = (parse("after", after)?, limit.unwrap_or(ANSWER_ROWS).clamp(1, ANSWER_ROWS));
    let archived = async |after, limit| {
        if all { api.node.archived(after, limit).await.map_err(ApiError::ours) } else { Ok(None) }
    };
    // The archive's own cursors are places in it.
    if after.is_some()
        && let Some(Page { rows, next }) = archived(after, limit).await?
    {
        return Ok(Json(Rows { rows, next }));
    }
    let Page { mut rows, mut next } = api.node.query(Hires { after }).await?;
    if rows.len() > limit {
        rows.truncate(limit);
        next = rows.last().map(HireRow::id);
    }
    if next.is_none() && rows.len() < limit {
        if let Some(rest) = archived(None, limit - rows.len()).await? {
            rows.extend(rest.rows);
            next = rest.next;
        }
    } else if next.is_none() && all {
        // A full page that happens to be the last of the living: the next begins the archive, if there is one.
        next = rows.last().map(HireRow::id);
    }
    Ok(Json(Rows { rows, next }))
}

async fn hire(State(api): State<Api>, body: Given<HireRequest>) -> Result<(StatusCode, Json<Posted>), ApiError> {
    let Json(HireRequest { task, to, token }) = body?;
    let (blobs, inputs) = (api.blobs(), task.inputs.clone());
    blocking(move || {
        for input in inputs {
            let size = blobs.size(input.blob.root)?;
            if size != input.blob.size {
                return Err(ApiError::field(format!(
                    "input {} has {size} bytes, not {}",
                    &*input.name, input.blob.size
                )));
            }
        }
        Ok(())
    })
    .await
    .map_err(|error| error.hint("inputs are put into the store first, with POST /v1/blobs"))?;
    let (blobs, chunks) = (api.blobs(), CHUNK_BYTES as u64 * u64::from(task.slots));
    // Or it would be done, and judged as never served, because there is no room for it here.
    blocking(move || Ok(blobs.fits(chunks)?)).await.map_err(|error| error.hint("results need room, too"))?;
    let to = match to {
        Some(to) => Some(api.agent(to).await?),
        None => None,
    };
    match api.node.command(Command::Hire { task: Box::new(task), to, token }).await? {
        Answer::Posted(offer) => Ok((StatusCode::CREATED, Json(Posted { offer, before: false }))),
        Answer::PostedBefore(offer) => Ok((StatusCode::OK, Json(Posted { offer, before: true }))),
        Answer::Done => Err(ApiError::ours("the node did not say under which id the task is posted")),
    }
}

async fn show(State(api): State<Api>, Path(id): Path<String>) -> Answered<Shown> {
    api.shown(id).await.map(Json)
}

/// Everything signed in a hire, as `gigmesh verify` takes it.
async fn records(State(api): State<Api>, Path(id): Path<String>) -> Answered<Transcript> {
    let HireRecords { records, ratings } = api.node.records(id).await??;
    let store = api.node.ratings().ok_or(CallError::Stopped)?;
    let kept = blocking(move || {
        let read = |id: &Id<Rating>| store.get(*id.as_bytes()).map_err(ApiError::ours);
        ratings.iter().map(read).collect::<Result<Vec<_>, _>>()
    })
    .await?;
    let rating = |record: Vec<u8>| Ok(Item { beside: None, record: record.try_into().map_err(ApiError::ours)? });
    let ratings = kept.into_iter().flatten().map(rating).collect::<Result<Vec<_>, ApiError>>()?;
    let items = records.into_iter().chain(ratings).collect();
    Transcript::new(&api.identity.network, items).map(Json).map_err(ApiError::ours)
}

async fn stop(State(api): State<Api>, Path(id): Path<String>, body: Given<StopRequest>) -> Answered<Done> {
    let Json(StopRequest { reason }) = body?;
    let id = api.offer_or_hire(id).await?;
    api.done(Command::Stop { id, reason }).await
}

async fn judge(State(api): State<Api>, Path(id): Path<String>, body: Given<JudgeRequest>) -> Answered<Done> {
    let Json(JudgeRequest { ruling, note, within }) = body?;
    let within = parse::<Millis>("within", within)?;
    let ruling = match (ruling, within) {
        (Judged::Accept, None) => Ruling::Accepted,
        (Judged::Refuse, None) => Ruling::Refused,
        (Judged::Changes, Some(within)) => Ruling::Changes(wall_clock() + within),
        (Judged::Changes, None) => {
            return Err(ApiError::field("changes are wanted within a time: say `within`, like 10m"));
        }
        (_, Some(_)) => return Err(ApiError::field("`within` goes with changes only")),
    };
    let hire = api.hire(id).await?;
    api.done(Command::Judge { hire, ruling, note }).await
}

async fn rate(State(api): State<Api>, Path(id): Path<String>, body: Given<RateRequest>) -> Answered<Done> {
    let Json(RateRequest { accuracy, quality, speed, communication }) = body?;
    let score = |name: &str, given: Option<f64>| match given {
        Some(score) if !(0.0..=1.0).contains(&score) => Err(ApiError::field(format!("{name}: a score is from 0 to 1"))),
        given => Ok(given.map(|score| (score * 1000.0).round() as u16)),
    };
    let scores = Scores {
        speed: score("speed", speed)?,
        quality: score("quality", quality)?,
        accuracy: score("accuracy", accuracy)?,
        communication: score("communication", communication)?,
    };
    let hire = api.hire(id).await?;
    api.done(Command::Rate { hire, scores }).await
}

async fn ask(State(api): State<Api>, Path(id): Path<String>, body: Given<TextRequest>) -> Answered<Done> {
    let Json(TextRequest { text }) = body?;
    let hire = api.hire(id).await?;
    api.done(Command::Ask { hire, text }).await
}

async fn reply(State(api): State<Api>, Path(id): Path<String>, body: Given<ReplyRequest>) -> Answered<Done> {
    let Json(ReplyRequest { text, later }) = body?;
    let later = parse::<Millis>("later", later)?;
    let hire = api.hire(id).await?;
    api.done(Command::Reply { hire, text, later }).await
}

async fn contest(State(api): State<Api>, Path(id): Path<String>, body: Given<TextRequest>) -> Answered<Done> {
    let Json(TextRequest { text }) = body?;
    let hire = api.hire(id).await?;
    api.done(Command::Contest { hire, statement: text }).await
}

async fn appeal(State(api): State<Api>, Path(id): Path<String>) -> Answered<Done> {
    let hire = api.hire(id).await?;
    api.done(Command::Appeal { hire }).await
}

async fn approve(State(api): State<Api>, Path(id): Path<String>, body: Given<SettleRequest>) -> Answered<Done> {
    let Json(SettleRequest { note }) = body?;
    let id = api.offer_or_hire(id).await?;
    api.done(Command::Approve { id, note }).await
}

async fn refuse(State(api): State<Api>, Path(id): Path<String>, body: Given<SettleRequest>) -> Answered<Done> {
    let Json(SettleRequest { note }) = body?;
    let id = api.offer_or_hire(id).await?;
    api.done(Command::Refuse { id, reason: note }).await
}

async fn inbox(State(api): State<Api>) -> Answered<Rows<InboxRow>> {
    Ok(Json(api.node.query(Inbox).await?.into()))
}

async fn claims(State(api): State<Api>) -> Answered<Rows<ClaimRow>> {
    Ok(Json(api.node.query(Claims).await?.into()))
}

async fn passed(State(api): State<Api>) -> Answered<Rows<PassedRow>> {
    Ok(Json(api.node.query(ListPassed).await?.into()))
}

async fn ledger(
    State(api): State<Api>,
    params: Result<UrlQuery<LedgerParams>, QueryRejection>,
) -> Answered<LedgerPage> {
    let UrlQuery(LedgerParams { skip }) = params?;
    Ok(Json(api.node.query(LedgerAfter { skip }).await?))
}

async fn book(State(api): State<Api>, body: Given<PaymentRequest>) -> Answered<Done> {
    let Json(PaymentRequest { with, amount, direction, note }) = body?;
    let amount = amount.parse().map_err(|error| ApiError::field(format!("amount: {error}")))?;
    let with = api.agent(with).await?;
    api.done(Command::Book { with, amount, direction, note }).await
}

async fn confirm_clock(State(api): State<Api>) -> Answered<Done> {
    if api.node.clock_parted().is_none() {
        return Err(ApiError::new(
            Code::ClockRight,
            "there is nothing to confirm: the system's clock was not set while the node ran",
        ));
    }
    api.node.confirm_clock().await;
    Ok(Json(Done { done: true }))
}

async fn reputation(
    State(api): State<Api>,
    Path(agent): Path<String>,
    params: Result<UrlQuery<ReputationParams>, QueryRejection>,
) -> Answered<Reputation> {
    let UrlQuery(ReputationParams { skill, explain }) = params?;
    let skill: Option<Skill> = parse("skill", skill)?;
    let aspect =
        explain.map(|name| aspect(&name)).transpose().map_err(|why| ApiError::field(format!("explain: {why}")))?;
    let agent = api.agent(agent).await?;
    let view = api.node.query(ReputationOf { agent, skill: skill.clone() }).await?;
    let seeds = api.node.query(Seeds).await?.len();
    let explained = match aspect {
        None => None,
        Some(aspect) => {
            let mine = Explain { agent, skill, aspect, pinned: false };
            let pinned = Explain { pinned: true, ..mine.clone() };
            Some(Explanations { mine: api.node.query(mine).await?, pinned: api.node.query(pinned).await? })
        }
    };
    Ok(Json(Reputation { view, seeds, explained }))
}

async fn trusted(State(api): State<Api>) -> Answered<Rows<SeedRow>> {
    Ok(Json(api.node.query(Seeds).await?.into()))
}

async fn trust(State(api): State<Api>, body: Given<TrustRequest>) -> Answered<Trusted> {
    let Json(TrustRequest { agent: named, pinned }) = body?;
    let before = api.node.query(Seeds).await?;
    let agent = if pinned { api.agent(named).await? } else { one_pinned(&before, &named)? };
    api.node.command(Command::Pin { agent, pinned }).await?;
    let after = api.node.query(Seeds).await?;
    let row = after.iter().chain(&before).find(|row| row.agent == agent).cloned();
    let seed = row.unwrap_or(SeedRow { agent, name: None, ratings: 0 });
    Ok(Json(Trusted { pinned: after.iter().any(|row| row.agent == agent), seed, seeds: after.len() }))
}

/// The pinned agent whose id begins so.
fn one_pinned(seeds: &[SeedRow], named: &str) -> Result<AgentId, ApiError> {
    let prefix = id_prefix(named).map_err(|error| ApiError::new(Code::NotAnId, error))?;
    let mut found = seeds.iter().map(|row| row.agent).filter(|agent| agent.to_string().starts_with(&prefix));
    match (found.next(), found.next()) {
        (Some(agent), None) => Ok(agent),
        (Some(_), Some(_)) => {
            Err(ApiError::new(Code::AmbiguousId, format!("several pinned agents begin with {prefix}"))
                .hint("give more digits"))
        }
        (None, _) => Err(ApiError::new(Code::NotPinned, format!("{prefix} is not pinned"))
            .hint("`gigmesh trust list` lists whom this node has pinned")),
    }
}

async fn peers(State(api): State<Api>) -> Json<Rows<Peer>> {
    Json(api.node.peers().await.into_iter().map(Peer::from).collect::<Vec<_>>().into())
}

/// Runs what waits for the disk where waiting is allowed.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(ApiError::ours(error)))
}

async fn room(State(api): State<Api>) -> Answered<Room> {
    let blobs = api.blobs();
    blocking(move || Ok(Json(Room { used: blobs.used(), quota: blobs.quota(), room: blobs.room()? }))).await
}

async fn transfers(State(api): State<Api>) -> Json<Rows<Transfer>> {
    Json(api.node.transfers().into())
}

/// Takes bytes as they come; where their number is said, room for them is looked for before the first.
async fn put_blob(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<BlobRef>), ApiError> {
    let blobs = api.blobs();
    let size = headers.get(header::CONTENT_LENGTH).and_then(|size| size.to_str().ok()?.parse().ok());
    if let Some(size) = size {
        let blobs = api.blobs();
        blocking(move || Ok(blobs.fits(size)?)).await?;
    }
    let stream = body.into_data_stream().map_err(std::io::Error::other);
    let mut reader = SyncIoBridge::new(StreamReader::new(stream));
    let blob = blocking(move || Ok(blobs.put_reader(&mut reader)?)).await?;
    Ok((StatusCode::CREATED, Json(blob)))
}

async fn get_blob(State(api): State<Api>, Path(root): Path<String>) -> Result<Response, ApiError> {
    let root: Bytes32 = root.parse().map_err(|error| ApiError::new(Code::NotAnId, error))?;
    let blobs = api.blobs();
    let (file, size) = blocking(move || {
        let file = blobs.open_checked(root)?;
        let size = file.metadata().map_err(ApiError::ours)?.len();
        Ok((file, size))
    })
    .await?;
    let body = Body::from_stream(ReaderStream::with_capacity(tokio::fs::File::from_std(file), CHUNK_BYTES));
    // Another agent's bytes: never something for a browser to run.
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, body).into_response())
}

/// Subscribed before the answer's head is sent: what happens after it is in the stream.
async fn events(State(api): State<Api>) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let heard = (api.node.notices(), api.node.clock_changes(), api.node.transfer_news());
    let stream = stream::unfold((heard, api.node), |(mut heard, node)| async move {
        let (notices, clock, transfers) = &mut heard;
        let event = tokio::select! {
            notice = notices.recv() => match notice {
                Ok(notice) => Event::Market(notice),
                // Slower than the node: the reader asks for the state again.
                Err(RecvError::Lagged(count)) => Event::Node(NodeEvent::Missed { count }),
                Err(RecvError::Closed) => return None,
            },
            Ok(()) = clock.changed() => Event::Node(NodeEvent::Clock { trouble: node.clock_parted() }),
            // Who is behind hears of the next.
            Ok(transfer) = transfers.recv() => Event::Node(NodeEvent::Transfer(transfer)),
            () = node.stopped() => return None,
        };
        let data = sse::Event::default().json_data(event);
        let event = data.unwrap_or_else(|error| sse::Event::default().comment(error.to_string().replace('\n', " ")));
        Some((Ok(event), (heard, node)))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(API_KEEP_ALIVE))
}
