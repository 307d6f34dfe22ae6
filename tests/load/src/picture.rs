//! The gaps between frames over time, as SVG.
//!
//! The text is written by hand: a drawing library would bring its own colours, and none writes the media query by
//! which a page in the dark gets others.

use std::fmt::Write as _;

use crate::judge::Judge;
use crate::timeline::BUCKET_MS;
use crate::window::in_ticks;

/// A run longer than this has a point a second, a shorter one a point a bucket.
const DETAILED_MS_MAX: u64 = 60_000;
/// Points of one panel, two hours of seconds: what comes later is not drawn.
const POINTS_MAX: u64 = 7_200;
/// Pixels.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 944.0;
const HEAD: f64 = 34.0;
const PLOT: f64 = 220.0;
const AXIS: f64 = 40.0;
const LINE: f64 = 15.0;
const LEGEND: f64 = 30.0;
/// The lines of a panel: class, what they are, and where a point has them.
const LINES: [(&str, &str); 4] = [
    ("longest", "longest"),
    ("p999", "999 of 1000 are not longer"),
    ("p99", "99 of 100"),
    ("p50", "median"),
];
const STYLE: &str = "\
svg { font: 12px system-ui, sans-serif; --ink: #1f2328; --faint: #d1d9e0; --paper: #ffffff; --band: #0969da;
  --p50: #1a7f37; --p99: #0969da; --p999: #bc4c00; --longest: #8250df; }
@media (prefers-color-scheme: dark) { svg { --ink: #e6edf3; --faint: #3d444d; --paper: #0d1117; --band: #58a6ff;
  --p50: #3fb950; --p99: #58a6ff; --p999: #f0883e; --longest: #bc8cff; } }
.paper { fill: var(--paper); } text { fill: var(--ink); } .title { font-weight: 600; font-size: 14px; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: var(--faint); } .mark { stroke: var(--ink); stroke-dasharray: 3 3; }
.band { fill: var(--band); fill-opacity: 0.09; stroke: var(--band); stroke-opacity: 0.4; }
.p50, .p99, .p999, .longest { fill: none; stroke-width: 1.5; }
.p50 { stroke: var(--p50); } .p99 { stroke: var(--p99); } .p999 { stroke: var(--p999); }
.longest { stroke: var(--longest); }
";

/// One run of a picture.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    title: String,
    end_ms: u64,
    points: Vec<Point>,
    /// Name, beginning and end.
    windows: Vec<(String, u64, u64)>,
    marks: Vec<(String, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at_ms: u64,
    /// In the order of [`LINES`], in ticks; `None` where no frame came.
    ticks: Option<[f64; 4]>,
}

impl Panel {
    /// Takes a run that ended at `end_ms`.
    pub(crate) fn new(title: &str, judge: &Judge, end_ms: u64) -> Self {
        let step_ms = if end_ms > DETAILED_MS_MAX { 4 * BUCKET_MS } else { BUCKET_MS };
        let ticks = |ms: u64| in_ticks(ms, judge.ticks_per_s());
        let point = |at_ms: u64| {
            let sum = judge.timeline.sum(at_ms, at_ms + step_ms);
            let [p50, p99, p999] = [500, 990, 999].map(|it| ticks(sum.gaps.at(it)));
            let longest = ticks(sum.longest_gap_ms());
            let ticks = (sum.gaps.count() > 0).then_some([longest, p999, p99, p50]);
            Point { at_ms, ticks }
        };
        let steps = (end_ms / step_ms).min(POINTS_MAX);
        let window = |it: &crate::Window| (it.name.clone(), it.from_ms, it.to_ms.unwrap_or(end_ms));
        Self {
            title: title.to_owned(),
            end_ms: end_ms.max(1),
            points: (0..steps).map(|it| point(it * step_ms)).collect(),
            windows: judge.windows().iter().map(window).collect(),
            marks: judge.marks().iter().map(|it| (it.text.clone(), it.at_ms)).collect(),
        }
    }

    fn height(&self) -> f64 {
        HEAD + PLOT + AXIS + LINE * self.marks.len() as f64
    }
}

/// Draws runs below each other, all to the same scale of ticks.
pub(crate) fn draw(panels: &[Panel]) -> String {
    let most = panels.iter().flat_map(|it| &it.points).filter_map(|it| it.ticks);
    let most = most.map(|it| it[0]).fold(9.0, f64::max);
    let height = panels.iter().map(Panel::height).sum::<f64>() + LEGEND;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Time between two frames of a player, over time\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    let mut top = 0.0;
    for panel in panels {
        let scale = Scale { top: top + HEAD, most, end_ms: panel.end_ms as f64 };
        draw_panel(panel, &scale, &mut svg);
        top += panel.height();
    }
    draw_legend(top + LEGEND / 2.0, &mut svg);
    svg + "</svg>\n"
}

/// Where times and ticks are; ticks have a logarithmic scale from one on.
struct Scale {
    top: f64,
    most: f64,
    end_ms: f64,
}

impl Scale {
    fn x(&self, at_ms: u64) -> f64 {
        LEFT + (RIGHT - LEFT) * (at_ms as f64 / self.end_ms).min(1.0)
    }

    fn y(&self, ticks: f64) -> f64 {
        let share = ticks.max(1.0).ln() / (self.most * 1.2).ln();
        self.top + PLOT * (1.0 - share)
    }

    fn bottom(&self) -> f64 {
        self.top + PLOT
    }
}

fn draw_panel(panel: &Panel, scale: &Scale, svg: &mut String) {
    let title = escaped(&panel.title);
    put(
        svg,
        format_args!(
            "<text class=\"title\" x=\"{LEFT}\" y=\"{:.1}\">{title}</text>",
            scale.top - 18.0
        ),
    );
    draw_axes(scale, svg);
    for (name, from_ms, to_ms) in &panel.windows {
        let (x, name) = (scale.x(*from_ms), escaped(name));
        let (width, top) = (scale.x(*to_ms) - x, scale.top);
        put(
            svg,
            format_args!(
                "<rect class=\"band\" x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{PLOT}\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
                x + 4.0,
                top + 12.0
            ),
        );
    }
    for (number, (text, at_ms)) in panel.marks.iter().enumerate() {
        let (x, number, text) = (scale.x(*at_ms), number + 1, escaped(text));
        let below = scale.bottom() + AXIS + LINE * number as f64 - 6.0;
        put(
            svg,
            format_args!(
                "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\n\
                 <text class=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{number}</text>\n\
                 <text x=\"{LEFT}\" y=\"{below:.1}\">{number}: {:.1} s, {text}</text>",
                scale.top,
                scale.bottom(),
                scale.top - 3.0,
                *at_ms as f64 / 1_000.0
            ),
        );
    }
    for (index, (class, _)) in LINES.iter().enumerate() {
        let path = path(&panel.points, scale, index);
        put(svg, format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
    }
}

fn draw_axes(scale: &Scale, svg: &mut String) {
    let steps =
        [1.0, 2.0, 5.0].iter().flat_map(|it| (0..6).map(move |power| it * 10_f64.powi(power)));
    for ticks in steps.filter(|it| *it <= scale.most * 1.2) {
        let y = scale.y(ticks);
        put(
            svg,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n\
                 <text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{ticks}</text>",
                LEFT - 6.0,
                y + 4.0
            ),
        );
    }
    let middle = scale.top + PLOT / 2.0;
    put(
        svg,
        format_args!(
            "<text class=\"middle\" transform=\"translate(14 {middle:.1}) rotate(-90)\">ticks between two \
             frames</text>"
        ),
    );
    let seconds = scale.end_ms / 1_000.0;
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0];
    let step = step.into_iter().find(|it| seconds / it <= 16.0).unwrap_or(1_800.0);
    for index in 0..=(seconds / step) as u32 {
        let at_s = f64::from(index) * step;
        let (x, y) = (scale.x((at_s * 1_000.0) as u64), scale.bottom());
        put(
            svg,
            format_args!(
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y:.1}\" y2=\"{:.1}\"/>\n\
                 <text class=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{at_s} s</text>",
                y + 4.0,
                y + 17.0
            ),
        );
    }
}

