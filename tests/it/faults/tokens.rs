//! Token servers whose clock is not ours.

use crate::support::proxy::FaultProxy;
use crate::support::rules::{Fault, Rule};
use crate::support::scene::{Scene, manifest};
use crate::support::token::TokenServer;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// RFC 3339, as far as a test needs it: on the hour's side of now.
fn an_hour_off(ahead: bool) -> String {
    let hour = Duration::from_secs(3600);
    let time = if ahead { SystemTime::now() + hour } else { SystemTime::now() - hour };
    // `Sun, 06 Nov 1994 08:49:37 GMT`
    let date = httpdate::fmt_http_date(time);
    let words: Vec<&str> = date.split(' ').collect();
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == words[2]).unwrap() + 1;
    format!("{}-{month:02}-{}T{}Z", words[3], words[1], words[4])
}

#[tokio::test]
async fn a_token_server_whose_clock_is_wrong_changes_nothing() {
    for ahead in [false, true] {
        let tokens =
            TokenServer::new().user("ci", "s3cret-canary").anonymous_pull(false).start().await;
        let before_tokens = FaultProxy::before_addr(&tokens.host()).await;
        let realm = format!("http://{}/token", before_tokens.host());
        let scene = Scene::with_tokens(&tokens, &realm).await;
        scene.push_amd64().await;
        let issued = an_hour_off(ahead);
        let dated = Fault::alter(move |body| {
            let mut answer: Value = serde_json::from_slice(&body).unwrap();
            answer["issued_at"] = json!(issued);
            answer.to_string().into_bytes()
        });
        before_tokens.rule(Rule::on("GET", "/token").then(dated));
        let looks = scene.proxy.gate("HEAD", &manifest("arm64"));
        let step = scene.waiting_step().input("username", "ci").input("password", "s3cret-canary");
        let running = step.input("wait-interval", "100ms").spawn().await;
        looks.wait_for_answers(3).await;
        scene.push_arm64().await;
        running.wait().await.ok();
        assert_eq!(tokens.requests().len(), 1, "one token for all that time, ahead: {ahead}");
        let refused = scene
            .proxy
            .log()
            .into_iter()
            .filter(|entry| entry.status == 401 && entry.authorization.is_some());
        // To cancel the upload that tests the permission is another right, which this registry does
        // not count as a push.
        let refused = refused.filter(|entry| entry.method != "DELETE");
        assert_eq!(refused.count(), 0, "{}", scene.proxy.log_text());
    }
}
