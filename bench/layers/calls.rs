//! System calls under each of the kernel's layers, as `sandbox-probe price` times them.

use super::row;
use crate::failed::Failed;
use crate::server::programs;
use crate::statistics::median;
use std::path::Path;
use std::process::Command;

/// What is put on, by the probe's names.
const LAYERS: [&str; 4] = ["nothing", "Landlock", "filter", "Landlock+filter"];

/// One run under one layer: nanoseconds of each kind of call.
type Sample = Vec<(f64, String)>;

/// The table: each kind of call under each layer, medians of turns.
pub fn table(turns: u32) -> Result<String, Failed> {
    let place = std::env::temp_dir().join(format!("mailkeep-layers-{}", std::process::id()));
    std::fs::create_dir_all(&place).map_err(Failed::doing(place.display()))?;
    let samples = samples(&place, turns);
    let _ = std::fs::remove_dir_all(&place);
    Ok(render(&samples?))
}

/// In turns, so that a machine that gets busier does so for all of them.
fn samples(place: &Path, turns: u32) -> Result<[Vec<Sample>; 4], Failed> {
    let mut samples = [const { Vec::new() }; 4];
    for _ in 0..turns {
        for (layers, samples) in LAYERS.iter().zip(&mut samples) {
            samples.push(sample(place, layers)?);
        }
    }
    Ok(samples)
}

fn sample(place: &Path, layers: &str) -> Result<Sample, Failed> {
    let mut probe = Command::new(programs()?.join("sandbox-probe"));
    probe.args(["price", layers]).current_dir(place);
    let output = probe
        .output()
        .map_err(Failed::doing("starting the probe"))?;
    if !output.status.success() {
        return Err(Failed::refused(&output.stderr));
    }
    Ok(parsed(&String::from_utf8_lossy(&output.stdout)))
}

/// `NANOSECONDS WHAT`, a line for each kind.
fn parsed(said: &str) -> Sample {
    let lines = said.lines().filter_map(|line| line.split_once(' '));
    let known = lines.filter_map(|(time, what)| Some((time.parse().ok()?, what.to_owned())));
    known.collect()
}

fn render(samples: &[Vec<Sample>; 4]) -> String {
    let mut table = row(["ns of processor time".to_owned()]
        .into_iter()
        .chain(LAYERS.map(str::to_owned)));
    table.push_str("|---|---|---|---|---|\n");
    let kinds = samples[0].first().map_or(&[][..], Vec::as_slice);
    for (at, (_, what)) in kinds.iter().enumerate() {
        let medians = samples.iter().map(|of| time(of, at));
        table.push_str(&row([what.clone()].into_iter().chain(medians)));
    }
    table
}

/// The median of one kind of call.
fn time(samples: &[Sample], at: usize) -> String {
    let times: Vec<f64> = samples
        .iter()
        .filter_map(|of| of.get(at).map(|it| it.0))
        .collect();
    median(&times).map_or_else(String::new, |time| format!("{time:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_medians_under_each_layer() {
        let of = |times: [f64; 3]| times.map(|time| vec![(time, "read".to_owned())]).to_vec();
        let samples = [
            of([1.0, 2.0, 9.0]),
            of([3.0, 3.0, 3.0]),
            of([5.0, 4.0, 6.0]),
            of([8.0, 7.0, 9.0]),
        ];
        assert!(render(&samples).ends_with("| read | 2 | 3 | 5 | 8 |\n"));
    }

    #[test]
    fn what_the_probe_says_is_understood_and_nothing_else() {
        let said = "171.5 look: `epoll_wait`\nnoise\n2000.0 pass\n";
        let known = [
            (171.5, "look: `epoll_wait`".to_owned()),
            (2000.0, "pass".to_owned()),
        ];
        assert_eq!(parsed(said), known);
    }
}
