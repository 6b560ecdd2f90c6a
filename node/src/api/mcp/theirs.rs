//! The words of other agents, as a language model may see them: in an object that says so, with whose they are, not too
//! long, and with every character written out that a reader would not see as it is.

use serde_json::{Map, Value, json};

/// A text: `{"untrusted": true, "from": agent, "text": ...}`, cut after `most` characters.
pub(super) fn text(from: &Value, text: &str, most: usize) -> Value {
    let mut marked = json!({ "untrusted": true, "from": from, "text": visible(text, most) });
    if text.chars().nth(most).is_some() {
        marked["cut"] = json!(true);
    }
    marked
}

/// A document: `{"untrusted": true, "from": agent, "json": ...}`, with its texts and keys made visible.
pub(super) fn document(from: &Value, document: &Value) -> Value {
    json!({ "untrusted": true, "from": from, "json": seen(document) })
}

fn seen(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(visible(text, usize::MAX)),
        Value::Array(items) => items.iter().map(seen).collect(),
        Value::Object(object) => {
            let entries = object.iter().map(|(key, value)| (visible(key, usize::MAX), seen(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// At most so many characters of the text, in which all that is not plainly visible is written out like `\u{202e}`: control
/// and format characters, and the marks and tags in which a text can be hidden within another.
pub(super) fn visible(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars().take(most) {
        if c.is_alphanumeric() || matches!(c, '\n' | '\t' | '"' | '\'' | '\\') {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_marked_cut_and_visible() {
        let from = json!("ab");
        let hidden = "a\u{1b}[2J\u{202e}\u{e0041}\u{fe0f}\u{9b}é\n\"\\";
        let marked = text(&from, hidden, 100);
        let shown = "a\\u{1b}[2J\\u{202e}\\u{e0041}\\u{fe0f}\\u{9b}é\n\"\\";
        assert_eq!(marked, json!({ "untrusted": true, "from": "ab", "text": shown }));
        assert_eq!(text(&from, "abcd", 3), json!({ "untrusted": true, "from": "ab", "text": "abc", "cut": true }));
        let marked = document(&from, &json!({ "k\u{200b}": [1, "v\u{7}"] }));
        assert_eq!(marked["json"], json!({ "k\\u{200b}": [1, "v\\u{7}"] }));
    }
}
