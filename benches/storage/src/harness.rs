//! Interleaved measurement.
//!
//! Every round runs every row once, each time in a rotated order, and a ratio is taken between two
//! rows of the same round. So a slow phase of the machine hits both sides of a ratio, and the
//! median over the rounds drops what hit only one.

use std::time::Instant;

/// One row of a table: a name, the ratio it should keep, and one pass over the input.
pub struct Row<'a> {
    name: &'static str,
    goal: Goal,
    pass: Box<dyn FnMut() -> usize + 'a>,
}

#[derive(Clone, Copy)]
enum Goal {
    None,
    /// Of the time of an item to that of the first row.
    AtMost(f64),
    /// Of the rate of items to that of the first row.
    Faster(f64),
}

/// A row whose pass returns how many items it handled.
pub fn row<'a>(name: &'static str, pass: impl FnMut() -> usize + 'a) -> Row<'a> {
    Row { name, goal: Goal::None, pass: Box::new(pass) }
}

impl Row<'_> {
    /// Sets how many times the first row's time an item may take.
    pub fn at_most(mut self, ratio: f64) -> Self {
        self.goal = Goal::AtMost(ratio);
        self
    }

    /// Sets how many times the first row's rate there should be.
    pub fn faster(mut self, ratio: f64) -> Self {
        self.goal = Goal::Faster(ratio);
        self
    }

    fn nanos(&mut self) -> f64 {
        let start = Instant::now();
        let items = (self.pass)();
        start.elapsed().as_secs_f64() * 1e9 / items as f64
    }
}

/// Measures the rows and prints their table. The first row is the baseline.
pub fn table(title: &str, rounds: usize, mut rows: Vec<Row<'_>>) {
    for row in &mut rows {
        row.nanos();
    }
    let mut nanos = vec![Vec::with_capacity(rounds); rows.len()];
    for round in 0..rounds {
        for turn in 0..rows.len() {
            let index = (turn + round) % rows.len();
            nanos[index].push(rows[index].nanos());
        }
    }
    println!("\n### {title}\n");
    println!("| row | ns an item | ratio | quartiles | goal |");
    println!("|---|--:|--:|--:|--:|");
    for (row, own) in rows.iter().zip(&nanos) {
        let ratios = own.iter().zip(&nanos[0]).map(|(own, base)| own / base).collect();
        let [low, ratio, high] = quartiles(ratios);
        let [_, median, _] = quartiles(own.clone());
        let goal = match row.goal {
            Goal::None => String::new(),
            Goal::AtMost(goal) => format!("{goal:.2} {}", met(ratio <= goal)),
            Goal::Faster(goal) => {
                let rate = 1.0 / ratio;
                format!("{rate:.1} times the rate, goal {goal:.0} {}", met(rate >= goal))
            }
        };
        println!("| {} | {median:.0} | {ratio:.3} | {low:.3}-{high:.3} | {goal} |", row.name);
    }
}

pub fn met(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

/// The lower quartile, the median and the upper quartile.
pub fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    [values[last / 4], values[last / 2], values[last - last / 4]]
}
