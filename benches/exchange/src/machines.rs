//! What the dispatcher costs beside queues: publishing and acknowledging.

use crate::harness::{Row, pass_row};
use coordination_protocol::machine::{Dispatcher, DispatcherInput, DispatcherOutput, Machine};
use coordination_protocol::scalar::{Instant, Now, WallTime};
use coordination_protocol::validate::{Context, Validator};
use coordination_protocol::{Checked, Envelope, Mode};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

pub const MESSAGES: usize = 256;
const NOW: Now = Now::of(Instant::START, WallTime::from_unix_millis(1_736_942_400_000));

fn checked(text: &str) -> Box<Checked<Envelope>> {
    let outcome = Validator::new(Mode::Strict).check(text, &Context::new());
    Box::new(outcome.accept().expect("it is valid"))
}

fn messages() -> Vec<Box<Checked<Envelope>>> {
    let event = |n: usize| {
        checked(&format!(
            r#"{{"message_id":"msg_{n}","source":"worker","event":{{"event_type":"TASK_COMPLETED","workflow_id":"wf_{}","phase":"build",
                "data":{{"task_id":"task_{n}","agent_id":"agent_003","duration":"4m 12s","results":{{"files":3,"tests":41}}}}}}}}"#,
            n % 16,
        ))
    };
    (0..MESSAGES).map(event).collect()
}

fn subscribed(subscribers: usize, filter: &str) -> Dispatcher {
    let mut machine = Dispatcher::new(7);
    for n in 0..subscribers {
        let text = format!(
            r#"{{"subscription":{{"subscriber":"monitor-{n}","patterns":["task.>"]{filter}}}}}"#,
        );
        machine.handle(NOW, DispatcherInput::Subscribe(checked(&text))).expect("there is room");
    }
    machine
}

/// Publishes each message and acknowledges whatever is delivered.
fn deliver(mut machine: Dispatcher, messages: &[Box<Checked<Envelope>>]) -> usize {
    let mut count = 0;
    for message in messages {
        machine.handle(NOW, DispatcherInput::Publish(message.clone())).expect("there is room");
        while let Some(output) = machine.poll() {
            if let DispatcherOutput::Deliver { to, batch, .. } = output {
                count += batch.len();
                let receipts = batch.iter().map(|item| item.receipt).collect();
                machine
                    .handle(NOW, DispatcherInput::Acknowledge(to, receipts))
                    .expect("it is known");
            }
        }
    }
    count
}

/// Published and acknowledged, one by one, at no one's expense but the machine's.
pub fn delivery(subscribers: usize) -> Vec<Row<'static>> {
    let queues = {
        let messages = messages();
        pass_row("clone, and push and pop an `Arc` of it", move || {
            let mut queues = vec![VecDeque::new(); subscribers];
            for message in &messages {
                let shared = Arc::new(message.clone().into_inner());
                for queue in &mut queues {
                    queue.push_back(Arc::clone(&shared));
                }
                for queue in &mut queues {
                    black_box(queue.pop_front());
                }
            }
        })
    };
    let through = |name, filter: &'static str| {
        let messages = messages();
        pass_row(name, move || {
            let count = deliver(subscribed(subscribers, filter), &messages);
            assert_eq!(count, MESSAGES * subscribers);
        })
    };
    vec![
        queues,
        through("`Dispatcher`", ""),
        through(
            "`Dispatcher`, each with a filter",
            r#","filter":{"prefix":{"field":"workflow","value":"wf_"}}"#,
        ),
    ]
}
