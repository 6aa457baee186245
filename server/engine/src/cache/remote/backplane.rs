//! How instances tell each other of changes: a Redis channel that carries no values.
//!
//! Redis forgets a message once it is sent, so every instance numbers its own. Who misses a number, or was away, asks for
//! all versions that it uses and verifies each entry once against Redis before it answers with it again. A sign of life
//! every two seconds makes a lost last message show, and a silent connection.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

/// A message that comes later than this after its successor is lost. Connections of one instance overtake each other by
/// less.
const LATE: Duration = Duration::from_secs(1);
/// Senders that are followed; further ones count as a gap each time they are heard.
const SENDERS_MAX: usize = 1_000;
/// A sender that was silent for this long is forgotten.
const FORGET: Duration = Duration::from_secs(600);
/// So many numbers missing at once are a gap without waiting.
const MISSING_MAX: usize = 1_000;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Message<'a> {
    /// A key has another value now, or none: drop it.
    Key { class: &'a str, key: &'a str },
    /// A counter stands at a version. None while packing: the script appends it.
    Version { name: &'a str, version: Option<u64> },
    /// Whoever waits for this key may look again.
    Filled { class: &'a str, key: &'a str },
    /// Still there.
    Beat,
}

impl<'a> Message<'a> {
    /// `sender sequence kind …`, separated by line feeds. A key comes last, so it may hold anything.
    pub fn pack(&self, sender: u64, sequence: u64) -> String {
        let body = match self {
            Message::Key { class, key } => format!("K\n{class}\n{key}"),
            Message::Version { name, version: None } => format!("V\n{name}\n"),
            Message::Version { name, version: Some(version) } => format!("V\n{name}\n{version}"),
            Message::Filled { class, key } => format!("F\n{class}\n{key}"),
            Message::Beat => "B".into(),
        };
        format!("{sender}\n{sequence}\n{body}")
    }

    /// The sender, its number and the message.
    pub fn unpack(text: &'a str) -> Option<(u64, u64, Self)> {
        let mut parts = text.splitn(4, '\n');
        let (sender, sequence, kind) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let pair = |rest: Option<&'a str>| rest?.split_once('\n');
        let message = match kind {
            "K" => pair(parts.next()).map(|(class, key)| Message::Key { class, key })?,
            "F" => pair(parts.next()).map(|(class, key)| Message::Filled { class, key })?,
            "V" => {
                let (name, version) = parts.next()?.rsplit_once('\n')?;
                Message::Version { name, version: Some(version.parse().ok()?) }
            }
            "B" => Message::Beat,
            _ => return None,
        };
        Some((sender, sequence, message))
    }
}

/// Finds messages that never came.
#[derive(Debug, Default)]
pub(in super::super) struct Gaps {
    senders: HashMap<u64, Heard>,
}

#[derive(Debug)]
struct Heard {
    last: u64,
    at: Instant,
    missing: BTreeMap<u64, Instant>,
}

impl Gaps {
    /// Notes a message. True when so much is missing that it is no use waiting.
    pub fn heard(&mut self, sender: u64, sequence: u64, now: Instant) -> bool {
        if !self.senders.contains_key(&sender) && self.senders.len() >= SENDERS_MAX {
            return true;
        }
        let heard =
            self.senders.entry(sender).or_insert_with(|| Heard { last: sequence, at: now, missing: BTreeMap::new() });
        heard.at = now;
        if sequence <= heard.last {
            heard.missing.remove(&sequence);
            return false;
        }
        let skipped = heard.last.saturating_add(1)..sequence;
        heard.last = sequence;
        if skipped.end.saturating_sub(skipped.start).saturating_add(heard.missing.len() as u64) > MISSING_MAX as u64 {
            heard.missing.clear();
            return true;
        }
        heard.missing.extend(skipped.map(|number| (number, now)));
        false
    }

    /// Whether something is missing for good; that is then forgotten.
    pub fn lost(&mut self, now: Instant) -> bool {
        self.senders.retain(|_, heard| now.duration_since(heard.at) < FORGET);
        let mut lost = false;
        for heard in self.senders.values_mut() {
            heard.missing.retain(|_, since| {
                let late = now.duration_since(*since) >= LATE;
                lost |= late;
                !late
            });
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn messages_arrive_as_sent(sender: u64, sequence: u64, class in "[a-z:]{1,20}", key in "(?s).{0,40}", version: u64) {
            let key = key.as_str();
            for message in [
                Message::Key { class: &class, key },
                Message::Filled { class: &class, key },
                Message::Version { name: &class, version: Some(version) },
                Message::Beat,
            ] {
                let text = message.pack(sender, sequence);
                prop_assert_eq!(Message::unpack(&text), Some((sender, sequence, message)));
            }
        }

        #[test]
        fn garbage_is_ignored(text in "(?s).{0,60}") {
            let _ = Message::unpack(&text);
        }
    }

    #[test]
    fn gaps_show_and_overtaking_does_not() {
        let mut gaps = Gaps::default();
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        assert!(!gaps.heard(1, 500, start), "the first one heard is no gap");
        for number in [502, 501, 504, 503] {
            assert!(!gaps.heard(1, number, start));
        }
        assert!(!gaps.lost(after(5_000)));
        gaps.heard(1, 506, after(5_000));
        assert!(!gaps.lost(after(5_500)), "it may still come");
        assert!(gaps.lost(after(6_100)));
        assert!(!gaps.lost(after(6_200)), "once");
        assert!(gaps.heard(1, 10_000, after(7_000)), "that many at once");
        assert!(gaps.heard(1, u64::MAX, after(7_000)) && !gaps.heard(1, 0, after(7_000)), "whatever anybody sends");
    }
}
