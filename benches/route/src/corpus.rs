//! Keys and patterns of two families, with about the same number of matches.

use coordination_protocol::event::{EventType, REGISTRY};
use coordination_protocol::route::{Pattern, RouteKey};

/// Xorshift.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

const PHASES: [&str; 8] =
    ["global", "planning", "build", "testing", "review", "deploy", "verify", "cleanup"];

/// What patterns and keys are made of.
pub struct Corpus {
    workflows: Vec<String>,
}

#[derive(Clone, Copy)]
pub enum Family {
    Typed,
    Scoped,
}

impl Corpus {
    /// Names for this number of subscriptions: about twenty to a workflow.
    pub fn new(subscriptions: usize) -> Self {
        let random = &mut Random::new(1);
        let count = (subscriptions / 20).max(4);
        let name = |at: usize, tail: usize| format!("wf_{:06}_{tail:04x}", at * 7);
        Corpus { workflows: (0..count).map(|at| name(at, random.below(1 << 16))).collect() }
    }

    fn parts(&self, random: &mut Random) -> (EventType, &str, &str) {
        let kind = REGISTRY[random.below(REGISTRY.len())].event_type;
        let workflow = &self.workflows[random.below(self.workflows.len())];
        (kind, workflow, PHASES[random.below(PHASES.len())])
    }

    pub fn keys(&self, count: usize) -> Vec<RouteKey<'_>> {
        let random = &mut Random::new(2);
        let key = |(kind, workflow, phase): (EventType, _, _)| {
            RouteKey::new(kind.as_str(), workflow, phase)
        };
        (0..count).map(|_| key(self.parts(random))).collect()
    }

    /// 60 % without a wildcard; at 100,000 subscriptions about twenty match a key.
    pub fn patterns(&self, family: Family, count: usize) -> Vec<Pattern> {
        let random = &mut Random::new(3);
        (0..count)
            .map(|_| {
                let draw = random.below(10_000);
                let wide = match family {
                    Family::Typed => 9_480..9_980,
                    Family::Scoped => 9_956..9_998,
                };
                let shape = match draw {
                    0..6_000 => Shape::Full,
                    _ if draw < wide.start => Shape::Workflow,
                    _ if draw < wide.end => Shape::Anywhere,
                    _ => Shape::Rest,
                };
                self.pattern(random, family, shape)
            })
            .collect()
    }

    /// Patterns of which about two match a key, however many there are: the number of those that
    /// leave the workflow open stays the same.
    pub fn growing(&self, family: Family, count: usize) -> Vec<Pattern> {
        let random = &mut Random::new(4);
        let open = match family {
            Family::Typed => [300, 20],
            Family::Scoped => [40, 4],
        };
        (0..count)
            .map(|at| {
                let shape = match at {
                    _ if at < open[0] => Shape::Anywhere,
                    _ if at < open[0] + open[1] => Shape::Rest,
                    _ if random.below(10) < 6 => Shape::Full,
                    _ => Shape::Workflow,
                };
                self.pattern(random, family, shape)
            })
            .collect()
    }

    fn pattern(&self, random: &mut Random, family: Family, shape: Shape) -> Pattern {
        let (kind, workflow, phase) = self.parts(random);
        let turn = random.below(10);
        let (scope, word) = (kind.category(), kind.spec().word);
        let text = match (family, shape) {
            (Family::Typed, Shape::Full) => format!("{kind}.{workflow}.{phase}"),
            (Family::Typed, Shape::Workflow) => format!("{kind}.{workflow}.*"),
            (Family::Typed, Shape::Anywhere) => format!("{kind}.*.{phase}"),
            (Family::Typed, Shape::Rest) => format!("{kind}.>"),
            (Family::Scoped, Shape::Full) if turn < 3 => format!("workflow.{workflow}.{word}"),
            (Family::Scoped, Shape::Full) => format!("{scope}.{workflow}.{word}"),
            (Family::Scoped, Shape::Workflow) if turn < 5 => format!("*.{workflow}.{word}"),
            (Family::Scoped, Shape::Workflow) => format!("{scope}.{workflow}.*"),
            (Family::Scoped, Shape::Anywhere) => format!("{scope}.*.{word}"),
            (Family::Scoped, Shape::Rest) => format!("{scope}.>"),
        };
        Pattern::parse(&text).expect("the corpus has sound patterns")
    }
}

/// What a pattern leaves open.
#[derive(Clone, Copy)]
enum Shape {
    Full,
    Workflow,
    Anywhere,
    Rest,
}
