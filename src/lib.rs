//! skeleton
pub mod inputs;
pub mod oci;
pub mod plan;
pub mod registry;
pub mod secret;
