//! Where logs go: every event of this crate, at the asked level, through the console. Nothing of
//! other crates, whose events could hold secrets.

use super::Console;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Span, Subscriber, error_span, info};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Installs the log for this process; its first line is what `--version` prints. A log that is there
/// already stays: whoever uses this as a library has its own.
pub fn start(console: &Arc<Console>, level: Level) {
    let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    let to_console = ToConsole(Arc::clone(console)).with_filter(ours);
    let _ = tracing_subscriber::registry().with(to_console).try_init();
    info!("manifest-action {}", env!("CARGO_PKG_VERSION"));
}

/// What is logged in this span begins with the name of a list.
pub fn span_of(list: &str) -> Span {
    error_span!("list", message = %list)
}

struct ToConsole(Arc<Console>);

impl<S: Subscriber + for<'span> LookupSpan<'span>> Layer<S> for ToConsole {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut name = Message(String::new());
        attributes.record(&mut name);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(name);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut message = Message(String::new());
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Message(name)) = span.extensions().get::<Message>() {
                // Writing to a string cannot fail.
                let _ = write!(message.0, "{name} | ");
            }
        }
        event.record(&mut message);
        let level = *event.metadata().level();
        match level {
            Level::INFO => self.0.line(&message.0),
            Level::WARN => self.0.warning(&message.0),
            _ => self.0.line(&format!("{}: {}", level.as_str().to_ascii_lowercase(), message.0)),
        }
    }
}

struct Message(String);

impl Visit for Message {
    #[expect(clippy::use_debug, reason = "tracing hands values over as nothing else")]
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
    }
}
