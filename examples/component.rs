//! A worker and a manager: two processes that share nothing but one SQLite file.
//!
//! Run it with `cargo run --example component --features sqlite,tokio`. It starts itself a second time,
//! as the worker. When the worker is there, the manager starts a task; the worker asks for agents, does the
//! task and says so; then both stop.

use coordination_protocol::bus::Bus;
use coordination_protocol::driver::{Component, Context, DriverError, Stopped};
use coordination_protocol::event::{TaskCompleted, TaskStarted, WorkflowCompleted};
use coordination_protocol::message::{
    AllocatedResources, AllocationRequest, AllocationResponse, Resources,
};
use coordination_protocol::scalar::{
    AgentId, AllocationId, AllocationStatus, ComponentId, Count, RequestId, ResponseId, Span,
    TaskId,
};
use coordination_protocol::{Event, Json, Phase, WorkflowId};
use std::process::Command;
use std::sync::Arc;
use tokio::sync::Notify;

fn manager(done: Arc<Notify>) -> Component {
    Component::new("manager")
        .version("1.0.0")
        .capability("resource_allocation")
        .on_request(|context: Context, request: AllocationRequest| async move {
            let client = context.client();
            let agents = request.resources.and_then(|asked| asked.agents).unwrap_or(Count::new(1));
            println!("manager: {} gets {agents} agents", request.workflow_id);
            let grant: AllocationId = client.new_id();
            let granted = AllocatedResources::new().with_allocation_id(grant).with_agents(agents);
            let id: ResponseId = client.new_id();
            let status = AllocationStatus::Approved;
            Ok(AllocationResponse::new(id, request.request_id, status, client.now().timestamp())
                .with_allocated_resources(granted))
        })
        .subscribe(
            ("*.startup", "/component_name=worker"),
            |context: Context, _: Event| async move {
                let (task, agent) = (TaskId::new("task_1")?, AgentId::new("agent_1")?);
                let task = TaskStarted::new(task, agent, context.client().now().timestamp());
                Ok(context.publish(Event::new(
                    WorkflowId::new("wf_1")?,
                    Phase::new("build")?,
                    task,
                ))?)
            },
        )
        .subscribe("task.*.completed", move |context: Context, event: Event| {
            let done = Arc::clone(&done);
            async move {
                println!("manager: {} has completed a task", event.workflow_id);
                let ended =
                    WorkflowCompleted::new(context.client().now().timestamp(), Json::from("ok"));
                context.publish(Event::new(event.workflow_id, Phase::global(), ended))?;
                done.notify_one();
                Ok(())
            }
        })
}

fn worker(done: Arc<Notify>) -> Component {
    Component::new("worker")
        .depends_on("manager")
        .publishes("task.*.completed")
        .subscribe("task.*.started", |context: Context, event: Event| async move {
            let client = context.client();
            let (workflow, now) = (event.workflow_id, client.now().timestamp());
            let id: RequestId = client.new_id();
            let request = AllocationRequest::new(id, workflow.clone(), "worker", now)
                .with_resources(Resources::new().with_agents(Count::new(2)));
            let answer = client.request(&ComponentId::new("manager")?, request).await?;
            println!("worker: the request is {}", answer.status);
            let (task, agent) = (TaskId::new("task_1")?, AgentId::new("agent_1")?);
            let results =
                TaskCompleted::new(task, agent, "2s".parse::<Span>()?, Json::from("built"));
            Ok(context.publish(Event::new(workflow, event.phase, results))?)
        })
        .subscribe("workflow.*.completed", move |_: Context, _: Event| {
            done.notify_one();
            async { Ok(()) }
        })
}

/// Runs the worker until the workflow has ended.
pub(crate) fn work(url: &str) -> Result<Stopped, DriverError> {
    let done = Arc::new(Notify::new());
    worker(Arc::clone(&done)).run_blocking(url, async move { done.notified().await })
}

/// Runs the manager, starts the worker when it is there, and waits for both.
pub(crate) fn manage(
    url: &str,
    worker: &mut Command,
) -> Result<Stopped, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let done = Arc::new(Notify::new());
        let running = manager(Arc::clone(&done)).connect(&Bus::open(url)?).await?;
        let mut worker = worker.spawn()?;
        let stopped = running.run_until(done.notified()).await;
        worker.wait()?;
        Ok(stopped)
    })
}

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let stopped = if let Some(url) = std::env::args().nth(1) {
        work(&url)?
    } else {
        let folder = std::env::temp_dir().join(format!("component-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let url = format!("sqlite:{}", folder.join("bus.sqlite").display());
        let stopped = manage(&url, Command::new(std::env::current_exe()?).arg(&url))?;
        std::fs::remove_dir_all(&folder)?;
        stopped
    };
    println!("{stopped}");
    Ok(())
}
