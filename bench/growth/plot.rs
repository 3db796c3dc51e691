//! A small plot as SVG, both axes logarithmic: what is flat is a level line, what is
//! linear rises by a decade in a decade.

use std::fmt::Write as _;

/// Pixels of the whole, and of its margins: the names stand at the right.
const SIZE: (f64, f64) = (640.0, 360.0);
const MARGIN: (f64, f64) = (60.0, 30.0);
const NAMES: f64 = 140.0;

/// Told apart with any kind of eyes (Okabe and Ito).
const COLOURS: [&str; 8] = [
    "#000000", "#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442",
];

/// Something that was measured at several sizes, in milliseconds.
pub struct Curve {
    /// What it is.
    pub name: &'static str,
    /// Size and milliseconds.
    pub points: Vec<(f64, f64)>,
}

/// Decades from the first one to the last, at least one.
#[derive(Clone, Copy)]
struct Axis {
    first: f64,
    last: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = values.fold((f64::MAX, f64::MIN), |(least, most), value| {
            (least.min(decade(value)), most.max(decade(value)))
        });
        let (first, last) = (least.floor(), most.ceil());
        let last = last.max(first + 1.0);
        Self { first, last }
    }

    /// Where a value lies, from 0 to 1.
    fn part(self, value: f64) -> f64 {
        (decade(value) - self.first) / (self.last - self.first)
    }

    fn decades(self) -> impl Iterator<Item = f64> {
        (self.first as i32..=self.last as i32).map(|power| 10_f64.powi(power))
    }
}

fn decade(value: f64) -> f64 {
    value.max(1e-6).log10()
}

/// All curves in one plot.
pub fn svg(across: &str, curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    if points().next().is_none() {
        return String::new();
    }
    let x = Axis::over(points().map(|point| point.0));
    let y = Axis::over(points().map(|point| point.1));
    let (width, height) = SIZE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    grid(&mut svg, x, y, across);
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        draw(&mut svg, (x, y), curve, colour);
    }
    svg + "</svg>\n"
}

fn across(x: Axis, value: f64) -> f64 {
    MARGIN.0 + x.part(value) * (SIZE.0 - MARGIN.0 - NAMES)
}

fn up(y: Axis, value: f64) -> f64 {
    SIZE.1 - MARGIN.1 - y.part(value) * (SIZE.1 - 2.0 * MARGIN.1)
}

fn grid(svg: &mut String, x: Axis, y: Axis, label: &str) {
    let (left, right) = (MARGIN.0, SIZE.0 - NAMES);
    for value in y.decades() {
        let at = up(y, value);
        line(svg, (left, at), (right, at));
        text(svg, (4.0, at + 4.0), "#333333", &format!("{value} ms"));
    }
    let (top, bottom) = (MARGIN.1, SIZE.1 - MARGIN.1);
    for value in x.decades() {
        let at = across(x, value);
        line(svg, (at, top), (at, bottom));
        text(
            svg,
            (at - 14.0, bottom + 14.0),
            "#333333",
            &value.to_string(),
        );
    }
    text(svg, (left, bottom + 27.0), "#333333", label);
}

fn draw(svg: &mut String, (x, y): (Axis, Axis), curve: &Curve, colour: &str) {
    let at = |(size, ms): &(f64, f64)| (across(x, *size), up(y, *ms));
    let path: Vec<String> = curve.points.iter().map(at).map(pair).collect();
    let path = path.join(" ");
    let _ = writeln!(
        svg,
        "<polyline points=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
    );
    if let Some((right, level)) = curve.points.last().map(at) {
        text(svg, (right + 6.0, level + 4.0), colour, curve.name);
    }
}

fn pair((x, y): (f64, f64)) -> String {
    format!("{x:.1},{y:.1}")
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let path = format!("{} {}", pair(from), pair(to));
    let _ = writeln!(svg, "<polyline points=\"{path}\" stroke=\"#dddddd\"/>");
}

fn text(svg: &mut String, (x, y): (f64, f64), colour: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\">{text}</text>"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linear_rises_by_a_decade_in_a_decade_and_what_is_flat_is_level() {
        let axis = Axis::over([1.0, 100.0].into_iter());
        let step = |from, to| axis.part(to) - axis.part(from);
        assert!((step(1.0, 10.0) - 0.5).abs() < 1e-9);
        assert!((step(10.0, 100.0) - 0.5).abs() < 1e-9);
        assert!(step(7.0, 7.0).abs() < 1e-9);
    }

    #[test]
    fn every_curve_is_named_and_nothing_leaves_the_picture() {
        let points = vec![(1e4, 0.2), (1e5, 0.2), (1e6, 31.0)];
        let curves = ["one", "other"].map(|name| Curve {
            name,
            points: points.clone(),
        });
        let svg = svg("messages", &curves);
        assert!(svg.contains(">one</text>") && svg.contains(">other</text>"));
        let y = Axis::over(points.iter().map(|point| point.1));
        assert!(
            points
                .iter()
                .all(|point| (0.0..=SIZE.1).contains(&up(y, point.1)))
        );
    }

    #[test]
    fn nothing_measured_is_nothing_drawn() {
        assert_eq!(svg("messages", &[]), "");
    }
}
