//! The envelope of every event: CloudEvents 1.0 in JSON, keyed by aggregate.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

crate::typed_id!(
    /// Identifies one event; consumers dedupe by it.
    EventId,
    "evt"
);

/// A CloudEvent. `data` stays raw until a consumer that knows the type decodes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Envelope {
    /// Always `1.0`.
    pub specversion: std::borrow::Cow<'static, str>,
    /// Unique; the same event delivered twice has the same id.
    pub id: EventId,
    /// The service that published it: `/jangteo/order`.
    pub source: String,
    /// Past tense: `order.placed`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Names the schema and its version: `/schemas/order.placed/1`.
    pub dataschema: String,
    /// The aggregate: events of one subject stay in order.
    pub subject: String,
    /// When it happened.
    pub time: jiff::Timestamp,
    /// W3C trace context of the request or event that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Always `application/json`.
    pub datacontenttype: std::borrow::Cow<'static, str>,
    /// The event itself.
    pub data: Box<RawValue>,
}

/// A closed set of event types that one service publishes on one topic. Use [`crate::events!`] to declare it.
pub trait Event: Sized + Send + Sync + 'static {
    /// The topic that carries them: `order.events`.
    const TOPIC: &'static str;
    /// The CloudEvents source: `/jangteo/order`.
    const SOURCE: &'static str;
    /// All types with their schema versions.
    const TYPES: &'static [(&'static str, u32)];
    /// Past tense: `order.placed`.
    fn event_type(&self) -> &'static str;
    /// The schema version of this type.
    fn schema_version(&self) -> u32;
    /// The event as JSON.
    fn to_data(&self) -> Result<Box<RawValue>, serde_json::Error>;
    /// Decodes by type; `None` for a type that this version does not know, which a consumer skips.
    fn from_parts(event_type: &str, data: &RawValue) -> Result<Option<Self>, serde_json::Error>;

    /// Wraps the event for the bus.
    fn seal(
        &self,
        id: EventId,
        subject: String,
        time: jiff::Timestamp,
        traceparent: Option<String>,
    ) -> Result<Envelope, serde_json::Error> {
        Ok(Envelope {
            specversion: "1.0".into(),
            id,
            source: Self::SOURCE.to_owned(),
            event_type: self.event_type().to_owned(),
            dataschema: format!("/schemas/{}/{}", self.event_type(), self.schema_version()),
            subject,
            time,
            traceparent,
            datacontenttype: "application/json".into(),
            data: self.to_data()?,
        })
    }

    /// Opens an envelope; `None` for an unknown type.
    fn open(envelope: &Envelope) -> Result<Option<Self>, serde_json::Error> {
        Self::from_parts(&envelope.event_type, &envelope.data)
    }
}

#[doc(hidden)]
pub fn encode<T: Serialize>(data: &T) -> Result<Box<RawValue>, serde_json::Error> {
    serde_json::value::to_raw_value(data)
}

#[doc(hidden)]
pub fn decode<T: DeserializeOwned>(data: &RawValue) -> Result<T, serde_json::Error> {
    serde_json::from_str(data.get())
}

/// Declares the events of a service: the enum, its topic, and type name and schema version per variant.
#[macro_export]
macro_rules! events {
    ($(#[$doc:meta])* $name:ident on $topic:literal from $source:literal {
        $($(#[$variant_doc:meta])* $variant:ident($data:ty) = $event_type:literal / $version:literal),+ $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub enum $name {
            $($(#[$variant_doc])* $variant($data)),+
        }

        impl $crate::event::Event for $name {
            const TOPIC: &'static str = $topic;
            const SOURCE: &'static str = $source;
            const TYPES: &'static [(&'static str, u32)] = &[$(($event_type, $version)),+];

            fn event_type(&self) -> &'static str {
                match self { $(Self::$variant(_) => $event_type),+ }
            }

            fn schema_version(&self) -> u32 {
                match self { $(Self::$variant(_) => $version),+ }
            }

            fn to_data(&self) -> Result<Box<serde_json::value::RawValue>, serde_json::Error> {
                match self { $(Self::$variant(data) => $crate::event::encode(data)),+ }
            }

            fn from_parts(
                event_type: &str,
                data: &serde_json::value::RawValue,
            ) -> Result<Option<Self>, serde_json::Error> {
                match event_type {
                    $($event_type => $crate::event::decode(data).map(|data| Some(Self::$variant(data))),)+
                    _ => Ok(None),
                }
            }
        }
    };
}
