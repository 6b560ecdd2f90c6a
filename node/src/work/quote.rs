//! An agent's output in an error message. In: any bytes. Out: one bounded line of printable text.

/// At most `limit` characters from the beginning of `bytes`.
pub(super) fn head(bytes: &[u8], limit: usize) -> String {
    // A character has at most four bytes; the rest need not be decoded.
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(limit.saturating_mul(4))]);
    text.trim().chars().take(limit).map(printable).collect()
}

/// At most `limit` characters from the end of `bytes`, where programs say what went wrong.
pub(crate) fn tail(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(limit.saturating_mul(4))..]);
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(limit);
    text.chars().skip(skipped).map(printable).collect()
}

/// The character, or its escape if a terminal would act on it or a reader would not see it: controls, line separators,
/// zero-width and direction marks.
fn printable(c: char) -> String {
    let unseen = matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    if c.is_control() || unseen { c.escape_default().to_string() } else { c.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_length_is_bounded() {
        assert_eq!(head(b" ok\x1b[31m\xff\n", 200), "ok\\u{1b}[31m\u{fffd}");
        assert_eq!(head("a\u{202e}b".as_bytes(), 200), "a\\u{202e}b");
        assert_eq!(head("äöü".as_bytes(), 2), "äö");
        assert_eq!(tail("line one\nline two\n".as_bytes(), 200), "line one\\nline two");
        assert_eq!(tail(&b"x".repeat(100_000), 3), "xxx");
    }
}
