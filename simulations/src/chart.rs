//! Curves as a picture: an SVG of all of a report's tables that are curves, one below the other, for a browser or a paper.
//!
//! Written by hand: lines, ticks and a legend are a page of code. `plotters` can draw SVG alone, without
//! a rasteriser or fonts, but then estimates how wide a text is; the two panels would be composed by hand too.
//! Scores and ranks are different measures, so rows marked with a star are drawn beside the others, not among them.

use std::fmt::Write as _;

use crate::report::{Cell, Curve, Report, Table};

/// Of a whole picture, in pixels.
const WIDTH: f64 = 1_000.0;
/// Of one row of panels.
const HEIGHT: f64 = 340.0;
/// Around the panels: left for ticks, top for titles, right for the legend, bottom for ticks.
const LEFT: f64 = 62.0;
const TOP: f64 = 46.0;
const RIGHT: f64 = 170.0;
const BOTTOM: f64 = 52.0;
/// Between two panels.
const GAP: f64 = 58.0;
/// Okabe and Ito's colours, which the colour-blind tell apart, and two more; the first two are ours wherever there are ours.
const COLOURS: [&str; 9] =
    ["#d55e00", "#e69f00", "#0072b2", "#56b4e9", "#009e73", "#cc79a7", "#666666", "#000000", "#8c6d31"];

/// One line: its name, whether it is of ours, and its points.
struct Line<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
    colour: &'static str,
    dashes: &'static str,
}

/// Whether the points lie on a scale of powers: hundreds of times as much at the end as at the first step.
fn is_wide(at: &[f64]) -> bool {
    let first = at.iter().copied().find(|x| *x > 0.0).unwrap_or(1.0);
    at.last().is_some_and(|last| last / first >= 20.0)
}

/// Where a point lies between 0 and 1. On a scale of powers nothing has its place as well: `log(1 + x / first)`.
fn place(x: f64, at: &[f64]) -> f64 {
    let first = at.iter().copied().find(|x| *x > 0.0).unwrap_or(1.0);
    let scale = |x: f64| if is_wide(at) { (1.0 + x / first).ln() } else { x };
    let (low, high) = (scale(at.first().copied().unwrap_or(0.0)), scale(at.last().copied().unwrap_or(1.0)));
    if high > low { (scale(x) - low) / (high - low) } else { 0.5 }
}

/// Round steps from below the lowest to above the highest.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let span = (high - low).max(1e-9);
    let power = 10f64.powf((span / 4.0).log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| span / step <= 5.0).unwrap_or(span);
    let (first, last) = ((low / step + 1e-9).floor() as i64, (high / step - 1e-9).ceil() as i64);
    (first..=last.max(first + 1)).map(|n| n as f64 * step).collect()
}

fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn text(out: &mut String, x: f64, y: f64, style: &str, content: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, r#"<text x="{x:.1}" y="{y:.1}" {style}>{}</text>"#, escaped(content));
}

/// What stands in a row's cells as points.
fn points(row: &[Cell], curve: &Curve) -> Vec<(f64, f64)> {
    let value = |cell: &Cell| match cell {
        Cell::Number(value, _) => Some(*value),
        Cell::Count(count) => Some(*count as f64),
        Cell::Figure(figure, _) => Some(figure.value),
        Cell::None | Cell::Text(_) => None,
    };
    curve.at.iter().zip(row.iter().skip(1)).filter_map(|(x, cell)| Some((*x, value(cell)?))).collect()
}

