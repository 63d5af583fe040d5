//! How far this machine's clock is ahead of the server's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_iam::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_sdk_iam::primitives::{DateTime, DateTimeFormat};
use jiff::{SignedDuration, Timestamp};

/// Compares the date of each answer with this machine's clock: one that is a few
/// minutes off is refused by no server.
///
/// Clones share what is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    /// How many seconds it is ahead, by the latest answer; negative if it is behind.
    ahead: Arc<AtomicI64>,
}

impl Clock {
    /// The time by this machine's clock, or by the server's where that is earlier.
    pub fn earlier_now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed).max(0);
        Timestamp::now() - SignedDuration::from_secs(ahead)
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").unwrap_or_default();
        if let Ok(theirs) = DateTime::from_str(date, DateTimeFormat::HttpDate) {
            let ahead = Timestamp::now().as_second() - theirs.secs();
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        Ok(())
    }
}
