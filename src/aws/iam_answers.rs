//! Answers of IAM and STS that the SDK would misread: those that come from
//! somebody else, and those that a store writes in another form than AWS.

use aws_sdk_iam::config::interceptors::{
    AfterDeserializationInterceptorContextRef, FinalizerInterceptorContextMut, InterceptorContext,
};
use aws_sdk_iam::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_iam::error::BoxError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::body::SdkBody;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Lets no answer of IAM pass for a success that isn't one of IAM's: the SDK
/// reads none of it where nothing but success is to be told.
#[derive(Debug)]
pub(super) struct OnlyAnswersOfIam;

impl Intercept for OnlyAnswersOfIam {
    fn name(&self) -> &'static str {
        "only answers of IAM"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let Some(body) = response.body().bytes() else {
            // It could not be read, which is an error already.
            return Ok(());
        };
        let answer = String::from_utf8_lossy(body);
        if response.status().is_success() && !is_whole(&answer) {
            return Err("the answer is not one of IAM's".into());
        }
        Ok(())
    }
}

/// Whether an answer ends as those of IAM do.
fn is_whole(answer: &str) -> bool {
    answer.trim_end().ends_with("Response>")
}

/// Tries no more after HTTP 500 without a code, as some stores answer calls
/// that they don't know; AWS has a code even then.
#[derive(Debug)]
pub(super) struct GiveUpAfterCrash;

impl ClassifyRetry for GiveUpAfterCrash {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let crashed = context.response().is_some_and(|response| {
            let body = response.body().bytes().unwrap_or_default();
            let code = String::from_utf8_lossy(body);
            let code = code.split("<Code>").nth(1).unwrap_or("<");
            response.status().as_u16() == 500 && code.starts_with('<')
        });
        if crashed { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "give up after a crash"
    }
}

/// Has the SDK read an answer of another store once more in the form that AWS gives
/// it, if it has another one.
///
/// The order of elements means nothing in the [query protocol][query], but the
/// SDK takes the first child of an answer for its result: of Ceph's answers, some
/// of which begin with `ResponseMetadata`, it says that they can't be parsed. And
/// it looks for the code of an error only inside of an `ErrorResponse`.
///
/// [query]: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
#[derive(Debug)]
pub(super) struct ReadInFormOfAws;

impl Intercept for ReadInFormOfAws {
    fn name(&self) -> &'static str {
        "read in the form of AWS"
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(response) = context.response() else {
            return Ok(());
        };
        let body = response.body().bytes().unwrap_or_default();
        let answer = String::from_utf8_lossy(body);
        let rewritten = if !response.status().is_success() {
            in_envelope(&answer)
        } else if is_whole(&answer) {
            with_result_first(&answer)
        } else {
            None
        };
        let Some(body) = rewritten else {
            return Ok(());
        };
        let mut in_form = HttpResponse::new(response.status(), SdkBody::from(body));
        *in_form.headers_mut() = response.headers().clone();
        if let Some(read) = context.output_or_error_mut()
            && let Some(deserializer) = config.load::<SharedResponseDeserializer>()
        {
            *read = deserializer.deserialize_nonstreaming_with_config(&in_form, config);
        }
        Ok(())
    }
}

/// An error in the envelope that AWS gives it; none if it has that, or is no error.
fn in_envelope(answer: &str) -> Option<String> {
    let mut reader = Reader::from_str(answer);
    let (start, root) = root(&mut reader)?;
    let error = &answer[start..];
    (root == "Error").then(|| format!("<ErrorResponse>{error}</ErrorResponse>"))
}

/// An answer with its result first; none if that is so already, or it has none.
fn with_result_first(answer: &str) -> Option<String> {
    let mut reader = Reader::from_str(answer);
    root(&mut reader)?;
    let first = position(&reader);
    loop {
        let start = position(&reader);
        match reader.read_event().ok()? {
            Event::Start(child) => {
                reader.read_to_end(child.name()).ok()?;
                if child.name().as_ref().ends_with("Result") {
                    let end = position(&reader);
                    let (before, result) = (&answer[first..start], &answer[start..end]);
                    let has_elements_before = before.contains('<');
                    return has_elements_before.then(|| {
                        let (root, after) = (&answer[..first], &answer[end..]);
                        [root, result, before, after].concat()
                    });
                }
            }
            Event::End(_) | Event::Eof => return None,
            _ => {}
        }
    }
}

/// Where the root element starts, and its name.
fn root(reader: &mut Reader<&[u8]>) -> Option<(usize, String)> {
    loop {
        let start = position(reader);
        match reader.read_event().ok()? {
            Event::Start(root) => return Some((start, root.name().as_ref().to_owned())),
            Event::Empty(_) | Event::Eof => return None,
            _ => {}
        }
    }
}

/// How many bytes were read.
fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str =
        "<GetUserPolicyResult><PolicyName>a &lt; b</PolicyName></GetUserPolicyResult>";
    const METADATA: &str = "<ResponseMetadata><RequestId>1</RequestId><HostId/></ResponseMetadata>";

    #[test]
    fn result_comes_first_and_nothing_else_changes() {
        let answer = |children: &[&str]| {
            let children = children.concat();
            format!("<?xml version=\"1.0\"?>\n<X xmlns=\"https://x/\">{children}</X>")
        };
        for (children, in_order) in [
            ([METADATA, RESULT, ""], Some([RESULT, METADATA, ""])),
            (["\n", METADATA, RESULT], Some([RESULT, "\n", METADATA])),
            (["<Empty/>", RESULT, METADATA], Some([RESULT, "<Empty/>", METADATA])),
            ([RESULT, METADATA, ""], None),
            (["\n  ", RESULT, METADATA], None),
            ([METADATA, "", ""], None),
            (["", "", ""], None),
        ] {
            let expected = in_order.map(|children| answer(&children));
            assert_eq!(with_result_first(&answer(&children)), expected, "{children:?}");
        }
    }

    #[test]
    fn bare_error_gets_its_envelope() {
        let error = "<Error><Code>MethodNotAllowed</Code><Message></Message></Error>";
        let answer = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{error}");
        let expected = format!("<ErrorResponse>{error}</ErrorResponse>");
        assert_eq!(in_envelope(&answer), Some(expected.clone()));
        assert_eq!(in_envelope(&expected), None);
    }

    #[test]
    fn no_answer_is_made_of_what_is_none() {
        for answer in [
            "",
            "{}",
            "<html><body>Welcome<br></body></html>",
            "<X><ResponseMetadata><GetUserResult>",
            "<X><a></b></X>",
        ] {
            assert_eq!(with_result_first(answer), None, "{answer}");
            assert_eq!(in_envelope(answer), None, "{answer}");
        }
    }
}
