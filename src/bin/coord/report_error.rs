//! `coord report-error`

use crate::config::strict;
use crate::output::{CmdResult, ExitStatus};
use crate::publish::Publishing;
use crate::show;
use coordination_protocol::message::Envelope;
use coordination_protocol::message::{
    Classification, ErrorContext, ErrorDetails, ErrorReport, RecoverySuggestion,
};
use coordination_protocol::scalar::{
    AgentId, ErrorCategory, ErrorId, ErrorScope, ErrorType, Phase, Severity, TaskId, WorkflowId,
};

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coord report-error 'out of memory' --workflow wf_001 --type limit_exceeded
  coord report-error 'no answer' --category dependency --type timeout --recoverable --suggest retry

It publishes an error report: identifier, time, source and signature are filled in as by `coord publish`.

Exit status: 0 if it was published, 1 if it would break the protocol.")]
pub(crate) struct Args {
    /// What happened, for people.
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    message: String,

    /// The workflow that it happened in.
    #[arg(long, value_name = "WORKFLOW", default_value = "global")]
    workflow: WorkflowId,

    /// The area that it belongs to.
    #[arg(long, value_name = "WORD", default_value = "execution")]
    category: ErrorCategory,

    /// How bad it is.
    #[arg(long, value_name = "WORD", default_value = "medium")]
    severity: Severity,

    /// What went wrong.
    #[arg(long = "type", value_name = "WORD", default_value = "unavailable")]
    error_type: ErrorType,

    /// How far it reaches.
    #[arg(long, value_name = "WORD", default_value = "workflow")]
    scope: ErrorScope,

    /// It can be recovered from.
    #[arg(long)]
    recoverable: bool,

    /// The operation that failed.
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,

    /// The phase that it happened in.
    #[arg(long, value_name = "PHASE")]
    phase: Option<Phase>,

    /// The task that it happened to.
    #[arg(long, value_name = "TASK")]
    task: Option<TaskId>,

    /// The agent that it happened to.
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentId>,

    /// More, for those who look into it.
    #[arg(long, value_name = "TEXT")]
    details: Option<String>,

    /// What may help, such as `retry`; several times if there is more than one.
    #[arg(long, value_name = "STRATEGY")]
    suggest: Vec<String>,

    #[command(flatten)]
    by: Publishing,
}

pub(crate) fn run(args: &Args) -> CmdResult {
    let sender = args.by.sender.sender()?;
    let (validator, _) = strict()?;
    let bus = args.by.place.open()?;
    let now = bus.host().now();
    let classification = Classification::new(
        args.category.clone(),
        args.severity.clone(),
        args.error_type.clone(),
        args.scope.clone(),
        args.recoverable,
    );
    let mut context = ErrorContext::new().with_component(sender.component.as_str());
    context.operation.clone_from(&args.operation);
    context.phase.clone_from(&args.phase);
    context.task.clone_from(&args.task);
    context.agent.clone_from(&args.agent);
    let mut details = ErrorDetails::new().with_error_message(args.message.as_str());
    details.technical_details.clone_from(&args.details);
    let mut report = ErrorReport::new(
        bus.new_id::<ErrorId>(),
        classification,
        args.workflow.clone(),
        now.timestamp(),
    )
    .with_context(context)
    .with_details(details);
    if !args.suggest.is_empty() {
        let suggestions = args.suggest.iter().map(|word| RecoverySuggestion::new(word.as_str()));
        report = report.with_recovery_suggestions(suggestions.collect::<Vec<_>>());
    }
    let mut envelope = Envelope::from(report);
    sender.stamp(&bus, &mut envelope);
    let Some(envelope) = show::accepted(&validator, "<arguments>", &envelope.to_string()) else {
        return Ok(ExitStatus::No);
    };
    args.by.publish(&bus, &sender, envelope)
}
