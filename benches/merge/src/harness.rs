//! Interleaved measurement of work that consumes its input.
//!
//! Inputs are made and results dropped outside the measured time, which is the processor time of
//! this thread: a busy machine stretches the clock's. Every round runs every row once,
//! each time in a rotated order, and a ratio is taken between two rows of the same round. So a slow
//! phase of the machine hits both sides of a ratio, and the median over the rounds drops what hit
//! only one.

use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::time::Duration;

const ROUNDS: usize = 15;
/// The least measured time of a row in one round.
const SLICE: Duration = Duration::from_millis(20);
/// Inputs that are made at once; few, so that they are still in the cache when they are used.
const BATCH: usize = 8;

fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// One row of a table: a name, the ratio it should keep, and one batch.
pub struct Row<'a> {
    name: &'static str,
    goal: Option<f64>,
    batch: Box<dyn FnMut() -> (Duration, u64) + 'a>,
}

/// A row that makes an input, and does the work that is measured.
pub fn row<'a, T, R>(
    name: &'static str,
    mut prepare: impl FnMut() -> T + 'a,
    mut work: impl FnMut(T) -> R + 'a,
) -> Row<'a> {
    let batch = Box::new(move || {
        let inputs: Vec<T> = (0..BATCH).map(|_| prepare()).collect();
        let mut results = Vec::with_capacity(BATCH);
        let before = crate::alloc::count();
        let start = now();
        for input in inputs {
            results.push(black_box(work(black_box(input))));
        }
        let took = now().saturating_sub(start);
        (took, crate::alloc::count() - before)
    });
    Row { name, goal: None, batch }
}

impl Row<'_> {
    /// Sets the ratio that the row should not exceed, if there is a goal for this table.
    pub fn at_most_if(mut self, goal: bool, ratio: f64) -> Self {
        self.goal = goal.then_some(ratio);
        self
    }

    /// Nanoseconds of one merge, over a slice.
    fn time(&mut self) -> f64 {
        let (mut total, mut count) = (Duration::ZERO, 0);
        while total < SLICE {
            total += (self.batch)().0;
            count += BATCH;
        }
        total.as_secs_f64() * 1e9 / count as f64
    }
}

/// Measures the rows and prints their table. The first row is the baseline.
pub fn table(title: &str, mut rows: Vec<Row<'_>>) {
    let allocations: Vec<f64> =
        rows.iter_mut().map(|row| (row.batch)().1 as f64 / BATCH as f64).collect();
    let mut nanos = vec![Vec::with_capacity(ROUNDS); rows.len()];
    for round in 0..ROUNDS {
        for turn in 0..rows.len() {
            let index = (turn + round) % rows.len();
            let took = rows[index].time();
            nanos[index].push(took);
        }
    }
    let counts = cfg!(feature = "count-alloc");
    println!("\n### {title}\n");
    println!(
        "| row | us | ratio | quartiles | goal |{}",
        if counts { " allocations |" } else { "" }
    );
    println!("|---|--:|--:|--:|--:|{}", if counts { "--:|" } else { "" });
    for (index, row) in rows.iter().enumerate() {
        let ratios = nanos[index].iter().zip(&nanos[0]).map(|(own, base)| own / base).collect();
        let [low, ratio, high] = quartiles(ratios);
        let [_, median, _] = quartiles(nanos[index].clone());
        let goal = row.goal.map_or(String::new(), |goal| {
            format!("{goal:.3} {}", if ratio <= goal { "met" } else { "MISSED" })
        });
        let micros = median / 1e3;
        print!("| {} | {micros:.2} | {ratio:.3} | {low:.3}-{high:.3} | {goal} |", row.name);
        if counts {
            print!(" {:.0} |", allocations[index]);
        }
        println!();
    }
}

/// The lower quartile, the median and the upper quartile.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [values[last / 4], values[last / 2], values[last - last / 4]]
}
