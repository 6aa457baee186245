//! What the doctor found, as text and as JSON.

use serde::Serialize;
use std::fmt;

/// How a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but something is missing that would help.
    Advice,
    /// Does not work.
    Wrong,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// How it weighs.
    pub verdict: Verdict,
    /// What was found.
    pub detail: String,
    /// The exact statement or setting that helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// As it should be.
    pub fn good(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Finding { name: name.into(), verdict: Verdict::Good, detail: detail.into(), remedy: None }
    }

    /// Works, but could be better.
    pub fn advice(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Finding { verdict: Verdict::Advice, ..Finding::good(name, detail) }
    }

    /// Does not work.
    pub fn wrong(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Finding { verdict: Verdict::Wrong, ..Finding::good(name, detail) }
    }

    /// With what helps.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// Findings about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// The console, or a target.
    pub title: String,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Section {
    /// A section.
    #[must_use]
    pub fn new(title: &str, findings: Vec<Finding>) -> Self {
        Section { title: title.to_owned(), findings }
    }
}

/// The whole report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing is wrong.
    pub passed: bool,
    /// What was found.
    pub sections: Vec<Section>,
}

impl Report {
    /// A report over sections.
    #[must_use]
    pub fn new(sections: Vec<Section>) -> Self {
        let passed = sections.iter().flat_map(|section| &section.findings).all(|f| f.verdict != Verdict::Wrong);
        Report { passed, sections }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.sections.iter().flat_map(|section| &section.findings).filter(|f| f.verdict == verdict).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.sections.iter().flat_map(|section| &section.findings).map(|f| f.name.chars().count());
        let width = names.max().unwrap_or(0);
        for section in &self.sections {
            writeln!(f, "{}", section.title)?;
            for Finding { name, verdict, detail, remedy } in &section.findings {
                let mark = match verdict {
                    Verdict::Good => "✓ ok     ",
                    Verdict::Advice => "! advice ",
                    Verdict::Wrong => "✗ wrong  ",
                };
                let pad = " ".repeat(width - name.chars().count());
                writeln!(f, "  {mark} {name}{pad}  {detail}")?;
                for line in remedy.iter().flat_map(|remedy| remedy.lines()) {
                    writeln!(f, "            {}  → {line}", " ".repeat(width))?;
                }
            }
            writeln!(f)?;
        }
        match (self.count(Verdict::Wrong), self.count(Verdict::Advice)) {
            (0, 0) => writeln!(f, "Everything is as it should be."),
            (0, advice) => writeln!(f, "The console can start. Advice: {advice}."),
            (wrong, advice) => writeln!(f, "Wrong: {wrong}. Advice: {advice}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_remedies_follow() {
        let report = Report::new(vec![Section::new(
            "Target orders",
            vec![
                Finding::good("PostgreSQL", "15.18"),
                Finding::advice("pg_monitor", "not granted").remedy("GRANT pg_monitor TO \"headroom\";"),
            ],
        )]);
        assert!(report.passed);
        let text = report.to_string();
        assert!(text.contains("  ✓ ok      PostgreSQL  15.18\n"), "{text}");
        assert!(text.contains("→ GRANT pg_monitor TO \"headroom\";\n"), "{text}");
        assert!(text.ends_with("The console can start. Advice: 1.\n"), "{text}");
    }

    #[test]
    fn one_wrong_finding_fails_the_report() {
        let report = Report::new(vec![Section::new("Console", vec![Finding::wrong("port", "taken")])]);
        assert!(!report.passed);
        assert!(report.to_string().ends_with("Wrong: 1. Advice: 0.\n"));
    }
}
