//! What every test stands on: real registries, a proxy that breaks things on request, tiny real
//! images, and our binary in a scrubbed environment. Nothing here uses the product's own code, so a
//! defect there cannot hide here.
//!
//! | module                          | gives                                                    |
//! |---------------------------------|----------------------------------------------------------|
//! | [`scene`]                       | a registry, a client and a proxy, and steps through them |
//! | [`step`]                        | a run of our binary in preparation                       |
//! | [`running`]                     | a run under way, and what it left behind                 |
//! | [`canary`]                      | the secrets of a run, and whether it let go of one       |
//! | [`github`]                      | what a GitHub runner makes of a run's output             |
//! | [`registry`]                    | a real `docker-registry` process on a free port          |
//! | [`referrers_api`]             | the referrers API before that registry, which has none   |
//! | [`token`], [`token_jwt`]        | a token server whose tokens that registry accepts        |
//! | [`certs`]                       | certificate authorities that only one test knows         |
//! | [`client`]                      | an independent client that prepares a registry           |
//! | [`images`], [`layer`]           | tiny real images                                         |
//! | [`layouts`], [`tars`]           | images in files                                          |
//! | [`artifacts`]                   | signatures and SBOMs that refer to them                  |
//! | [`indexes`]                     | lists of images as BuildKit and Docker push them         |
//! | [`proxy`], [`proxy_connection`] | a proxy before a registry                                |
//! | [`rules`]                       | what the proxy breaks, and when                          |
//! | [`gate`]                        | requests that the proxy waits for or holds               |
//! | [`request_log`]                 | what passed the proxy, and in how many round trips       |
//! | [`scripted`]                    | a server that answers as a test tells it to              |
//! | [`jobs_api`]                    | the APIs of GitHub and GitLab that list jobs             |
//! | [`tcp_server`], [`http1`]       | what all servers here are made of                        |
//! | [`fast_clock`]                  | a clock that goes faster than real time                  |
//! | [`paused_clock`]                | a clock that stands while a request is under way         |
//! | [`wait`]                        | waiting for a condition                                  |
//! | [`screen`]                      | what a terminal shows of what is written to it           |
//! | [`skopeo`], [`engines`]         | what skopeo, Docker and podman make of a list            |

pub mod artifacts;
pub mod canary;
pub mod certs;
pub mod client;
pub mod engines;
pub mod fast_clock;
pub mod front;
pub mod gate;
pub mod github;
pub mod http1;
pub mod images;
pub mod indexes;
pub mod jobs_api;
pub mod layer;
pub mod layouts;
pub mod log;
pub mod named;
pub mod paused_clock;
pub mod proxy;
pub mod proxy_connection;
pub mod referrers_api;
pub mod registry;
pub mod request_log;
pub mod rules;
pub mod running;
pub mod scene;
pub mod screen;
pub mod scripted;
pub mod skopeo;
pub mod step;
pub mod tars;
pub mod tcp_server;
pub mod token;
pub mod token_jwt;
pub mod wait;
