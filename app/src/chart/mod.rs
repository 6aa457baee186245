//! Charts: one description of a plot, painted as SVG at first and kept by ECharts once it is in view.
//!
//! The server paints frame, ticks, limits, event marks, gaps and lines as SVG and HTML ([`svg`]), which is the whole
//! chart without JavaScript. In the browser ECharts takes over the lines and adds cursor, tooltip and zoom; the frame
//! stays as it is, so that nothing moves when it does.

mod append;
#[cfg(feature = "hydrate")]
pub mod binding;
#[cfg(feature = "ssr")]
pub mod card;
mod forecast;
mod gaps;
#[cfg(any(feature = "hydrate", test))]
mod option;
#[cfg(any(feature = "hydrate", feature = "ssr", test))]
pub mod picture;
mod scale;
mod svg;
mod text;

pub use append::{Sampled, append};
pub use forecast::paint_forecast;
pub use scale::{Floor, Scale};
pub use svg::{paint, paint_wide, spark};
pub use text::sentence;
#[cfg(feature = "hydrate")]
pub use text::tooltip;

use headroom_model::{Timestamp, metric::Unit, series::Series};

/// A horizontal rule: what the measure should not pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Where.
    pub value: f64,
    /// What it is: "target 500 ms", "limit 200".
    pub label: String,
    /// A hard limit is drawn solid in the critical colour, a target dashed.
    pub hard: bool,
    /// Whether the good side is below the rule.
    pub good_below: bool,
}

/// A vertical mark on the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// Whether it is bad news.
    pub alert: bool,
}

/// How heavy a line is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weight {
    /// A line among others that should not lead.
    Thin,
    /// A line.
    #[default]
    Normal,
    /// The line that is read first.
    Bold,
    /// The same measure in an earlier stretch: dashed, in the colour of what is past.
    Before,
}

impl Weight {
    /// The class of a line inside the SVG.
    fn class(self) -> &'static str {
        match self {
            Weight::Thin => " thin",
            Weight::Normal => "",
            Weight::Bold => " bold",
            Weight::Before => " prev",
        }
    }

    /// The class of its key in a legend.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Weight::Thin => "key thin",
            Weight::Normal => "key",
            Weight::Bold => "key thick",
            Weight::Before => "key dash",
        }
    }

    /// Width in pixels.
    #[cfg(any(feature = "hydrate", feature = "ssr", test))]
    fn width(self) -> f64 {
        match self {
            Weight::Thin => 1.15,
            Weight::Normal => 1.6,
            Weight::Bold => 2.0,
            Weight::Before => 1.2,
        }
    }
}

/// One series in a plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The points.
    pub series: Series,
    /// What it is called beside the others.
    pub name: &'static str,
    /// Colour slot, fixed for each metric (`s1` … `s8`, `o1` … `o3`).
    pub color: &'static str,
    /// How heavy it is drawn.
    pub weight: Weight,
}

/// One or more series of one unit over one range, with everything that is drawn around them.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// What it shows.
    pub name: &'static str,
    /// The first series. Its metric gives the unit, its slots the gaps.
    pub lead: Line,
    /// More series on the same grid.
    pub rest: Vec<Line>,
    /// Whether the series are parts of a whole, drawn as areas on top of each other.
    pub stacked: bool,
    /// Start of the range shown.
    pub from: Timestamp,
    /// End of the range shown.
    pub to: Timestamp,
    /// Value axis.
    pub scale: Scale,
    /// Target or limit.
    pub rule: Option<Rule>,
    /// Events.
    pub marks: Vec<Mark>,
    /// Any moment of the day it is: other days are named in what the chart says.
    pub today: Timestamp,
}

impl Plot {
    /// Every series, the leading one first.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        std::iter::once(&self.lead).chain(&self.rest)
    }

    /// The unit of every value.
    #[must_use]
    pub fn unit(&self) -> Unit {
        self.lead.series.metric.metric().unit
    }

    /// Where a moment lies in the range, 0 to 1.
    #[must_use]
    pub fn fraction(&self, at: Timestamp) -> f64 {
        let span = (self.to.0 - self.from.0).max(1);
        ((at.0 - self.from.0) as f64 / span as f64).clamp(0.0, 1.0)
    }
}
