//! From the tables to schemas.

use super::leaf;
use crate::event::{Category, EventType, FieldType, Registry};
use crate::message::{MemberSpec, MessageKind, ObjectSpec, Requirement, Shape};
use crate::spec::{REPEATED, Role};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// Writes schemas, and takes down the definitions that they refer to.
pub(super) struct Writer<'r, 'g> {
    registry: &'r Registry,
    /// Has the definitions of values without fields.
    generator: &'g mut SchemaGenerator,
    objects: Objects,
}

/// Where the definitions of objects are.
enum Objects {
    /// Here, by name.
    Own(Map<String, Value>),
    /// In the generator of a user's schema, by type; the function finds the type of an object.
    OfTypes(fn(&ObjectSpec, &mut SchemaGenerator) -> Schema),
}

impl<'r, 'g> Writer<'r, 'g> {
    pub(super) fn new(registry: &'r Registry, generator: &'g mut SchemaGenerator) -> Self {
        Writer { registry, generator, objects: Objects::Own(Map::new()) }
    }

    /// Writes into a schema of the user's, where definitions go by type.
    pub(super) fn embedded(
        registry: &'r Registry,
        generator: &'g mut SchemaGenerator,
        refer: fn(&ObjectSpec, &mut SchemaGenerator) -> Schema,
    ) -> Self {
        Writer { registry, generator, objects: Objects::OfTypes(refer) }
    }

    pub(super) fn into_definitions(self) -> Map<String, Value> {
        match self.objects {
            Objects::Own(objects) => objects,
            Objects::OfTypes(_) => Map::new(),
        }
    }

    /// An object of the table.
    pub(super) fn object(&mut self, spec: &'static ObjectSpec) -> Schema {
        let mut schema = self.members(spec);
        match spec.role {
            Role::Envelope => self.one_body(spec, &mut schema),
            Role::Event => self.data_by_type(&mut schema),
            Role::AllocationResponse => {
                // The reader's finding `misplaced-field`.
                if let Some(Value::Object(properties)) = schema.get_mut("properties") {
                    let said = "It belongs into `allocated_resources`.";
                    let never = json!({ "description": said, "not": {} });
                    properties.insert("allocation_id".to_owned(), never);
                }
            }
            Role::Plain | Role::Flat | Role::Data => {}
        }
        schema
    }

