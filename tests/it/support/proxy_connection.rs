//! One connection through the proxy: read a request, do what the rules say, forward it, send the
//! answer on.

use super::client::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use super::gate::Gate;
use super::http1::{Request, Response, Wire};
use super::proxy::Shared;
use super::request_log::Pending;
use super::rules::Fault;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What becomes of the client's connection after a request.
#[derive(Debug, PartialEq, Eq)]
enum Then {
    Keep,
    Close,
    Reset,
}

/// Serves the n-th connection until one side is through with it.
pub async fn connection(shared: Arc<Shared>, stream: TcpStream, nth: usize) {
    let _ = stream.set_nodelay(true);
    let mut client = Wire::new(stream);
    let mut upstream = None;
    while let Ok(Some(request)) = client.request_head().await {
        let pending = shared.requests.arrived(nth, &request);
        let gates: Vec<Gate> = {
            let gates = shared.gates.lock().expect("no panic while locked");
            gates.iter().filter(|gate| gate.is_for(&request)).cloned().collect()
        };
        let ticking = async {
            loop {
                shared.requests.tick();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let then = tokio::select! {
            then = exchange(&shared, &mut client, &mut upstream, request, pending, &gates) => then,
            () = ticking, if shared.requests.is_far() => unreachable!("time does not end"),
        };
        gates.iter().for_each(Gate::over);
        match then {
            Ok(Then::Keep) => {}
            Ok(Then::Reset) => {
                let _ = client.stream().set_zero_linger();
                return;
            }
            Ok(Then::Close) | Err(_) => return,
        }
    }
}

async fn exchange(
    shared: &Shared,
    client: &mut Wire<TcpStream>,
    upstream: &mut Option<Wire<TcpStream>>,
    mut request: Request,
    mut pending: Pending,
    gates: &[Gate],
) -> io::Result<Then> {
    client.request_body(&mut request).await?;
    for gate in gates {
        if !gate.pass(&mut pending, client).await {
            return Ok(Then::Close);
        }
    }
    let faults = shared.rules.faults_for(&request);
    pending.received(request.body.len(), faults.iter().map(|fault| format!("{fault:?}")).collect());
    let mut answer = None;
    for fault in &faults {
        match fault {
            Fault::Reset => return Ok(Then::Reset),
            Fault::Hang => {
                pending.aside();
                client.until_gone().await;
                return Ok(Then::Close);
            }
            Fault::Delay(duration) => {
                pending.aside();
                tokio::time::sleep(*duration).await;
                pending.resume();
            }
            Fault::Status(status) => answer = Some(Response::new(*status, &[], "")),
            Fault::Answer(fixed) => answer = Some(fixed.clone()),
            Fault::Redirect(location) => {
                answer = Some(Response::new(307, &[("Location", location)], ""));
            }
            Fault::CutUpload(bytes) => {
                cut(&shared.upstream, &request, *bytes).await?;
                return Ok(Then::Reset);
            }
            Fault::DropRequestHeader(name) => {
                request.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
            }
            Fault::Stale => answer = rewind(shared, &mut request),
            _ => {}
        }
    }
    let mut answer = match answer {
        Some(answer) => answer,
        None => {
            if request.method == "PUT" && shared.rules.want_the_past() {
                remember(shared, upstream, &request).await;
            }
            match forward(&shared.upstream, upstream, &request).await {
                Ok(answer) => answer,
                Err(_) => return Ok(Then::Reset),
            }
        }
    };
    if request.method == "HEAD" {
        answer.wire.clear();
    }
    let mut sent = answer.wire.len();
    let mut stall = false;
    let drip = faults
        .iter()
        .find_map(|fault| if let Fault::Drip(pause) = fault { Some(*pause) } else { None });
    for fault in &faults {
        match fault {
            Fault::ResetAfterForward => {
                pending.ready().await;
                return Ok(Then::Reset);
            }
            Fault::HangAfterForward => {
                pending.aside();
                client.until_gone().await;
                return Ok(Then::Close);
            }
            Fault::AlterBody(change) => {
                let body = change(std::mem::take(&mut answer.body));
                answer.set_body(body);
            }
            Fault::AlterWith(change) => {
                let body = change(std::mem::take(&mut answer.body));
                answer.set_body(body);
            }
            Fault::BadChunks => {
                answer.headers.retain(|(n, _)| !n.eq_ignore_ascii_case("content-length"));
                answer.headers.push(("Transfer-Encoding".to_owned(), "chunked".to_owned()));
                answer.headers.push(("Connection".to_owned(), "close".to_owned()));
                answer.wire = b"these are no chunks\r\n".to_vec();
            }
            Fault::DropHeader(name) => {
                answer.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
            }
            Fault::SetHeader(name, value) => {
                answer.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
                answer.headers.push(((*name).to_owned(), value.clone()));
            }
            _ => {}
        }
        sent = answer.wire.len();
    }
    for fault in &faults {
        if let Fault::Truncate(bytes) | Fault::Stall(bytes) = fault {
            sent = sent.min(*bytes);
            stall = matches!(fault, Fault::Stall(_));
        }
    }
    pending.ready().await;
    let closing = [request.header("connection"), answer.header("connection")];
    let cut = sent < answer.wire.len();
    let bytes = [answer.head().as_slice(), &answer.wire[..sent]].concat();
    // Booked before it is sent: what the client does on seeing it comes after it, however the tasks
    // are scheduled.
    pending.answered(answer.status, sent);
    if let Some(pause) = drip {
        client.send(&answer.head()).await?;
        for byte in &answer.wire {
            tokio::time::sleep(pause).await;
            client.send(&[*byte]).await?;
        }
        return Ok(Then::Close);
    }
    client.send(&bytes).await?;
    if stall {
        client.until_gone().await;
    }
    let close = stall || cut || closing.iter().flatten().any(|v| v.eq_ignore_ascii_case("close"));
    Ok(if close { Then::Close } else { Then::Keep })
}

/// Sends a request on and reads the answer, over the kept connection or, when that one is dead,
/// over a fresh one.
async fn forward(
    host: &str,
    upstream: &mut Option<Wire<TcpStream>>,
    request: &Request,
) -> io::Result<Response> {
    let bytes = request.encode();
    if let Some(mut kept) = upstream.take()
        && kept.send(&bytes).await.is_ok()
        && let Ok(Some(answer)) = kept.response(&request.method).await
    {
        *upstream = keep(kept, &answer);
        return Ok(answer);
    }
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let mut fresh = Wire::new(stream);
    let sent = fresh.send(&bytes).await;
    let answer = match fresh.response(&request.method).await {
        Ok(Some(answer)) => answer,
        Ok(None) => return Err(sent.err().unwrap_or_else(super::http1::gone)),
        Err(e) => return Err(e),
    };
    *upstream = keep(fresh, &answer);
    Ok(answer)
}

/// Sends a request on whose body breaks off; returns when the registry has given it up.
async fn cut(host: &str, request: &Request, bytes: usize) -> io::Result<()> {
    let whole = request.encode();
    let kept = whole.len() - request.body.len() + bytes.min(request.body.len());
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(&whole[..kept]).await?;
    stream.shutdown().await?;
    let _ = stream.read_to_end(&mut Vec::new()).await;
    Ok(())
}

fn keep(wire: Wire<TcpStream>, answer: &Response) -> Option<Wire<TcpStream>> {
    (!answer.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"))).then_some(wire)
}

/// Notes what stands behind a manifest path that is about to be written.
async fn remember(shared: &Shared, upstream: &mut Option<Wire<TcpStream>>, put: &Request) {
    if !put.path().contains("/manifests/") {
        return;
    }
    let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
    let mut headers =
        vec![("Host".to_owned(), shared.upstream.clone()), ("Accept".to_owned(), accept)];
    headers.extend(put.header("authorization").map(|a| ("Authorization".to_owned(), a.to_owned())));
    let look = Request {
        method: "HEAD".to_owned(),
        target: put.path().to_owned(),
        headers,
        body: Vec::new(),
    };
    if let Ok(answer) = forward(&shared.upstream, upstream, &look).await {
        let digest = (answer.status == 200)
            .then(|| answer.header("docker-content-digest").map(str::to_owned))
            .flatten();
        shared.past.lock().expect("no panic while locked").insert(put.path().to_owned(), digest);
    }
}

/// Points a request for a manifest at what stood there before, or answers that there was nothing.
fn rewind(shared: &Shared, request: &mut Request) -> Option<Response> {
    let past =
        shared.past.lock().expect("no panic while locked").get(request.path()).cloned().flatten();
    match past {
        Some(digest) => {
            let base = request.path().rsplit_once('/').map_or("", |(base, _)| base);
            request.target = format!("{base}/{digest}");
            None
        }
        None => {
            let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
            Some(Response::new(404, &[("Content-Type", "application/json")], body))
        }
    }
}
