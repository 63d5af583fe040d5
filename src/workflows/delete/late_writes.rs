//! Uploads that may still arrive when the access key is gone: AWS, [which is
//! eventually consistent][iam], keeps accepting a deleted key for a few seconds.
//!
//! [iam]: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html

use crate::access::only_reads;
use crate::aws::Run;
use crate::iam::{self, Policy};
use crate::removal::{Blocker, Removal};
use crate::step::Step;
use crate::workflows::holdings::Holdings;

/// Tells whether the person could upload to the folder, by the policies that the
/// steps remove; a policy that can't be read counts as allowing it. Makes no call where no key
/// is deleted or the folder stays, and for a policy that the plan has read.
pub(super) async fn could_write(run: &Run, steps: &[Step], holdings: Option<&Holdings>) -> bool {
    let empties_folder = steps.iter().any(|step| matches!(step, Step::EmptyFolder { .. }));
    if !empties_folder || !steps.iter().any(deletes_key) {
        return false;
    }
    for step in steps {
        let mut policy = match step {
            Step::Remove(Removal::Attachment(policy)) => {
                Policy::managed(policy.name.clone(), policy.arn.clone())
            }
            Step::Remove(Removal::InlinePolicy(name)) => Policy::inline(name.clone(), None),
            Step::Remove(Removal::Blocker(Blocker::Group(_))) => return true,
            _ => continue,
        };
        if let Some(known) = holdings.and_then(|holdings| holdings.text_of(&policy)) {
            policy.text = Some(known.to_owned());
        } else if iam::read_document(run, &mut policy).await.is_err() {
            return true;
        }
        if !policy.text_is(only_reads) {
            return true;
        }
    }
    false
}

/// True if these steps may finish an interrupted deletion: there is no key, since one
/// may have gone a moment ago.
pub(super) fn may_follow_deletion(steps: &[Step]) -> bool {
    let deletes_user = steps.iter().any(|it| matches!(it, Step::Remove(Removal::User(_))));
    deletes_user && !steps.iter().any(deletes_key)
}

