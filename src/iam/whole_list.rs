//! Lists of IAM, which come by the page.

use crate::aws::{Aws, AwsError, SdkResult, ServiceError};

/// The most entries that a page may have: as many as IAM takes.
pub(super) const PAGE: i32 = 1000;
/// More pages than any list has: an account of AWS has at most 5,000 users.
const MOST_PAGES: usize = 500;

/// A page of a list.
pub(super) struct ListPage<T> {
    pub items: Vec<T>,
    /// True if the list goes on.
    pub is_truncated: bool,
    /// The place where it goes on.
    pub marker: Option<String>,
}

/// Reads a list to its end, page by page from a marker; a list without an end is an
/// error, since what it leaves out would count as not there.
///
/// The SDK's paginators stop, without a word, where a page says that the list goes on
/// but names no place or the same one again.
pub(super) async fn whole_list<T, E: ServiceError>(
    aws: &Aws,
    operation: &'static str,
    mut page: impl AsyncFnMut(Option<String>) -> SdkResult<ListPage<T>, E>,
) -> Result<Vec<T>, AwsError> {
    let mut items = Vec::new();
    let mut marker = None;
    for _ in 0..MOST_PAGES {
        // Boxed, as several lists at once would be more than a small stack takes.
        let answer = aws.call_iam(operation, async || Box::pin(page(marker.clone())).await);
        let found = answer.await?;
        items.extend(found.items);
        match found.marker {
            Some(next) if !next.is_empty() && marker.as_ref() != Some(&next) => marker = Some(next),
            _ if found.is_truncated => break,
            _ => return Ok(items),
        }
    }
    Err(AwsError::without_end(operation))
}

/// Reads the whole list that a request asks for: what its pages have in this field.
macro_rules! all_of {
    ($aws:expr, $operation:expr, $list:expr, $items:ident) => {
        $crate::iam::whole_list::whole_list($aws, $operation, async |marker| {
            let page = $list.clone().set_marker(marker).send().await;
            page.map(|page| $crate::iam::whole_list::ListPage {
                items: page.$items().to_vec(),
                is_truncated: page.is_truncated,
                marker: page.marker,
            })
        })
    };
}

pub(super) use all_of;
