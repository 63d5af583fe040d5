//! Waiting until IAM, which is eventually consistent, knows of a change.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::AwsError;

/// Tries again while IAM, which is eventually consistent, answers with one of
/// `codes`: after 0.5 s, then doubling, for about a minute in all; half of that
/// if something isn't known, which is settled sooner or never.
///
/// Gives up early, with the last error, when cancelled.
pub(crate) async fn settle<T>(
    codes: &[&str],
    cancel: &CancellationToken,
    mut attempt: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let mut pause = Duration::from_millis(500);
    loop {
        let error = match attempt().await {
            Err(error) if codes.iter().any(|code| error.is(code)) => error,
            settled => return settled,
        };
        let most = if error.is("NoSuchEntity") { 16 } else { 32 };
        let waited = cancel.run_until_cancelled(tokio::time::sleep(pause));
        if pause.as_secs() > most || waited.await.is_none() {
            return Err(error);
        }
        pause *= 2;
    }
}

/// Asks again while the answer isn't what it should be soon: after 0.5 s, then
/// doubling, for about 8 seconds in all. Returns the last answer.
pub(crate) async fn wait_for<T>(
    is_there: impl Fn(&T) -> bool,
    mut ask: impl AsyncFnMut() -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    let mut pause = Duration::from_millis(500);
    loop {
        let answer = ask().await?;
        if is_there(&answer) || pause.as_secs() >= 8 {
            return Ok(answer);
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
