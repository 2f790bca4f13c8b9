//! The test support proves itself: what every other test leans on is held to its word here.

mod canaries;
mod faults;
mod readers;
mod registries;
mod round_trips;
mod servers;
mod steps;
