//! Markdown as the skills need it: a flat list of headings, paragraphs and list items, as plain text.
//!
//! In: any text. Out: its blocks in the order they begin, with markup gone, links reduced to what they show and
//! continuation lines joined. Code blocks, tables and front matter are not blocks: they are not prose.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

pub(super) enum Block {
    Heading {
        level: u8,
        text: String,
        line: usize,
    },
    Paragraph(String),
    /// Nested items are items of their own, after their parent.
    Item(String),
}

pub(super) fn blocks(source: &str) -> Vec<Block> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut blocks = Vec::new();
    // The heading or paragraph being read, and the items we are inside of, as places in `blocks`.
    let mut flow: Option<String> = None;
    let mut items: Vec<usize> = Vec::new();
    let (mut line, mut counted) = (1, 0);

    for (event, range) in Parser::new_ext(source, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => {
                // Counted from the last heading on, so that the whole costs one pass.
                line += source.get(counted..range.start).map_or(0, |passed| passed.matches('\n').count());
                counted = range.start;
                flow = Some(String::new());
            }
            Event::Start(Tag::Paragraph) if items.is_empty() => flow = Some(String::new()),
            Event::Start(Tag::Item) => {
                items.push(blocks.len());
                blocks.push(Block::Item(String::new()));
            }
            Event::End(TagEnd::Heading(level)) => {
                let text = tidy(&flow.take().unwrap_or_default());
                blocks.push(Block::Heading { level: level as u8, text, line });
            }
            Event::End(TagEnd::Paragraph) if items.is_empty() => {
                blocks.push(Block::Paragraph(tidy(&flow.take().unwrap_or_default())));
            }
            Event::End(TagEnd::Item) => {
                if let Some(Block::Item(text)) = items.pop().and_then(|at| blocks.get_mut(at)) {
                    *text = tidy(text);
                }
            }
            event => {
                let open = match (&mut flow, items.last().and_then(|&at| blocks.get_mut(at))) {
                    (Some(text), _) => text,
                    (None, Some(Block::Item(text))) => text,
                    _ => continue,
                };
                match event {
                    Event::Text(piece) | Event::Code(piece) => open.push_str(&piece),
                    // A second paragraph of an item goes on where the first ended.
                    Event::SoftBreak | Event::HardBreak | Event::Start(Tag::Paragraph) => open.push(' '),
                    _ => {}
                }
            }
        }
    }
    blocks
}

/// Runs of white space become one space.
fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
