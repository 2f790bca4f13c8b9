//! The scripted server answers as it is told to, and remembers what it was sent.

use crate::support::client::Client;
use crate::support::http1::{Request, Wire};
use crate::support::scripted::{Reply, ScriptedServer, answer};
use crate::support::wait::until;
use std::time::Duration;
use tokio::net::TcpStream;

fn get(target: &str) -> Vec<u8> {
    let headers = vec![("Host".to_owned(), "x".to_owned())];
    Request { method: "GET".to_owned(), target: target.to_owned(), headers, body: Vec::new() }
        .encode()
}

#[tokio::test]
async fn a_scripted_server_follows_its_script_and_keeps_what_it_got() {
    let server = ScriptedServer::answering(|request, nth| {
        answer(200, &[("X-Nth", &nth.to_string())], request.target.clone())
    });
    let client = Client::new(&server.host()).basic("ci", "s3cret");
    client.request("GET", "/one", &[], &[]).await;
    let two = client.request("POST", "/two", &[("X-Mine", "1")], b"body").await;
    assert_eq!((two.text().as_str(), two.header("x-nth")), ("/two", Some("2")));
    let seen = server.requests();
    assert_eq!(
        (seen.len(), seen[1].method.as_str(), seen[1].body.as_slice()),
        (2, "POST", b"body".as_slice())
    );
    assert_eq!(seen[1].header("x-mine"), Some("1"));
    assert!(seen[0].header("authorization").unwrap().starts_with("Basic "));
}

#[tokio::test]
async fn a_script_is_followed_to_its_end_on_kept_and_closed_connections() {
    let script = vec![
        answer(204, &[], ""),
        answer(200, &[], "ok"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec(),
    ];
    let server = ScriptedServer::in_turn(script);
    let mut wire = Wire::new(TcpStream::connect(server.host()).await.unwrap());
    for status in [204, 200] {
        wire.send(&get("/")).await.unwrap();
        assert_eq!(wire.response("GET").await.unwrap().unwrap().status, status);
    }
    wire.send(&get("/")).await.unwrap();
    assert!(wire.response("GET").await.is_err(), "half an answer closes the connection");
    assert_eq!(server.connections(), 1);
    assert_eq!(Client::new(&server.host()).request("GET", "/", &[], &[]).await.status, 500);
    assert_eq!((server.connections(), server.requests().len()), (2, 4));
}

#[tokio::test]
async fn a_scripted_server_can_answer_without_end_stall_reset_and_be_silent() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let server = ScriptedServer::in_turn(vec![
        Reply::Endless(head.clone(), b"4\r\nabcd\r\n".repeat(1000)),
        Reply::Reset,
        Reply::Silence,
        Reply::Stall(head),
    ]);
    let look = || async {
        let mut wire = Wire::new(TcpStream::connect(server.host()).await.unwrap());
        wire.send(&get("/")).await.unwrap();
        wire.response("GET").await
    };
    let much = until("many bytes came", || async { server.endless_bytes() > 9000 });
    tokio::select! {
        biased;
        answer = look() => panic!("an answer without end has ended: {answer:?}"),
        () = much => {}
    }
    assert_eq!(look().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    for (nth, what) in [(3, "silent"), (4, "stalled")] {
        let heard = async {
            until("it has the request", || async { server.requests().len() >= nth }).await;
            // An answer that is not to come has the time to.
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            biased;
            answer = look() => panic!("{what}: {answer:?}"),
            () = heard => {}
        }
    }
}