/// The lines of a table: scores, and ranks.
fn lines<'a>(table: &'a Table, curve: &Curve) -> (Vec<Line<'a>>, Vec<Line<'a>>) {
    let mut colours = (COLOURS[..2].iter().cycle(), COLOURS[2..].iter().cycle());
    let named = table.rows.iter().filter_map(|row| match row.first() {
        Some(Cell::Text(name)) => Some((name.as_str(), points(row, curve))),
        _ => None,
    });
    let all = named.filter(|(_, points)| !points.is_empty()).map(|(name, points)| {
        let ours = name.starts_with("ours");
        let colour = if ours { colours.0.next() } else { colours.1.next() }.copied().unwrap_or("#000000");
        Line { name, points, colour, dashes: if ours { "" } else { r#" stroke-dasharray="6 3""# } }
    });
    all.partition(|line| !line.name.ends_with('*'))
}

struct Panel<'a> {
    left: f64,
    top: f64,
    width: f64,
    curve: &'a Curve,
    label: &'a str,
    range: Option<(f64, f64)>,
}

impl Panel<'_> {
    fn draw(&self, out: &mut String, lines: &[Line<'_>]) {
        let values = || lines.iter().flat_map(|line| line.points.iter().map(|(_, y)| *y));
        let (low, high) =
            self.range.unwrap_or_else(|| (values().fold(0.0, f64::min), values().fold(f64::MIN_POSITIVE, f64::max)));
        let ticks = ticks(low, high);
        let (low, high) = (ticks.first().copied().unwrap_or(0.0), ticks.last().copied().unwrap_or(1.0));
        let bottom = self.top + HEIGHT - TOP - BOTTOM;
        let x = |value: f64| self.left + place(value, &self.curve.at) * self.width;
        let y = |value: f64| bottom - (value.clamp(low, high) - low) / (high - low) * (bottom - self.top);
        for tick in &ticks {
            let (at, end, strong) = (y(*tick), self.left + self.width, if *tick == 0.0 { "#999" } else { "#ddd" });
            let _ = writeln!(out, r#"<path d="M{:.1} {at:.1}H{end:.1}" stroke="{strong}" fill="none"/>"#, self.left);
            text(out, self.left - 6.0, at + 4.0, r#"text-anchor="end" font-size="11""#, &number(*tick));
        }
        let mut last = f64::MIN;
        for value in &self.curve.at {
            let at = x(*value);
            let _ = writeln!(out, r##"<path d="M{at:.1} {bottom:.1}v4" stroke="#999" fill="none"/>"##);
            // A label that would run into the one before is left out; its tick stays.
            if at - last > 7.0 * number(*value).len() as f64 + 4.0 {
                text(out, at, bottom + 17.0, r#"text-anchor="middle" font-size="11""#, &number(*value));
                last = at;
            }
        }
        text(out, self.left, self.top - 9.0, r##"font-size="11" fill="#555""##, self.label);
        let middle = self.left + self.width / 2.0;
        text(out, middle, bottom + 35.0, r#"text-anchor="middle" font-size="12""#, self.curve.x);
        for (n, line) in lines.iter().enumerate() {
            let place: Vec<String> =
                line.points.iter().map(|(at, value)| format!("{:.1} {:.1}", x(*at), y(*value))).collect();
            let _ = writeln!(
                out,
                r#"<path d="M{}" stroke="{}" stroke-width="2" fill="none"{}/>"#,
                place.join("L"),
                line.colour,
                line.dashes
            );
            for (at, value) in &line.points {
                marker(out, n, x(*at), y(*value), line.colour);
            }
        }
    }
}

/// A shape for each line, so that lines that lie on each other, or print in grey, are told apart.
fn marker(out: &mut String, n: usize, x: f64, y: f64, colour: &str) {
    let _ = match n % 4 {
        0 => writeln!(out, r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}"/>"#),
        1 => writeln!(out, r#"<path d="M{x:.1} {:.1}l5 8h-10z" fill="{colour}"/>"#, y - 5.0),
        2 => writeln!(out, r#"<path d="M{:.1} {:.1}h7v7h-7z" fill="{colour}"/>"#, x - 3.5, y - 3.5),
        _ => writeln!(out, r#"<path d="M{:.1} {y:.1}l5 -5l5 5l-5 5z" fill="{colour}"/>"#, x - 5.0),
    };
}

fn legend(out: &mut String, top: f64, lines: &[Line<'_>]) {
    for (n, line) in lines.iter().enumerate() {
        let (left, y) = (WIDTH - RIGHT + 16.0, top + 18.0 * n as f64);
        let (colour, dashes) = (line.colour, line.dashes);
        let _ = writeln!(out, r#"<path d="M{left} {y}h28" stroke="{colour}" stroke-width="2" fill="none"{dashes}/>"#);
        marker(out, n, left + 14.0, y, colour);
        text(out, left + 36.0, y + 4.0, r#"font-size="12""#, line.name);
    }
}

/// The picture; `None` if no table of the report is a curve.
pub fn svg(report: &Report) -> Option<String> {
    let curves: Vec<(&Table, &Curve)> =
        report.tables.iter().filter_map(|table| Some((table, table.curve.as_ref()?))).collect();
    let mut out = String::new();
    let height = HEIGHT * curves.len() as f64;
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="sans-serif">"#
    );
    let _ = writeln!(out, r##"<rect width="100%" height="100%" fill="#fff"/>"##);
    for (n, (table, curve)) in curves.iter().enumerate() {
        let top = HEIGHT * n as f64;
        text(&mut out, LEFT, top + 20.0, r#"font-size="15" font-weight="bold""#, &table.title);
        let (scores, ranks) = lines(table, curve);
        let whole = WIDTH - LEFT - RIGHT;
        let width = if scores.is_empty() || ranks.is_empty() { whole } else { (whole - GAP) / 2.0 };
        let panel = |left, label, range| Panel { left, top: top + TOP, width, curve, label, range };
        if !scores.is_empty() {
            panel(LEFT, curve.y, curve.range).draw(&mut out, &scores);
        }
        if !ranks.is_empty() {
            let left = if scores.is_empty() { LEFT } else { LEFT + width + GAP };
            panel(left, "share of honest nodes ranked below", Some((0.0, 1.0))).draw(&mut out, &ranks);
        }
        legend(&mut out, top + TOP + 6.0, &scores);
        legend(&mut out, top + TOP + 20.0 + 18.0 * scores.len() as f64, &ranks);
    }
    out.push_str("</svg>\n");
    (!curves.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_ticks_by_hand() {
        let at = [0.0, 1.0, 10.0, 100.0];
        assert!(is_wide(&at) && !is_wide(&[1.0, 5.0, 10.0]));
        assert_eq!((place(0.0, &at), place(100.0, &at)), (0.0, 1.0));
        assert!((place(1.0, &at) - 2f64.ln() / 101f64.ln()).abs() < 1e-12);
        assert_eq!(place(5.0, &[0.0, 10.0]), 0.5);
        assert_eq!(ticks(-1.0, 1.0), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(ticks(0.0, 17.3), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert!(ticks(0.0, 0.0).len() > 1, "a flat curve has an axis");
        assert_eq!([number(-0.5), number(0.0), number(1_000.0)], ["-0.5", "0", "1000"]);
    }

    #[test]
    fn each_row_is_a_line_and_ranks_have_a_panel_of_their_own() {
        let mut table = Table::new("Praise & blame", &["model", "0", "10", "moved"]);
        for name in ["ours-low", "raw-mean", "pagerank *"] {
            table.row([Cell::text(name), Cell::Number(0.1, 3), Cell::Number(0.9, 3), Cell::text("-")]);
        }
        table.curve("identities", "score, -1 to 1", &[0.0, 10.0], Some((-1.0, 1.0)));
        let plain = Table::new("No curve", &["a"]);
        let picture = svg(&Report { settings: Vec::new(), tables: vec![table, plain.clone()] }).unwrap();
        assert_eq!(picture.matches("stroke-width=\"2\"").count(), 6, "a line each, here and in the legend");
        assert!(picture.contains("Praise &amp; blame") && !picture.contains("No curve"));
        assert!(picture.contains("score, -1 to 1") && picture.contains("share of honest nodes ranked below"));
        assert_eq!(svg(&Report { settings: Vec::new(), tables: vec![plain] }), None);
    }
}
