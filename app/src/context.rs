//! What the server hands to every page render and server function.

use crate::error::{AppError, ErrorCode};
use axum::http::{header::ACCEPT, request::Parts};
use headroom_engine::{actions::Request, console::Console};
use headroom_model::{Actor, Role, TargetId};
use leptos::prelude::use_context;
use serde::Deserialize;
use std::{collections::HashMap, sync::Arc};

/// Addresses of the browser bundle, as the bundle tool writes them to `dist/assets.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Assets {
    /// Folder of the split bundle: `/pkg/<hash>`.
    pub pkg: String,
    /// The main JavaScript module.
    pub js: String,
    /// The main WebAssembly module.
    pub wasm: String,
    /// The style sheet.
    pub css: String,
    /// ECharts, imported when the first chart comes into view.
    pub echarts: String,
    /// Name of the module that loads split chunks, relative to `pkg`.
    pub split_js: String,
    /// Chunks to preload, by lazy function.
    pub prefetch: HashMap<String, Vec<String>>,
    /// Fonts to preload.
    pub fonts: Vec<String>,
}

/// A theme that was chosen; without one the browser's preference decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// Light surfaces.
    Light,
    /// Dark surfaces.
    Dark,
}

impl Theme {
    /// The value of the cookie, the form field and `data-theme`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }
}

/// Whether a server function is asked by a form without JavaScript, which is shown a page, not data.
#[must_use]
pub fn is_plain_form() -> bool {
    use_context::<Parts>()
        .and_then(|request| Some(request.headers.get(ACCEPT)?.to_str().ok()?.contains("text/html")))
        .unwrap_or(false)
}

/// The request as pages see it. Provided as a Leptos context for renders and server functions.
#[derive(Clone)]
pub struct PageContext {
    /// The running console.
    pub console: Arc<Console>,
    /// Who asks.
    pub actor: Actor,
    /// Peer address, where known; goes into the audit.
    pub origin: Option<String>,
    /// The browser bundle.
    pub assets: Arc<Assets>,
    /// The chosen theme.
    pub theme: Option<Theme>,
}

impl PageContext {
    /// The context of this request, if its actor holds `role`.
    ///
    /// The server's middleware checks roles before; this is the second lock on the same door.
    ///
    /// # Errors
    /// The role does not suffice, or no request is being answered.
    pub fn require(role: Role) -> Result<Self, AppError> {
        let context = use_context::<PageContext>().ok_or_else(AppError::internal)?;
        if context.actor.role < role { Err(AppError::forbidden(role).answered()) } else { Ok(context) }
    }

    /// An action asked for here and now, with the reason as it was written.
    ///
    /// # Errors
    /// The reason is too long.
    pub fn asks(&self, reason: Option<String>) -> Result<Request, AppError> {
        /// Longest reason that is recorded, in characters.
        const REASON: usize = 500;

        let reason = reason.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        if reason.as_ref().is_some_and(|text| text.chars().count() > REASON) {
            let message = format!("A reason has at most {REASON} characters.");
            return Err(AppError::new(ErrorCode::Invalid, message).answered());
        }
        Ok(Request { actor: self.actor.clone(), origin: self.origin.clone(), reason })
    }

    /// The target a request names, or the default one.
    ///
    /// # Errors
    /// No target has that name.
    pub fn target(&self, name: Option<&str>) -> Result<TargetId, AppError> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Ok(self.console.default_target().clone());
        };
        let targets = self.console.targets();
        targets.iter().find(|target| target.id.as_str() == name).map(|target| target.id.clone()).ok_or_else(|| {
            let known: Vec<&str> = targets.iter().map(|target| target.id.as_str()).collect();
            AppError::unknown_target(name, &known).answered()
        })
    }
}
