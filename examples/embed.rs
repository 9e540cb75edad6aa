//! Embeds the protocol: builds an event, reads a stream of lines, hands what fits a pattern on.
//!
//! Run it with `cargo run --example embed`.

use coordination_protocol::event::{Codec, Event, TaskTimeout};
use coordination_protocol::finding::Mode;
use coordination_protocol::route::{Pattern, RouteKey};
use coordination_protocol::scalar::{AgentId, Phase, Span, TaskId, WorkflowId};
use std::error::Error;

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    // Writing: the data is typed, so the line cannot be wrong.
    let event = Event::new(
        WorkflowId::new("wf_001")?,
        Phase::new("build")?,
        TaskTimeout::new(TaskId::new("task_7")?, AgentId::new("agent_003")?, Span::new("15m")?),
    );
    let stream = format!(
        "{event}\n\
         TASK_TIMEOUT:wf_002:build:{{'task_id':'task_8','agent_id':'agent_004','timeout_duration':'20m'}}\n\
         TASK_TIMEOUT:wf_003:build:{{\"task_id\":\n\
         SYSTEM_SHUTDOWN:global:global:{{\"component_name\":\"hub\",\"shutdown_reason\":\"update\"}}\n"
    );

    // Reading: accept what is met in the field, say what deviates, go on behind what is broken.
    let codec = Codec::new(Mode::Interop);
    let timeouts = Pattern::parse("task.*.timeout")?;
    let mut records = codec.records(stream.as_bytes());
    while let Some(raw) = records.next_record()? {
        let record = codec.check_bytes(raw.bytes);
        for finding in record.report.findings() {
            println!("line {}: {} {}: {finding}", raw.line, finding.severity, finding.code);
        }
        if let Some(event) = record.value
            && timeouts.matches(&RouteKey::from(&event))
        {
            println!("line {}: a timeout in {}", raw.line, event.workflow());
        }
    }
    Ok(())
}
