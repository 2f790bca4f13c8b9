//! What every test leans on: real registries, a proxy that breaks things on request, tiny real
//! images, and our binary in a scrubbed environment. Nothing here uses the product's own code, so a
//! defect there cannot hide here.
//!
//! | module | gives |
//! |---|---|
//! | [`registry`] | a real `docker-registry` process on port 0 |
//! | [`token`] | a token server whose tokens that registry accepts |
//! | [`client`] | an independent HTTP client to prepare and look at a registry |
//! | [`images`], [`indexes`] | tiny real images, and lists of them as BuildKit and Docker push them |
//! | [`proxy`], [`rules`], [`gate`], [`clock`] | a proxy before a registry: faults, conditions, counters |
//! | [`haste`] | a clock that runs faster than real time, for what takes minutes |
//! | [`jobs_api`] | the APIs of GitHub and GitLab that list jobs |
//! | [`liar`] | a server that says anything, right or wrong |
//! | [`step`], [`running`], [`github`] | our binary, and what the CI system makes of its output |
//! | [`paused`] | minutes that pass in a moment |
//! | [`scene`] | registry, client and proxy together, and a step that goes through them |
//! | [`skopeo`], [`foreign`] | foreign readers of what was published |

pub mod background;
pub mod certs;
pub mod client;
pub mod clock;
pub mod foreign;
pub mod gate;
pub mod github;
pub mod haste;
pub mod http1;
pub mod images;
pub mod indexes;
pub mod jobs_api;
pub mod layer;
pub mod liar;
pub mod paused;
pub mod proxy;
pub mod proxy_http;
pub mod registry;
pub mod rules;
pub mod running;
pub mod scene;
pub mod skopeo;
pub mod step;
pub mod token;
pub mod token_jwt;
