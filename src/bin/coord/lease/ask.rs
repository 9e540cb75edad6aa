//! What is asked for, as `allocate` and `plan` take it.

use crate::input;
use crate::limits::parse;
use crate::output::{Failure, failure};
use crate::subscribe::span;
use coordination_protocol::coordination::resources::{
    AGENTS, Fallback, Isolation, Need, PathLease, Submission, Tolerance, Units, Urgency,
};
use coordination_protocol::message::{AllocationRequest, Message, MessageRef};
use coordination_protocol::path::PathPattern;
use coordination_protocol::scalar::{
    Amount, ConflictTolerance, IsolationLevel, Priority, RequestId, WorkflowId,
};
use std::path::Path;
use std::time::Duration;

/// A request for resources.
#[derive(clap::Args)]
pub(crate) struct Asking {
    /// An amount of a resource, such as `agents=3`, `memory_gb=8`, `bash=2` or `tokens=5000`.
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    need: Vec<(String, Units)>,

    /// A path that nobody else may hold meanwhile. `*`, `**` and `?` are wildcards; a folder covers what lies below.
    #[arg(long, value_name = "PATH", value_parser = parse::<PathPattern>)]
    file: Vec<PathPattern>,

    /// A path that others may share meanwhile.
    #[arg(long, value_name = "PATH", value_parser = parse::<PathPattern>)]
    share: Vec<PathPattern>,

    /// For how long.
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    lasts: Option<Duration>,

    /// An allocation request as JSON; the other options change it.
    #[arg(long, value_name = "JSON|-|@FILE")]
    request: Option<String>,

    /// The workflow that needs it.
    #[arg(long, value_name = "WORKFLOW", env = "COORD_WORKFLOW", hide_env_values = true)]
    workflow: Option<WorkflowId>,

    /// What names the request. The same one asked again gets the same answer.
    #[arg(long, value_name = "REQUEST")]
    id: Option<RequestId>,

    /// How urgent it is: critical, high, medium or low.
    #[arg(long, value_name = "WORD", value_parser = parse::<Priority>)]
    priority: Option<Priority>,

    /// Take fewer agents, if there are not as many.
    #[arg(long)]
    fewer_agents: bool,

    /// Take fewer agents for a longer time.
    #[arg(long, requires = "fewer_agents")]
    longer: bool,

    /// Share files that are asked for alone, if others hold them.
    #[arg(long)]
    accept_shared: bool,

    /// What a conflict over a path leads to: none, low, medium or high.
    #[arg(long, value_name = "WORD", value_parser = parse::<ConflictTolerance>)]
    tolerance: Option<ConflictTolerance>,

    /// When files are shared: strict, moderate or relaxed.
    #[arg(long, value_name = "WORD", value_parser = parse::<IsolationLevel>)]
    isolation: Option<IsolationLevel>,

    /// The least performance.
    #[arg(long, value_name = "WORD")]
    min_performance: Option<String>,

    /// How long it may wait.
    #[arg(long, value_name = "SPAN", value_parser = span)]
    max_wait: Option<Duration>,
}

/// `NAME=AMOUNT`.
pub(super) fn amount(text: &str) -> Result<(String, Units), String> {
    let (name, amount) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("write NAME=AMOUNT, as in agents=3")?;
    let amount = Units::from(&parse::<Amount>(amount)?);
    if name == AGENTS && amount.floor() != amount {
        return Err("agents come in whole ones".to_owned());
    }
    Ok((name.to_owned(), amount))
}

impl Asking {
    /// The request, in the name of a component.
    pub(crate) fn submission(
        &self,
        component: &str,
        new_id: impl FnOnce() -> RequestId,
    ) -> Result<Submission, Failure> {
        let mut submission = if let Some(text) = &self.request {
            Submission::read(&request(text)?).map_err(failure)?
        } else {
            Submission::new(new_id(), WorkflowId::global(), component, Need::new())
        };
        if let Some(id) = &self.id {
            submission.request_id = id.clone();
        }
        if let Some(workflow) = &self.workflow {
            submission.workflow_id = workflow.clone();
        }
        let mut need = std::mem::take(&mut submission.need);
        for (name, amount) in &self.need {
            need.amounts.set(name, *amount);
        }
        for path in &self.file {
            need = need.with_path(PathLease::exclusive(path.clone()));
        }
        for path in &self.share {
            need = need.with_path(PathLease::shared(path.clone()));
        }
        need.duration = self.lasts.or(need.duration);
        if need.is_empty() {
            return Err(failure("nothing is asked for; say --need NAME=AMOUNT, --file or --share"));
        }
        submission.need = need;
        let fallback: &mut Fallback = &mut submission.fallback;
        fallback.fewer_agents |= self.fewer_agents;
        fallback.longer |= self.longer;
        fallback.shared |= self.accept_shared;
        if let Some(priority) = &self.priority {
            submission.urgency = Urgency::from(priority);
        }
        if let Some(tolerance) = &self.tolerance {
            submission.tolerance = Tolerance::from(tolerance);
        }
        if let Some(isolation) = &self.isolation {
            submission.isolation = Isolation::from(isolation);
        }
        if let Some(word) = &self.min_performance {
            submission = submission.with_min_performance(word);
        }
        submission.max_wait = self.max_wait.or(submission.max_wait);
        Ok(submission)
    }
}

/// A request that is written out.
fn request(text: &str) -> Result<AllocationRequest, Failure> {
    const MAX_BYTES: usize = 1 << 20;
    let text = match text.strip_prefix('@') {
        Some("") => return Err(failure("`@` names no file")),
        Some(file) => input::text(Path::new(file), MAX_BYTES)?,
        None if text == "-" => input::text(Path::new("-"), MAX_BYTES)?,
        None => text.to_owned(),
    };
    let message = MessageRef::parse(text.trim()).map_err(failure)?;
    match message.decode().map_err(failure)?.message {
        Message::AllocationRequest(request) => Ok(*request),
        other => Err(failure(format_args!("a {} is no allocation request", other.kind()))),
    }
}
