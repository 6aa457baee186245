//! A cached value for people to read: JSON with line breaks and colours, everything else as it is.

use std::fmt::Write;

/// Escapes a character for HTML content.
fn push(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        c => out.push(c),
    }
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    (0..depth.min(20)).for_each(|_| out.push_str("  "));
}

/// Lays JSON out as HTML: numbers and order stay as they were written, and a text that ends in the middle is laid out as far
/// as it goes.
#[must_use]
pub fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                out.push_str("<span class=\"s\">\"");
                let mut escaped = false;
                for c in chars.by_ref() {
                    push(&mut out, c);
                    if c == '"' && !escaped {
                        break;
                    }
                    escaped = c == '\\' && !escaped;
                }
                out.push_str("</span>");
            }
            '{' | '[' => {
                out.push(c);
                while chars.next_if(|c| c.is_whitespace()).is_some() {}
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        line(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_whitespace() => {}
            c if c.is_ascii_digit() || c == '-' => {
                let mut number = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-')) {
                    number.push(c);
                }
                let _ = write!(out, "<span class=\"n\">{number}</span>");
            }
            c => push(&mut out, c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn json_is_laid_out_and_escaped() {
        assert_eq!(
            pretty(r#"{"b":[1,-2.5e3],"a":"<\"x\">","c":{},"d":null}"#),
            "{\n  <span class=\"s\">\"b\"</span>: [\n    <span class=\"n\">1</span>,\n    <span class=\"n\">-2.5e3</span>\n  ],\n  \
             <span class=\"s\">\"a\"</span>: <span class=\"s\">\"&lt;\\\"x\\\"&gt;\"</span>,\n  <span class=\"s\">\"c\"</span>: {},\n  \
             <span class=\"s\">\"d\"</span>: null\n}"
        );
        assert!(pretty(r#"[{"cut":"in the mid"#).ends_with("in the mid</span>"));
    }

    proptest! {
        #[test]
        fn no_value_becomes_markup(text in "[<>&\"{}\\[\\],:a-c0-9\\\\ -]{0,80}") {
            let plain = pretty(&text).replace("<span class=\"s\">", "").replace("<span class=\"n\">", "").replace("</span>", "");
            prop_assert!(!plain.contains('<') && !plain.contains('>'));
        }
    }
}
