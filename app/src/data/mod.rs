//! What a page knows of its target: the present from the feed, the past by reading it again, the last values kept when
//! reading fails.

pub mod held;
pub mod past;
pub mod present;
pub mod reads;
