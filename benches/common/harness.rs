//! Interleaved measurement.
//!
//! Every round runs every row once, each time in a rotated order, and a ratio is taken between two
//! rows of the same round. So a slow phase of the machine hits both sides of a ratio, and the
//! median over the rounds drops what hit only one. On a machine that is never quiet the median
//! says little; there, compare the fastest rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How many rounds there are, and the least measured time of a row in one.
#[derive(Clone, Copy)]
pub struct Pace {
    rounds: usize,
    slice: Duration,
}

/// Slices so short that some of every row run undisturbed even on a machine that others use.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub const SHORT: Pace = Pace { rounds: 101, slice: Duration::from_millis(4) };
/// Slices so long that a row's own data, once in the caches, makes up nearly all of each: for rows
/// that need more memory than the caches keep between two turns.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub const LONG: Pace = Pace { rounds: 11, slice: Duration::from_millis(35) };

/// One row of a table: a name, the ratio it should keep, and one pass over the input.
pub struct Row<'a> {
    name: &'static str,
    goal: Option<f64>,
    goal_ns: Option<f64>,
    pass: Box<dyn FnMut() + 'a>,
}

/// A row whose pass handles all items at once.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub fn pass_row<'a>(name: &'static str, pass: impl FnMut() + 'a) -> Row<'a> {
    Row { name, goal: None, goal_ns: None, pass: Box::new(pass) }
}

/// A row that handles every item of `items` once a pass.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub fn row<'a, T, R>(
    name: &'static str,
    items: &'a [T],
    mut each: impl FnMut(&'a T) -> R + 'a,
) -> Row<'a> {
    pass_row(name, move || {
        for item in items {
            black_box(each(black_box(item)));
        }
    })
}

impl Row<'_> {
    /// Sets the ratio that the row should not exceed.
    pub fn at_most(mut self, ratio: f64) -> Self {
        self.goal = Some(ratio);
        self
    }

    /// Sets the time that an item should not exceed.
    #[allow(dead_code, reason = "each bench takes what it needs")]
    pub fn at_most_ns(mut self, nanos: f64) -> Self {
        self.goal_ns = Some(nanos);
        self
    }

    fn time(&mut self, passes: u32) -> Duration {
        let start = Instant::now();
        for _ in 0..passes {
            (self.pass)();
        }
        start.elapsed()
    }

    /// How many passes fill a slice; also warms up.
    fn passes(&mut self, slice: Duration) -> u32 {
        let mut passes = 1;
        loop {
            let took = self.time(passes);
            if took >= slice / 2 {
                let more = slice.as_nanos().div_ceil(took.as_nanos());
                return passes * u32::try_from(more).unwrap_or(1);
            }
            passes *= 2;
        }
    }
}

/// Measures the rows and prints their table. The first row is the baseline; `items` is how many
/// items one pass handles.
pub fn table(title: &str, items: usize, pace: Pace, mut rows: Vec<Row<'_>>) {
    let passes: Vec<u32> = rows.iter_mut().map(|row| row.passes(pace.slice)).collect();
    let allocations: Vec<f64> = rows
        .iter_mut()
        .map(|row| {
            let before = crate::alloc::count();
            row.time(1);
            (crate::alloc::count() - before) as f64 / items as f64
        })
        .collect();
    let mut nanos = vec![Vec::with_capacity(pace.rounds); rows.len()];
    for round in 0..pace.rounds {
        for turn in 0..rows.len() {
            let index = (turn + round) % rows.len();
            let took = rows[index].time(passes[index]).as_secs_f64();
            nanos[index].push(took * 1e9 / (f64::from(passes[index]) * items as f64));
        }
    }

    println!("\n### {title}\n");
    println!("| row | ns | ratio | quartiles | fastest | goal |{}", header());
    println!(
        "|---|--:|--:|--:|--:|--:|{}",
        if cfg!(feature = "count-alloc") { "--:|" } else { "" }
    );
    for (index, row) in rows.iter().enumerate() {
        let ratios = nanos[index].iter().zip(&nanos[0]).map(|(own, base)| own / base).collect();
        let [low, ratio, high] = quartiles(ratios);
        let [_, median, _] = quartiles(nanos[index].clone());
        let fastest = |nanos: &[f64]| nanos.iter().copied().fold(f64::INFINITY, f64::min);
        let best = fastest(&nanos[index]) / fastest(&nanos[0]);
        let met = |met: bool| if met { "met" } else { "MISSED" };
        let goal = match (row.goal.filter(|goal| *goal < f64::MAX), row.goal_ns) {
            (Some(goal), _) => format!("{goal:.2} {}", met(ratio <= goal)),
            (None, Some(goal)) => format!("{goal:.0} ns {}", met(median <= goal)),
            (None, None) => String::new(),
        };
        print!("| {} | {median:.1} | {ratio:.3} | {low:.3}-{high:.3} | {best:.3} |", row.name);
        print!(" {goal} |");
        if cfg!(feature = "count-alloc") {
            print!(" {:.2} |", allocations[index]);
        }
        println!();
    }
}

fn header() -> &'static str {
    if cfg!(feature = "count-alloc") { " allocations |" } else { "" }
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [values[last / 4], values[last / 2], values[last - last / 4]]
}
