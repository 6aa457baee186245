//! The `headroom` binary as a library: command line, configuration, routes, access and wiring.
//!
//! Policies live here (who may call what, how an error is written, which address is listened on); mechanisms live in
//! `headroom-engine`. [`router`] is the readable list of endpoints; [`serve`] is the life of the process.

// The types of the pages nest deeply; laying them out follows every level.
#![recursion_limit = "512"]

pub mod access;
pub mod api;
pub mod assets;
pub mod cli;
pub mod config;
pub mod connections;
pub mod demo;
pub mod docs;
pub mod doctor;
pub mod endpoint;
pub mod gateway;
pub mod http;
pub mod logging;
pub mod openapi;
pub mod pages;
pub mod router;
pub mod serve;
pub mod web;
