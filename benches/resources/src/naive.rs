//! The straightforward allocator: lists, looked at as a whole for each decision.

use std::time::{Duration, Instant};

struct Grant {
    amount: u64,
    end: u64,
}

struct Waiting {
    number: usize,
    amount: u64,
    lasts: u64,
    start: u64,
}

pub struct Naive {
    capacity: u64,
    memory: u64,
    grants: Vec<Grant>,
    waiting: Vec<Waiting>,
    number: usize,
}

impl Naive {
    pub fn new(capacity: usize) -> Self {
        Naive {
            capacity: capacity as u64,
            memory: 1_000,
            grants: Vec::new(),
            waiting: Vec::new(),
            number: 1 << 32,
        }
    }

    fn taken(&self, at: u64) -> u64 {
        let held = self.grants.iter().filter(|grant| grant.end > at).map(|grant| grant.amount);
        let planned = self.waiting.iter().filter(|w| w.start <= at && at < w.start + w.lasts);
        held.sum::<u64>() + planned.map(|waiting| waiting.amount).sum::<u64>()
    }

    fn fits(&self, amount: u64, capacity: u64) -> bool {
        self.taken(1) + amount <= capacity
    }

    /// The first end behind which there is room. Only those in front of it are looked at, as a request far
    /// behind is not promised anything.
    fn earliest(&self, amount: u64) -> u64 {
        let mut ends: Vec<u64> = self.grants.iter().map(|grant| grant.end).collect();
        ends.sort_unstable();
        let found =
            ends.into_iter().take(64).find(|end| self.taken(*end) + amount <= self.capacity);
        found.unwrap_or(u64::MAX / 2)
    }

    pub fn submit(&mut self, number: usize, lasts: u64) {
        if self.grants.len() < self.capacity as usize {
            self.grants.push(Grant { amount: 1, end: lasts });
        } else {
            let start = if self.waiting.len() < 64 { self.earliest(1) } else { u64::MAX / 2 };
            self.waiting.push(Waiting { number, amount: 1, lasts, start });
        }
    }

    pub fn grant(&mut self) -> Duration {
        let start = Instant::now();
        assert!(self.fits(0, self.capacity) && self.memory > 0);
        self.grants.push(Grant { amount: 0, end: 600 });
        let took = start.elapsed();
        self.grants.pop();
        took
    }

    pub fn queue(&mut self) -> Duration {
        let start = Instant::now();
        assert!(!self.fits(1, self.capacity));
        let planned = self.earliest(1);
        self.number += 1;
        self.waiting.push(Waiting { number: self.number, amount: 1, lasts: 600, start: planned });
        self.waiting.sort_by_key(|waiting| waiting.number);
        let took = start.elapsed();
        self.waiting.pop();
        took
    }

    pub fn release(&mut self) -> Duration {
        let start = Instant::now();
        self.grants.remove(0);
        let first = (0..self.waiting.len()).find(|_| self.fits(1, self.capacity));
        let waiting = self.waiting.remove(first.expect("one fits"));
        self.grants.push(Grant { amount: waiting.amount, end: 1 + waiting.lasts });
        // What waits is planned anew.
        for at in 0..self.waiting.len().min(64) {
            self.waiting[at].start = u64::MAX / 2;
            self.waiting[at].start = self.earliest(1);
        }
        let took = start.elapsed();
        self.number += 1;
        self.waiting.push(Waiting {
            number: self.number,
            amount: 1,
            lasts: 1_500,
            start: u64::MAX / 2,
        });
        took
    }
}