    fn members(&mut self, spec: &'static ObjectSpec) -> Schema {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for member in known(spec, self.registry) {
            let mut value = self.shape(&member.shape);
            if !member.summary.is_empty() {
                value.insert("description".to_owned(), member.summary.into());
            }
            properties.insert(member.name.to_owned(), value.to_value());
            if matches!(member.requirement, Requirement::Essential | Requirement::Required) {
                required.push(member.name);
            }
        }
        for (alias, _) in spec.aliases {
            // Readers of real-world messages take it for the other name; writers never use it.
            properties.insert((*alias).to_owned(), json!({ "not": {} }));
        }
        let mut schema = json_schema!({
            "title": spec.name,
            "description": spec.summary,
            "type": "object",
            "properties": properties,
        });
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        schema
    }

    fn one_body(&self, spec: &'static ObjectSpec, schema: &mut Schema) {
        let bodies: Vec<Value> = known(spec, self.registry)
            .filter(|member| MessageKind::lookup(member.name).is_some())
            // Named again in the branch: strict validators refuse to require what is not there.
            .map(|member| json!({ "properties": { member.name: true }, "required": [member.name] }))
            .collect();
        schema.insert("oneOf".to_owned(), bodies.into());
    }

    /// The types that the registry knows, and the data of each.
    fn data_by_type(&mut self, schema: &mut Schema) {
        let names = self.type_names();
        let data: Vec<Value> = names
            .iter()
            .filter_map(|name| {
                let data = self.payload(name)?;
                Some(json!({
                    "if": { "properties": { "event_type": { "const": name } } },
                    "then": { "properties": { "data": data } },
                }))
            })
            .collect();
        if let Some(Value::Object(event_type)) = schema.pointer_mut("/properties/event_type") {
            event_type.insert("enum".to_owned(), names.into());
        }
        schema.insert("allOf".to_owned(), data.into());
    }

    fn type_names(&self) -> Vec<&'r str> {
        let types = EventType::ALL.iter().map(|kind| kind.as_str());
        let custom = self.registry.custom().map(|custom| &*custom.name);
        types.filter(|name| self.registry.knows(name)).chain(custom).collect()
    }

    /// The data of an event type; `None` if the registry does not know it.
    pub(super) fn payload(&mut self, name: &str) -> Option<Schema> {
        let kind = EventType::lookup(name);
        let mut properties = Map::new();
        let mut names = Vec::new();
        for (key, field_type) in self.registry.required(name)? {
            let value = match kind.and_then(|kind| kind.spec().embedded(key)) {
                Some(document) => self.refer(document),
                None => leaf::schema(field_type, self.generator),
            };
            properties.insert(key.to_owned(), value.to_value());
            names.push(key);
        }
        for (member, number) in REPEATED {
            // What it says has to be that of the header, which no schema can tell.
            let text = json!({ "type": "string" });
            let kinds =
                if number { json!({ "anyOf": [text, { "type": "number" }] }) } else { text };
            properties.entry(member.name).or_insert(kinds);
        }
        let mut schema = json_schema!({
            "title": name,
            "type": "object",
            "required": names,
            "properties": properties,
        });
        if let Some(kind) = kind {
            schema.insert("description".to_owned(), kind.spec().summary.into());
        }
        Some(schema)
    }

    fn shape(&mut self, shape: &Shape) -> Schema {
        match shape {
            Shape::Leaf(leaf) => leaf::schema(*leaf, self.generator),
            Shape::Object(spec) => self.refer(spec),
            Shape::List(of) => json_schema!({ "type": "array", "items": self.shape(of) }),
            Shape::Map(of) => {
                json_schema!({ "type": "object", "additionalProperties": self.shape(of) })
            }
        }
    }

    /// A reference to the definition of an object, which is made on the way.
    fn refer(&mut self, spec: &'static ObjectSpec) -> Schema {
        let known = match &self.objects {
            Objects::OfTypes(refer) => return refer(spec, self.generator),
            Objects::Own(objects) => objects.contains_key(spec.name),
        };
        if !known {
            let schema = self.object(spec).to_value();
            if let Objects::Own(objects) = &mut self.objects {
                objects.insert(spec.name.to_owned(), schema);
            }
        }
        Schema::new_ref(format!("#/$defs/{}", spec.name))
    }

    /// The rows that `coord registry` prints.
    pub(super) fn registry(&mut self) -> Schema {
        let types = EventType::ALL.iter().filter(|kind| self.registry.knows(kind.as_str()));
        let types: Vec<&str> = types.map(|kind| kind.as_str()).collect();
        let categories: Vec<&str> = Category::KNOWN.iter().map(Category::as_str).collect();
        let kinds: Vec<&str> = FieldType::ALL.iter().map(|kind| kind.as_str()).collect();
        let since = leaf::schema(FieldType::ProtocolVersion, self.generator);
        json_schema!({
            "title": "Registry",
            "description": "The registered event types.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "category", "since", "required", "routing"],
                "properties": {
                    "type": { "description": "The type.", "enum": types },
                    "category": { "description": "What its events are about.", "enum": categories },
                    "since": since,
                    "required": {
                        "description": "Its required data, in the order of a canonical line.",
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name", "type"],
                            "properties": {
                                "name": { "description": "The key.", "type": "string" },
                                "type": { "description": "The type of its value.", "enum": kinds },
                            },
                        },
                    },
                    "routing": {
                        "description": "The pattern that selects it in every workflow.",
                        "type": "string",
                    },
                },
            },
        })
    }
}

/// The members that the protocol version has.
fn known<'r>(
    spec: &'static ObjectSpec,
    registry: &'r Registry,
) -> impl Iterator<Item = &'static MemberSpec> + use<'r> {
    spec.members.iter().filter(|member| member.since <= registry.version())
}
