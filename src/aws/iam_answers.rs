//! Answers of IAM and STS that the SDK would misread: those that come from
//! somebody else, and those that a store writes in another form than AWS.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use quick_xml::Reader;
use quick_xml::events::Event;

/// False if the answer reports success but is not one of IAM's. The SDK wouldn't notice:
/// it doesn't read the answer to a call that returns nothing.
pub(super) fn is_of_iam(response: &HttpResponse) -> bool {
    // A body that could not be read is an error already.
    !response.status().is_success()
        || response.body().bytes().is_none_or(|body| is_whole(&String::from_utf8_lossy(body)))
}

/// True if an answer ends as those of IAM do.
fn is_whole(answer: &str) -> bool {
    answer.trim_end().ends_with("Response>")
}

/// Returns the body of another store's answer in the form that AWS gives it, if it has
/// another one.
///
/// The order of elements means nothing in the [query protocol][query], but the
/// SDK takes the first child of an answer for its result: of Ceph's answers, some
/// of which begin with `ResponseMetadata`, it says that they can't be parsed. And
/// it looks for the code of an error only inside of an `ErrorResponse`.
///
/// [query]: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
pub(super) fn in_form_of_aws(response: &HttpResponse) -> Option<String> {
    let answer = String::from_utf8_lossy(response.body().bytes()?);
    if !response.status().is_success() {
        in_envelope(&answer)
    } else if is_whole(&answer) {
        with_result_first(&answer)
    } else {
        None
    }
}

/// Puts an error into the envelope that AWS gives it. Returns `None` if it has that, or
/// is no error.
fn in_envelope(answer: &str) -> Option<String> {
    let mut reader = Reader::from_str(answer);
    let (start, root) = root(&mut reader)?;
    let error = &answer[start..];
    (root == "Error").then(|| format!("<ErrorResponse>{error}</ErrorResponse>"))
}

/// Puts the result of an answer first. Returns `None` if that is so already, or it has
/// none.
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
                    let before = &answer[first..start];
                    let has_elements_before = before.contains('<');
                    return has_elements_before.then(|| {
                        [&answer[..first], &answer[start..end], before, &answer[end..]].concat()
                    });
                }
            }
            Event::End(_) | Event::Eof => return None,
            _ => {}
        }
    }
}

/// Reads up to the root element. Returns its start and its name.
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

/// Returns how many bytes were read.
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