fn deletes_key(step: &Step) -> bool {
    matches!(step, Step::Remove(Removal::AccessKey(_)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex, MutexGuard};
    use std::time::Duration;

    use aws_sdk_s3::config::http::{HttpRequest, HttpResponse};
    use aws_sdk_s3::primitives::SdkBody;
    use aws_smithy_runtime_api::client::http::{
        HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
    };
    use tokio::time::{Instant, sleep};
    use tokio_util::sync::CancellationToken;

    use super::super::{Content, Delete, Folder, apply};
    use crate::access::{Grant, PolicyDocument, Target};
    use crate::aws::{Aws, Run};
    use crate::iam::{Tags, User};
    use crate::removal::{Blocker, ManagedPolicy, Removal};
    use crate::s3::listing::{Depth, Page};
    use crate::step::Step;
    use crate::workflows::deleted::Deleted;
    use crate::workflows::holdings::Holdings;
    use crate::workflows::outcome::Failed;
    use crate::workflows::plan::{Plan, Preview};

    /// How long AWS accepts a key after it was deleted.
    const LATE: Duration = Duration::from_secs(4);

    /// An AWS without a network, so that its clock can be a paused one.
    #[derive(Debug, Clone)]
    struct FakeAws(Arc<Mutex<State>>);

    #[derive(Debug)]
    struct State {
        /// The user's policy; refused if there is none.
        policy: Option<String>,
        listing_takes: Duration,
        keys: BTreeSet<String>,
        key_deleted: Option<Instant>,
        user_deleted: Option<Instant>,
    }

    impl FakeAws {
        fn new(access: &str) -> Self {
            let grant = Grant {
                access: clap::ValueEnum::from_str(access, false).unwrap(),
                ..Grant::default()
            };
            let policy = PolicyDocument::new(&grant, &target(), "us-east-1");
            Self(Arc::new(Mutex::new(State {
                policy: Some(policy.to_json()),
                listing_takes: Duration::ZERO,
                keys: BTreeSet::new(),
                key_deleted: None,
                user_deleted: None,
            })))
        }

        fn state(&self) -> MutexGuard<'_, State> {
            self.0.lock().unwrap()
        }

        /// Uploads for as long as the key is accepted.
        async fn upload(self) {
            loop {
                sleep(Duration::from_millis(300)).await;
                let mut state = self.state();
                if state.key_deleted.is_some_and(|at| at.elapsed() > LATE) {
                    return;
                }
                let key = format!("alex/{:?}", Instant::now());
                state.keys.insert(key);
            }
        }

        async fn answer(&self, request: &HttpRequest) -> (u16, String) {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
            if request.uri().contains("list-type=2") {
                let wait = self.state().listing_takes;
                sleep(wait).await;
            }
            let mut state = self.state();
            let answer = if request.uri().contains("iam.") {
                let action = body.split(['=', '&']).nth(1).unwrap();
                let policy = state.policy.as_ref();
                match (action, policy) {
                    ("GetUser", _) => "<GetUserResponse><GetUserResult><User><Path>/</Path>\
                        <UserName>alex</UserName><UserId>AIDA</UserId><Arn>arn</Arn>\
                        <CreateDate>2026-01-01T00:00:00Z</CreateDate></User></GetUserResult>\
                        </GetUserResponse>"
                        .to_owned(),
                    ("GetPolicy", _) => {
                        "<GetPolicyResponse><GetPolicyResult><Policy><DefaultVersionId>v1\
                         </DefaultVersionId></Policy></GetPolicyResult></GetPolicyResponse>"
                            .to_owned()
                    }
                    ("GetPolicyVersion" | "GetUserPolicy", None) => {
                        let denied = "<Error><Code>AccessDenied</Code></Error>";
                        return (403, format!("<ErrorResponse>{denied}</ErrorResponse>"));
                    }
                    ("GetPolicyVersion", Some(policy)) => format!(
                        "<GetPolicyVersionResponse><GetPolicyVersionResult><PolicyVersion>\
                         <Document>{policy}</Document></PolicyVersion></GetPolicyVersionResult>\
                         </GetPolicyVersionResponse>"
                    ),
                    ("GetUserPolicy", Some(policy)) => format!(
                        "<GetUserPolicyResponse><GetUserPolicyResult><UserName>alex</UserName>\
                         <PolicyName>s3-access</PolicyName><PolicyDocument>{policy}\
                         </PolicyDocument></GetUserPolicyResult></GetUserPolicyResponse>"
                    ),
                    ("DeleteAccessKey", _) => {
                        state.key_deleted = Some(Instant::now());
                        String::new()
                    }
                    ("DeleteUser", _) => {
                        state.user_deleted = Some(Instant::now());
                        String::new()
                    }
                    ("ListUsers", _) => "<ListUsersResponse><ListUsersResult><IsTruncated>false\
                        </IsTruncated><Users/></ListUsersResult></ListUsersResponse>"
                        .to_owned(),
                    _ => String::new(),
                }
            } else if request.method() == "POST" {
                state.keys.retain(|key| !body.contains(key));
                "<DeleteResult/>".to_owned()
            } else if request.uri().contains("uploads") {
                listing("ListMultipartUploadsResult", "")
            } else {
                let keys = state.keys.iter();
                let keys = keys.map(|key| format!("<Contents><Key>{key}</Key></Contents>"));
                listing("ListBucketResult", &keys.collect::<String>())
            };
            (200, answer)
        }
    }

    impl HttpConnector for FakeAws {
        fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
            let aws = self.clone();
            HttpConnectorFuture::new(async move {
                let (status, body) = aws.answer(&request).await;
                let status = status.try_into().unwrap();
                Ok(HttpResponse::new(status, SdkBody::from(body)))
            })
        }
    }

    fn listing(root: &str, entries: &str) -> String {
        format!("<{root}><IsTruncated>false</IsTruncated>{entries}</{root}>")
    }

    fn target() -> Target {
        Target::new("shared".parse().unwrap(), "alex".parse().unwrap())
    }

    fn key() -> Step {
        Step::Remove(Removal::AccessKey("AKIA".to_owned()))
    }

    fn inline() -> Step {
        Step::Remove(Removal::InlinePolicy("s3-access".to_owned()))
    }

    fn managed() -> Step {
        Step::Remove(Removal::Attachment(ManagedPolicy {
            name: "s3-access-for-alex".to_owned(),
            arn: "arn".to_owned(),
        }))
    }

    fn group() -> Step {
        Step::Remove(Removal::Blocker(Blocker::Group("partners".to_owned())))
    }

    /// Deletes alex after what hangs on the user, and tells how long that took.
    async fn delete(
        aws: &FakeAws,
        belongings: &[Step],
        cancel: &CancellationToken,
    ) -> (Result<Deleted, Failed>, Duration) {
        let connector = SharedHttpConnector::new(aws.clone());
        let clients = Aws::answered_by(http_client_fn(move |_, _| connector.clone()));
        let run = Run::new(clients, target(), cancel.clone(), |_| {});
        let folder = Folder {
            depth: Depth::Objects,
            concurrency: 4,
            content: Content { count: 0, more: false, depth: Depth::Objects },
            first_page: Page::default(),
            versioning: None,
            will_leave_versions: false,
            versioning_is_unknown: false,
        };
        let user = User {
            name: "alex".to_owned(),
            id: "AIDA".to_owned(),
            arn: "arn".to_owned(),
            path: "/".to_owned(),
            tags: Tags::default(),
            created: None,
        };
        let holdings = Holdings::unread(&run, user);
        let rest = [folder.step(&run), Step::Remove(Removal::User("alex".to_owned()))];
        let plan = Plan {
            preview: Preview::new(&target(), [belongings, &rest].concat()),
            run,
            work: Delete { holdings: Some(holdings), folder: Some(folder), ..Delete::default() },
        };
        let start = Instant::now();
        (apply(&plan).await, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_arrives_with_a_deleted_key_goes_too() {
        for (access, policy) in [("read-write", inline()), ("write", managed())] {
            let aws = FakeAws::new(access);
            let uploads = tokio::spawn(aws.clone().upload());
            let (deleted, took) = delete(&aws, &[key(), policy], &Default::default()).await;
            assert_eq!(deleted.ok().unwrap().folder.objects, 13);
            assert_eq!(took.as_millis(), 5000);
            assert!(uploads.is_finished() && aws.state().keys.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn deletion_waits_for_whoever_may_have_uploaded() {
        for (access, belongings, seconds) in [
            (Some("read"), [key(), inline()].as_slice(), 0),
            (Some("read"), &[key(), managed()], 0),
            (Some("read"), &[key()], 0),
            // What it could do before it was interrupted, nothing tells any more.
            (Some("read-write"), &[inline()], 5),
            (Some("read"), &[], 5),
            (Some("read-write"), &[key(), key(), managed()], 5),
            (Some("read"), &[key(), managed(), group()], 5),
            (None, &[key(), inline()], 5),
            (None, &[key(), managed()], 5),
        ] {
            let aws = FakeAws::new(access.unwrap_or("read"));
            if access.is_none() {
                aws.state().policy = None;
            }
            let (deleted, took) = delete(&aws, belongings, &Default::default()).await;
            assert!(deleted.is_ok() && aws.state().user_deleted.is_some());
            assert_eq!(took.as_secs(), seconds, "{access:?} {belongings:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_where_emptying_took_that_long() {
        let aws = FakeAws::new("read-write");
        aws.state().listing_takes = Duration::from_secs(6);
        let uploads = tokio::spawn(aws.clone().upload());
        let (deleted, took) = delete(&aws, &[key(), inline()], &Default::default()).await;
        assert!(deleted.is_ok());
        // Three listings, the last of which began after the key was refused.
        assert_eq!(took.as_secs(), 18);
        assert!(uploads.is_finished() && aws.state().keys.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn interrupted_wait_ends_at_once_and_leaves_the_user() {
        let aws = FakeAws::new("write");
        let cancel = CancellationToken::new();
        let interrupt = async {
            sleep(Duration::from_secs(2)).await;
            cancel.cancel();
        };
        let belongings = [key(), inline()];
        let ((deleted, took), ()) = tokio::join!(delete(&aws, &belongings, &cancel), interrupt);
        let error = deleted.err().unwrap().error;
        assert!(matches!(error, crate::Error::Interrupted(_)), "{error}");
        assert_eq!(took.as_secs(), 2);
        assert_eq!(aws.state().user_deleted, None);
    }
}
