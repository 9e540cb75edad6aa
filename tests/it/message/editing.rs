//! Documents are written as people write them, and changed like maps.

use coordination_protocol::event::{Data, Event, PhaseProgress, TaskStarted, UntypedData};
use coordination_protocol::json::Entry;
use coordination_protocol::message::{
    AgentState, AllocationRequest, ComponentRegistration, CurrentPhase, Envelope, EventBody,
    HealthStatus, Map, Message, ResourceUsage, Resources, WorkflowState,
};
use coordination_protocol::scalar::{
    AgentId, Amount, ComponentId, Count, HealthState, Percent, Quantity, Ratio, RequestId,
    ScalarError, TaskId, Timestamp, WallTime, WorkflowId,
};
use coordination_protocol::{Json, Now};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn workflow() -> WorkflowId {
    WorkflowId::new("wf_001").unwrap()
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_736_942_400)
}

fn state() -> WorkflowState {
    WorkflowState::new(workflow(), 1, noon()).with_agent_states([
        ("agent_1", AgentState::new("active").with_progress(94.5).unwrap()),
        ("agent_2", AgentState::new("idle").with_progress(0).unwrap()),
    ])
}

/// What people write for numbers, texts, lists and moments compiles.
#[test]
fn fields_take_what_people_write() {
    let resources = Resources::new()
        .with_agents(3)
        .with_memory_gb(2.5)
        .unwrap()
        .with_tool_instances([("bash", Amount::from(2))])
        .with_exclusive_files(["src/lib.rs"]);
    let request = AllocationRequest::new(
        RequestId::new("req_1").unwrap(),
        workflow(),
        "hub",
        WallTime::from(noon()),
    );
    let request = request.with_resources(resources);
    let text = Envelope::from(request).to_string();
    assert!(text.contains(r#""timestamp":"2025-01-15T12:00:00Z""#), "{text}");
    assert!(text.contains(r#""agents":3"#) && text.contains(r#""memory_gb":2.5"#), "{text}");
    assert!(text.contains(r#""exclusive_files":["src/lib.rs"]"#), "{text}");

    let hub = || ComponentId::new("hub").unwrap();
    let names = vec![String::from("coordination")];
    for registration in [
        ComponentRegistration::new(hub(), "hub").with_capabilities(["coordination"]),
        ComponentRegistration::new(hub(), "hub").with_capabilities(&names[..]),
        ComponentRegistration::new(hub(), "hub").with_capabilities(names.clone()),
    ] {
        assert_eq!(registration.capabilities.as_deref(), Some(&names[..]));
    }
    let health = HealthStatus::new(hub(), HealthState::Healthy, Now::from(noon()))
        .with_queue_size(Count::from(names.len()))
        .with_uptime(Duration::from_secs(90));
    assert_eq!(health.uptime.unwrap().as_str(), "1m 30s");
    let phase = CurrentPhase::new(3).with_name("testing").with_progress(50).unwrap();
    assert_eq!(
        Json::of(&phase).unwrap().as_str(),
        r#"{"phase_id":3,"name":"testing","progress":50}"#
    );
    let usage =
        ResourceUsage::new().with_memory_current(1.25).unwrap().with_cpu_utilization(12.5).unwrap();
    assert_eq!(Json::of(&usage).unwrap().get("memory_current"), Some("1.25".parse().unwrap()));
    let progress = PhaseProgress::new("testing", Percent::try_from(67.5).unwrap(), "20m");
    assert_eq!(progress.progress_percentage.to_string(), "67.5");
}

/// Numbers from elsewhere are asked first.
#[test]
fn numbers_that_do_not_fit_are_told() {
    assert_eq!(Count::try_from(3_i64).unwrap().get(), 3);
    assert!(Count::try_from(-1_i64).is_err() && Count::try_from(1.5).is_err());
    assert!(Amount::try_from(-0.5).is_err() && Amount::try_from(f64::NAN).is_err());
    assert!(Percent::try_from(101).is_err() && Ratio::try_from(1.1).is_err());
    assert!(Quantity::try_from(f64::INFINITY).is_err());
    // A literal of the wrong sign does not compile; what may not fit comes back as an error.
    let told = |error: ScalarError| error.to_string();
    assert_eq!(
        Resources::new().with_memory_gb(-2.5).map_err(told).unwrap_err(),
        "-2.5 is out of range: it must be from 0 to the largest double"
    );
    assert_eq!(
        AgentState::new("active").with_progress(101).map_err(told).unwrap_err(),
        "101 is out of range: it must be from 0 to 100"
    );
    assert!(ResourceUsage::new().with_cpu_utilization(f64::NAN).is_err());
    let scalar = Amount::try_from(2.5).unwrap();
    assert_eq!(
        Resources::new().with_memory_gb(scalar),
        Resources::new().with_memory_gb(2.5).unwrap()
    );
}

#[test]
fn maps_of_a_state_are_edited_like_maps() {
    let mut state = state();
    let agents = state.agent_states.as_mut().unwrap();
    assert_eq!(agents.remove("agent_2").unwrap().status.as_deref(), Some("idle"));
    assert!(agents.remove("agent_2").is_none());
    agents.get_mut("agent_1").unwrap().progress = Some(Percent::MAX);
    agents.entry("agent_3").or_insert_with(|| AgentState::new("new"));
    agents.entry("agent_3").and_modify(|agent| agent.status = Some("busy".to_owned()));
    match agents.entry("agent_1") {
        Entry::Occupied(mut entry) => {
            assert_eq!(entry.insert(AgentState::new("done")).progress, Some(Percent::MAX));
        }
        _ => panic!("it is there"),
    }
    let seen: Vec<_> = agents.iter().map(|(name, agent)| (name, agent.status.as_deref())).collect();
    assert_eq!(seen, [("agent_1", Some("done")), ("agent_3", Some("busy"))]);
    for (_, agent) in &mut *agents {
        agent.current_task = None;
    }
    agents.retain(|name, _| name != "agent_1");
    agents.extend([("agent_4", AgentState::new("x"))]);
    assert_eq!(agents.keys().collect::<Vec<_>>(), ["agent_3", "agent_4"]);
    assert_eq!(agents.values().count(), agents.len());
    let owned: Vec<String> = agents.clone().into_iter().map(|(name, _)| name).collect();
    assert_eq!(owned, ["agent_3", "agent_4"]);
    let read: WorkflowState = Json::of(&state).unwrap().decode().unwrap();
    assert_eq!(read, state);
    let mut map: Map<u8> = Map::from([("a", 1), ("a", 2)]);
    *map.entry("b").or_default() += 1;
    assert_eq!(map, [("a", 2), ("b", 1)].into());
    map.clear();
    assert!(map.is_empty());
}

#[test]
fn extra_fields_are_edited_like_maps() {
    let mut state = state().with_extra("own", 1).unwrap().with_extra("own", 2).unwrap();
    assert_eq!(state.extra().get("own").unwrap().as_str(), "2");
    let mut extra = state.extra_mut();
    assert_eq!(extra.insert("own", "three").unwrap(), Some(Json::from(2)));
    *extra.get_mut("own").unwrap() = Json::from(true);
    extra.entry("more").unwrap().or_insert(Json::from(1));
    for (_, value) in &mut extra {
        *value = Json::from(vec![value.clone()]);
    }
    assert_eq!(extra.remove("own").unwrap().as_str(), "[true]");
    assert_eq!(extra.len(), 1);
    // Fields of the protocol have a place of their own, under every name that readers take for them.
    for key in ["workflow_id", "agent_states", "timestamp"] {
        let error = extra.insert(key, 1).unwrap_err();
        assert_eq!(error.to_string(), format!("`{key}` is a field of its own; set it there"));
        assert!(extra.entry(key).is_err());
    }
    let text = Envelope::from(state.clone()).to_string();
    assert!(text.ends_with(r#""more":[1]}}"#), "{text}");
    let Message::WorkflowState(read) = text.parse::<Envelope>().unwrap().message else { panic!() };
    assert_eq!(*read, state);

    let at = Timestamp::from(noon());
    let (task, agent) = (TaskId::new("t1").unwrap(), AgentId::new("a1").unwrap());
    let mut event = Event::global(TaskStarted::new(task, agent, at).with_extra("n", 1).unwrap());
    event.data.extra_mut().insert("n", 2).unwrap();
    assert!(event.data.extra_mut().insert("task_id", "t2").is_err());
    assert!(event.to_string().ends_with(r#""n":2}"#), "{event}");
    let mut body = EventBody::new(event);
    body.extra_mut().insert("trace", "x").unwrap();
    assert!(body.extra_mut().insert("phase", "x").is_err());
    assert_eq!(body.extra_mut().remove("trace"), Some(Json::text("x")));
    let mut custom = UntypedData::new("SHIP_DONE").unwrap().with("n", 1).with("n", 2);
    custom.fields_mut().insert("m", 3).unwrap();
    assert_eq!(
        Event::global(Data::from(custom)).to_string(),
        r#"SHIP_DONE:global:global:{"n":2,"m":3}"#
    );
}
