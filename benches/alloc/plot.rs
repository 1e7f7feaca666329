//! The first table, drawn.

use crate::{LENGTHS, Speeds};
use std::fmt::Write;
use std::fs;

/// What is drawn: the variant's number, its name and its colour.
const LINES: [(usize, &str, &str); 5] = [
    (6, "portable-bstr", "#c2410c"),
    (4, "mimalloc", "#2563eb"),
    (5, "jemalloc", "#16a34a"),
    (0, "malloc", "#52525b"),
    (1, "Box&lt;[u16]&gt;", "#a1a1aa"),
];

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const TOP: f64 = 3.0;

/// Draws how fast strings are allocated and freed in turn, by length.
pub(crate) fn draw(speeds: &Speeds) {
    let x = |length: usize| 50.0 + 470.0 * length as f64 / (LENGTHS.len() - 1) as f64;
    let y = |speed: f64| 280.0 - 250.0 * speed / TOP;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"50\" y=\"18\">strings allocated and freed in turn, times as fast as malloc, \
         memcpy and free</text>\n"
    );
    for speed in [0.0, 1.0, 2.0, 3.0] {
        let y = y(speed);
        let _ = writeln!(
            svg,
            "<path d=\"M50 {y}H520\" stroke=\"#e4e4e7\"/><text x=\"30\" y=\"{}\">{speed}</text>",
            y + 4.0
        );
    }
    for (length, units) in LENGTHS.iter().enumerate() {
        let label = match units {
            1_048_576 => "1M".to_owned(),
            16_384 => "16K".to_owned(),
            units => units.to_string(),
        };
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"298\" text-anchor=\"middle\">{label}</text>",
            x(length)
        );
    }
    let _ = writeln!(svg, "<text x=\"240\" y=\"315\">UTF-16 code units</text>");
    for (row, (variant, name, colour)) in LINES.iter().enumerate() {
        let points = (0..LENGTHS.len()).filter_map(|length| {
            // What has nothing to allocate is off the scale.
            let speed = speeds
                .get(&(0, length, *variant))
                .filter(|speed| **speed <= TOP)?;
            Some(format!("{:.0},{:.0}", x(length), y(*speed)))
        });
        let points: Vec<_> = points.collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"530\" y=\"{}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            50 + 18 * row
        );
    }
    svg.push_str("</svg>\n");
    fs::write(
        concat!(env!("CARGO_MANIFEST_DIR"), "/benches/alloc.svg"),
        svg,
    )
    .expect("the folder is there");
}
