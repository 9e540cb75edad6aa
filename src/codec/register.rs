//! Registering event types of one's own.

use super::error::BuildError;
use crate::scalar::id;
use crate::spec::{Category, CustomField, CustomType, FieldType, Registry};

impl Registry {
    /// Adds a type of your own with its required fields.
    ///
    /// ```
    /// use coordination_protocol::event::{Category, FieldType, Registry};
    ///
    /// let registry = Registry::default()
    ///     .with_type("DEPLOY_FINISHED", Category::new("deploy")?, [("target", FieldType::Text)])?;
    /// assert!(registry.knows("DEPLOY_FINISHED"));
    /// assert!(registry.with_type("TASK_FAILED", Category::Task, []).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError`] if the name is taken or no identifier, or a field is there twice, or there are
    /// more of them than [`MAX_REQUIRED`](Self::MAX_REQUIRED).
    pub fn with_type<'k>(
        mut self,
        name: &str,
        category: Category,
        required: impl IntoIterator<Item = (&'k str, FieldType)>,
    ) -> Result<Self, BuildError> {
        id::check(name).map_err(|error| BuildError::Name { name: name.to_owned(), error })?;
        if self.has(name) {
            return Err(BuildError::Taken(name.to_owned()));
        }
        let mut fields: Vec<CustomField> = Vec::new();
        for (key, field_type) in required {
            if fields.iter().any(|earlier| earlier.name == key) {
                let (name, key) = (name.to_owned(), key.to_owned());
                return Err(BuildError::RepeatedKey { name, key });
            }
            fields.push(CustomField { name: key.to_owned(), field_type });
        }
        if fields.len() > Self::MAX_REQUIRED {
            return Err(BuildError::TooManyKeys { name: name.to_owned(), count: fields.len() });
        }
        self.insert(CustomType { name: name.to_owned(), category, required: fields });
        Ok(self)
    }
}
