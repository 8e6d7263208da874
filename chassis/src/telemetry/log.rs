//! Log lines on standard error, each with the trace it belongs to.

use std::{fmt, io::IsTerminal as _};

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{self, Writer},
    },
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

use super::{LogFormat, TelemetryConfig, TelemetryError};
use crate::trace;

pub(super) fn install(config: &TelemetryConfig) -> Result<(), TelemetryError> {
    let subscriber = subscriber(config, std::io::stderr().is_terminal(), std::io::stderr)?;
    subscriber.try_init().map_err(|error| TelemetryError::Twice(error.to_string()))
}

pub(super) fn subscriber<W>(
    config: &TelemetryConfig,
    colours: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&config.log)
        .map_err(|error| TelemetryError::Filter { filter: config.log.clone(), reason: error.to_string() })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match config.format {
        LogFormat::Text => {
            let lines = TextWithTrace(format::format().with_ansi(colours));
            Box::new(builder.with_ansi(colours).event_format(lines).finish())
        }
        LogFormat::Json => {
            let lines = JsonWithTrace(format::format().json().flatten_event(true));
            Box::new(builder.with_ansi(false).fmt_fields(format::JsonFields::new()).event_format(lines).finish())
        }
    })
}

/// Writes the trace id behind the line. A span per request would say it too, at a cost that every request pays
/// whether it logs or not.
struct TextWithTrace<F>(F);

impl<S, N, F> FormatEvent<S, N> for TextWithTrace<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(trace) = trace::current() else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writeln!(writer, "{} trace={}", line.trim_end(), trace.trace_id())
    }
}

/// Puts `trace_id` into the object.
struct JsonWithTrace<F>(F);

impl<S, N, F> FormatEvent<S, N> for JsonWithTrace<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let Some(trace) = trace::current() else { return self.0.format_event(context, writer, event) };
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => write!(writer, "{{\"trace_id\":\"{}\",{rest}", trace.trace_id()),
            None => writer.write_str(&line),
        }
    }
}
