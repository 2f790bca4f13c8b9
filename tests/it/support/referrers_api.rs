//! The referrers API before a registry that has none: a proxy that is told to follow it keeps a list
//! of what is pushed through it with a subject, says so (`OCI-Subject`), and answers with that list.

use super::client::{OCI_INDEX, sha256};
use super::http1::Request;
use super::proxy::FaultProxy;
use super::rules::{Fault, Schedule};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// What refers to what, by the path of its list; clones are the same API.
#[derive(Debug, Clone, Default)]
pub struct ReferrersApi {
    lists: Arc<Mutex<HashMap<String, Vec<Value>>>>,
}

impl ReferrersApi {
    /// An API of this proxy's registry.
    pub fn of(proxy: &FaultProxy) -> Self {
        let api = Self::default();
        proxy.follow(Some(api.schedule()));
        api
    }

    /// What makes a proxy that follows it a registry with the API.
    pub fn schedule(&self) -> Schedule {
        let api = self.clone();
        Arc::new(move |request, _, _| api.faults(request))
    }

    /// What it does with this request; a manifest that is pushed is listed from now on.
    pub fn faults(&self, request: &Request) -> Vec<Fault> {
        let path = request.path();
        let mut lists = self.lists.lock().expect("no panic while locked");
        if request.method == "GET" && path.contains("/referrers/") {
            let manifests = lists.get(path).cloned().unwrap_or_default();
            let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
            let answer = Fault::Status(200).header("Content-Type", OCI_INDEX);
            return vec![answer.body(list.to_string())];
        }
        let (Some((repository, _)), "PUT") =
            (path.split_once("/manifests/"), request.method.as_str())
        else {
            return Vec::new();
        };
        let manifest: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(subject) = manifest["subject"]["digest"].as_str() else { return Vec::new() };
        let digest = sha256(&request.body);
        let list = lists.entry(format!("{repository}/referrers/{subject}")).or_default();
        list.retain(|entry| entry["digest"] != digest.as_str());
        list.push(json!({
            "mediaType": manifest["mediaType"],
            "digest": digest,
            "size": request.body.len(),
            "artifactType": manifest["artifactType"],
        }));
        vec![Fault::SetHeader("OCI-Subject", subject.to_owned())]
    }

    /// The digests that it lists about a digest of a repository.
    pub fn listed(&self, repository: &str, subject: &str) -> Vec<String> {
        let lists = self.lists.lock().expect("no panic while locked");
        let list = lists.get(&format!("/v2/{repository}/referrers/{subject}"));
        let digest = |entry: &Value| entry["digest"].as_str().expect("a digest").to_owned();
        list.into_iter().flatten().map(digest).collect()
    }
}