fn draw_legend(y: f64, svg: &mut String) {
    for (index, (class, text)) in LINES.iter().enumerate() {
        let x = LEFT + 220.0 * index as f64;
        put(
            svg,
            format_args!(
                "<path class=\"{class}\" d=\"M{x:.1} {y:.1}h24\"/>\n<text x=\"{:.1}\" y=\"{:.1}\">{text}</text>",
                x + 30.0,
                y + 4.0
            ),
        );
    }
}

/// A line through all points; it breaks where no frame came.
fn path(points: &[Point], scale: &Scale, line: usize) -> String {
    let mut path = String::new();
    let mut is_broken = true;
    for point in points {
        let Some(ticks) = point.ticks else {
            is_broken = true;
            continue;
        };
        let command = if std::mem::take(&mut is_broken) { 'M' } else { 'L' };
        let _ = write!(path, "{command}{:.1} {:.1}", scale.x(point.at_ms), scale.y(ticks[line]));
    }
    path
}

fn put(svg: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(svg, "{text}"); // a string takes everything
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Between;
    use crate::window::{Mark, Window};

    fn judge() -> Judge {
        let mut judge = Judge::default();
        for at_ms in (0..8_000).step_by(33).filter(|it| !(4_000..5_000).contains(it)) {
            judge.timeline.gap(if at_ms < 4_000 { 33 } else { 50 }, Between::Nothing, at_ms);
        }
        judge.timeline.gap(1_000, Between::Nothing, 5_000);
        judge.add_window(Window::begun("deploy <r2>", 3_000));
        judge.add_mark(Mark { at_ms: 4_000, text: "stopped & started".to_owned() });
        judge
    }

    #[test]
    fn a_stretch_without_frames_breaks_the_lines() {
        let panel = Panel::new("bots", &judge(), 8_000);
        assert_eq!(panel.points.len(), 32);
        let silent: Vec<u64> =
            panel.points.iter().filter(|it| it.ticks.is_none()).map(|it| it.at_ms).collect();
        assert_eq!(silent, [4_000, 4_250, 4_500, 4_750]);
        let scale = Scale { top: 0.0, most: 60.0, end_ms: 8_000.0 };
        assert_eq!(path(&panel.points, &scale, 0).matches('M').count(), 2);
    }

    #[test]
    fn a_picture_names_its_runs_windows_marks_and_lines() {
        let panels = ["blue-green", "stop & start"].map(|it| Panel::new(it, &judge(), 8_000));
        let svg = draw(&panels);
        for text in [
            ">blue-green<",
            ">stop &amp; start<",
            ">deploy &lt;r2&gt;<",
            "1: 4.0 s, stopped &amp; started",
            "prefers-color-scheme: dark",
            ">median<",
            ">8 s<",
            ">50<",
            "ticks between two frames",
        ] {
            assert!(svg.contains(text), "{text} in\n{svg}");
        }
        assert_eq!((svg.matches("<path").count(), svg.contains("NaN")), (2 * 4 + 4, false));
    }

    #[test]
    fn a_run_without_frames_is_a_picture_too() {
        let svg = draw(&[Panel::new("nobody", &Judge::default(), 0)]);
        assert!(svg.starts_with("<svg ") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
