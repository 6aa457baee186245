//! The picture that chats show of a link: 1200 × 630 pixels, light, with colours written out, since what draws it knows no
//! style sheet.

use super::{
    Plot,
    picture::{Area, WIDTH, chart},
    text::escape,
};
use std::fmt::Write;

const HEIGHT: u32 = 630;
const MARGIN: u32 = 48;
/// Where charts begin, and where the line at the foot stands.
const TOP: u32 = 150;
const FOOT: u32 = 596;
const GAP: u32 = 32;
/// Charts of a card at most: more would be too small to read.
pub const CHARTS: usize = 4;
/// Characters of a line of the title.
const TITLE_LINE: usize = 54;

/// The light theme's colours (`style/tokens.css`).
const COLORS: [(&str, &str); 19] = [
    ("panel", "#fefdfc"),
    ("ink", "#1a1f24"),
    ("ink-2", "#4a4f55"),
    ("ink-3", "#63686e"),
    ("line", "#dfdfdc"),
    ("critical", "#ab0c1d"),
    ("degraded", "#935d00"),
    ("s1", "#0f6bb8"),
    ("s2", "#b86428"),
    ("s3", "#005a57"),
    ("s4", "#af3679"),
    ("s5", "#829b36"),
    ("s6", "#414066"),
    ("s7", "#2b9bb8"),
    ("s8", "#6d3622"),
    ("s-prev", "#83868a"),
    ("o1", "#7fa9d2"),
    ("o2", "#0f6bb8"),
    ("o3", "#073567"),
];

/// A card with charts: what, of when, by whom.
#[must_use]
pub fn card(title: &str, note: &str, foot: &str, plots: &[Plot]) -> String {
    let mut out = begin();
    let (first, second) = broken(title);
    let two = !second.is_empty();
    let _ = write!(
        out,
        r#"<text x="{MARGIN}" y="{}" font-size="36" font-weight="600" fill="var(--ink)">{}</text>"#,
        if two { 56 } else { 72 },
        escape(&first)
    );
    if two {
        let _ = write!(
            out,
            r#"<text x="{MARGIN}" y="96" font-size="36" font-weight="600" fill="var(--ink)">{}</text>"#,
            escape(&second)
        );
    }
    let _ = write!(
        out,
        r#"<text x="{MARGIN}" y="{}" font-size="22" fill="var(--ink-2)">{}</text>"#,
        if two { 130 } else { 112 },
        escape(note)
    );
    let shown = &plots[..plots.len().min(CHARTS)];
    let columns = if shown.len() > 1 { 2 } else { 1 };
    let rows = if shown.len() > 2 { 2 } else { 1 };
    let width = (WIDTH - 2 * MARGIN - GAP * (columns - 1)) / columns;
    let height = (FOOT - 40 - TOP - GAP / 2 * (rows - 1)) / rows;
    // Drawn small and enlarged: what is read on a page in 13 pixels is read here at a third of the size.
    let zoom = if columns == 1 { 1.9 } else { 1.5 };
    let scaled = |pixels: u32| (f64::from(pixels) / zoom) as u32;
    let keys = if columns == 1 { 5 } else { 2 };
    let area = Area { width: scaled(width), plot: scaled(height).saturating_sub(Area::AROUND).max(40), keys, times: 4 };
    for (place, plot) in (0..).zip(shown) {
        let (x, y) = (MARGIN + (width + GAP) * (place % columns), TOP + (height + GAP / 2) * (place / columns));
        let _ = write!(out, r#"<g transform="translate({x} {y}) scale({zoom})" font-size="13">"#);
        chart(&mut out, plot, area);
        out.push_str("</g>");
    }
    end(out, foot)
}

/// The card of every link that needs a sign-in: it tells nothing.
#[must_use]
pub fn neutral() -> String {
    let mut out = begin();
    let _ = write!(
        out,
        r#"<g transform="translate({MARGIN} 190) scale(6)">{MARK}</g><text x="200" y="270" font-size="72" font-weight="600" fill="var(--ink)">Headroom</text><text x="{MARGIN}" y="380" font-size="34" fill="var(--ink-2)">Sign in to see what this link shows.</text>"#
    );
    end(out, "Operations console for PostgreSQL and Redis")
}

/// The product mark on its grid of 20.
const MARK: &str = r##"<path d="M2 2.75h16" fill="none" stroke="#1f6fc4" stroke-width="2.5"/><path d="M4 7v11M16 7v11M4 13h12" fill="none" stroke="#888888" stroke-width="2.5"/>"##;

fn begin() -> String {
    let mut out = String::with_capacity(128 * 1024);
    let _ = write!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"><rect width="100%" height="100%" fill="var(--panel)"/>"#
    );
    out
}

fn end(mut out: String, foot: &str) -> String {
    let _ = write!(
        out,
        r#"<g transform="translate({MARGIN} {}) scale(1.4)">{MARK}</g><text x="{}" y="{FOOT}" font-size="20" fill="var(--ink-2)">{}</text></svg>"#,
        FOOT - 22,
        MARGIN + 40,
        escape(foot)
    );
    COLORS.iter().fold(out, |svg, (name, color)| svg.replace(&format!("var(--{name})"), color))
}

/// A title in two lines, the second one cut where even that is not enough.
fn broken(title: &str) -> (String, String) {
    if title.chars().count() <= TITLE_LINE {
        return (title.to_owned(), String::new());
    }
    let (mut first, mut second) = (String::new(), String::new());
    for word in title.split_whitespace() {
        let fits = second.is_empty() && first.chars().count() + 1 + word.chars().count() <= TITLE_LINE;
        let line = if fits || first.is_empty() { &mut first } else { &mut second };
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if second.chars().count() > TITLE_LINE {
        second = second.chars().take(TITLE_LINE - 1).chain(['…']).collect();
    }
    (first, second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_takes_two_lines_at_most() {
        assert_eq!(broken("Short"), ("Short".to_owned(), String::new()));
        let long = "Query latency p95, Throughput and Connections in use of orders, 19 Nov 2026 08:32 – 14:32 UTC";
        let (first, second) = broken(long);
        assert_eq!(format!("{first} {second}"), long);
        assert!(first.chars().count() <= TITLE_LINE && second.chars().count() <= TITLE_LINE);
        let (_, cut) = broken(&"word ".repeat(60));
        assert!(cut.ends_with('…') && cut.chars().count() == TITLE_LINE);
    }

    #[test]
    fn every_colour_is_written_out() {
        for svg in [card("A <title>", "note", "foot", &[]), neutral()] {
            assert!(!svg.contains("var("), "{svg}");
        }
        assert!(card("A <title>", "note", "foot", &[]).contains("A &lt;title&gt;"));
    }
}
