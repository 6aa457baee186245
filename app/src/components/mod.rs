//! Components that pages share.

pub mod banner;
pub mod chart;
pub mod copy;
pub mod estimate;
pub mod failure;
pub mod icon;
pub mod operation;
pub mod skeleton;
pub mod spark;
pub mod status;
