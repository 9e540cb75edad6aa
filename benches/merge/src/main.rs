//! Measures merging: typed states against a hand-written join, and both ways of having them against
//! `serde_json::Value`.
//!
//! Ratios count, microseconds only give the scale. Run it with `--features count-alloc` for the
//! allocations, and with words to measure only the tables whose title has them.

#[path = "../../common/alloc.rs"]
mod alloc;
mod baseline;
mod corpus;
mod harness;

use baseline::Agents;
use coordination_protocol::json::Limits;
use coordination_protocol::merge::{MergePolicy, merge, merge_json};
use coordination_protocol::message::{Message, WorkflowState};
use coordination_protocol::{Codec, Envelope, Mode};
use corpus::Corpus;
use harness::{Row, row};
use serde_json::Value;
use smol_str::SmolStr;

static CODEC: Codec =
    Codec::new(Mode::Strict).with_limits(Limits::DEFAULT.with_bytes(1 << 24).with_keys(1 << 20));

fn agents(state: &WorkflowState) -> Agents {
    let agents = state.agent_states.as_ref().unwrap();
    agents.iter().map(|(key, agent)| (SmolStr::new(key), agent.clone())).collect()
}

fn typed(text: &str) -> WorkflowState {
    let envelope = CODEC.parse_message(text).unwrap().decode().unwrap();
    match envelope.message {
        Message::WorkflowState(state) => *state,
        _ => unreachable!(),
    }
}

/// Measures a table, unless the command line has a word that is not in its title.
fn table(title: &str, rows: Vec<Row<'_>>) {
    if std::env::args().skip(1).all(|word| title.contains(&word)) {
        harness::table(title, rows);
    }
}

fn main() {
    for count in [10, 1_000] {
        let corpus = Corpus::new(count);
        let policy = MergePolicy::state();
        let states = [&corpus.base, &corpus.ours, &corpus.theirs];
        let texts = states.map(|state| Envelope::from(state.clone()).to_string());
        let values = texts.each_ref().map(|text| serde_json::from_str::<Value>(text).unwrap());
        let joined = [agents(&corpus.base), agents(&corpus.ours), agents(&corpus.theirs)];
        agree(&corpus, &policy, &joined, &values);

        let ours = |corpus: &Corpus| corpus.ours.clone();
        table(
            &format!("{count} agents, typed"),
            vec![
                row(
                    "hand-written sorted join, agents only",
                    || joined[1].clone(),
                    |ours| baseline::join(&joined[0], ours, &joined[2]),
                ),
                row(
                    "`merge`, the whole state",
                    || ours(&corpus),
                    |ours| merge(&corpus.base, ours, &corpus.theirs, &policy),
                )
                .at_most_if(count == 1_000, 1.5),
            ],
        );
        table(
            &format!("{count} agents, against `serde_json::Value`"),
            vec![
                row(
                    "recursive three-way merge of `Value`",
                    || (),
                    |()| baseline::merge(Some(&values[0]), &values[1], &values[2]),
                ),
                row(
                    "the same, in place",
                    || values[1].clone(),
                    |mut ours| {
                        baseline::merge_into(Some(&values[0]), &mut ours, &values[2]);
                        ours
                    },
                ),
                row(
                    "`merge`",
                    || ours(&corpus),
                    |ours| merge(&corpus.base, ours, &corpus.theirs, &policy),
                )
                .at_most_if(count == 1_000, 1.0 / 15.0),
            ],
        );
        let limits = Limits::DEFAULT.with_bytes(1 << 24).with_keys(1 << 20);
        table(
            &format!("{count} agents, {} bytes each to merged value", texts[1].len()),
            vec![
                row(
                    "parse three `Value`s, merge in place",
                    || (),
                    |()| {
                        let [base, mut ours, theirs] = texts
                            .each_ref()
                            .map(|text| serde_json::from_str::<Value>(text).unwrap());
                        baseline::merge_into(Some(&base), &mut ours, &theirs);
                        ours
                    },
                ),
                row(
                    "parse three messages, `merge`",
                    || (),
                    |()| {
                        let [base, ours, theirs] = texts.each_ref().map(|text| typed(text));
                        merge(&base, ours, &theirs, &policy)
                    },
                )
                .at_most_if(count == 1_000, 0.55),
                row(
                    "`merge_json`",
                    || (),
                    |()| merge_json(&texts[0], &texts[1], &texts[2], &policy, &limits).unwrap(),
                ),
            ],
        );
    }
}

/// All of them merge to the same agents.
fn agree(corpus: &Corpus, policy: &MergePolicy, joined: &[Agents; 3], values: &[Value; 3]) {
    let merged = merge(&corpus.base, corpus.ours.clone(), &corpus.theirs, policy);
    assert!(merged.is_clean());
    let mut own = agents(&merged.value);
    own.sort_by(|a, b| a.0.cmp(&b.0));
    let join = baseline::join(&joined[0], joined[1].clone(), &joined[2]);
    assert!(own == join);
    let new = baseline::merge(Some(&values[0]), &values[1], &values[2]);
    let mut placed = values[1].clone();
    baseline::merge_into(Some(&values[0]), &mut placed, &values[2]);
    assert!(new == placed);
    let text = Envelope::from(merged.value).to_string();
    let own: Value = serde_json::from_str(&text).unwrap();
    let agents = |value: &Value| value["workflow_state"]["agent_states"].clone();
    assert!(agents(&own) == agents(&new));
}
