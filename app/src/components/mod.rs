//! Components that pages share.

pub mod banner;
pub mod chart;
pub mod clear;
pub mod command;
pub mod copy;
pub mod ending;
pub mod estimate;
pub mod event;
pub mod failure;
pub mod figure;
pub mod first;
pub mod icon;
#[allow(dead_code, unused_imports, reason = "the pages of the observatory use the rest")]
pub mod list;
pub mod notices;
pub mod operation;
pub mod origin;
pub mod plan;
pub mod preview;
pub mod remedy;
pub mod share;
pub mod skeleton;
pub mod small_chart;
pub mod sort;
pub mod spark;
pub mod sql;
pub mod status;
pub mod steps;
pub mod warm;
