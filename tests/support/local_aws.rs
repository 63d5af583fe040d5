//! IAM, STS and S3 on a loopback port, with signatures checked and policies
//! enforced as AWS does it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockRetentionMode, ObjectLockRule, ObjectOwnership, VersioningConfiguration,
};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use bytes::Bytes;
use fakecloud_core::auth::{ConditionContext, IamAction, IamMode, IamPolicyEvaluator};
use fakecloud_core::delivery::DeliveryBus;
use fakecloud_core::dispatch::{self, DispatchConfig};
use fakecloud_core::multi_account::MultiAccountState;
use fakecloud_core::registry::ServiceRegistry;
use fakecloud_core::service::{AwsRequest, AwsResponse, AwsService, AwsServiceError};
use fakecloud_iam::credential_resolver::IamCredentialResolver;
use fakecloud_iam::iam_service::IamService;
use fakecloud_iam::policy_evaluator::IamPolicyEvaluatorImpl;
use fakecloud_iam::sts_service::StsService;
use fakecloud_iam::{IamState, SharedIamState};
use fakecloud_s3::resource_policy::S3ResourcePolicyProvider;
use fakecloud_s3::{S3Bucket, S3Object, S3Service, SharedS3State};
use parking_lot::{Mutex, RwLock};
use percent_encoding::percent_decode_str;

use super::faults::{Call, Faults};
use super::policies::Policies;

/// The one account of the local AWS.
pub const ACCOUNT: &str = "123456789012";

/// A policy that allows everything.
pub const ALLOW_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

const REGION: &str = "us-east-1";

/// A running local AWS; it stops with the process.
pub struct LocalAws {
    pub url: String,
    /// What goes wrong, and what was called.
    pub faults: Arc<Faults>,
    /// Keys that DeleteObjects answers with AccessDenied.
    pub undeletable: Arc<Mutex<HashSet<String>>>,
    /// Access key ID and secret of an IAM user who may do everything.
    pub admin: (String, String),
    iam_mode: IamMode,
    iam: SharedIamState,
    s3: SharedS3State,
    /// One without TLS, and so without reading certificates for each client.
    pub http: SharedHttpClient,
}

impl LocalAws {
    /// Starts one on a free port, with an admin and nothing else in it.
    pub async fn start() -> Self {
        Self::start_in(IamMode::Strict).await
    }

    /// Starts one that takes policies and lets everybody do everything.
    pub async fn start_without_enforcement() -> Self {
        Self::start_in(IamMode::Off).await
    }

    async fn start_in(iam_mode: IamMode) -> Self {
        let mut aws = Self::start_empty(iam_mode).await;
        aws.admin = aws.add_user("admin", ALLOW_ALL).await;
        aws.faults.forget();
        aws
    }

    /// Starts another one with the same users and buckets in it, far sooner
    /// than they could be made again.
    pub async fn copy(&self) -> Self {
        let mut copy = Self::start_empty(self.iam_mode).await;
        copy.admin = self.admin.clone();
        *copy.iam.write() = self.iam.read().clone();
        let buckets = self.s3.read().get(ACCOUNT).unwrap().buckets.clone();
        copy.s3.write().get_mut(ACCOUNT).unwrap().buckets = buckets;
        copy
    }

    async fn start_empty(iam_mode: IamMode) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let iam: SharedIamState =
            Arc::new(RwLock::new(MultiAccountState::new(ACCOUNT, REGION, &url)));
        let s3: SharedS3State =
            Arc::new(RwLock::new(MultiAccountState::new(ACCOUNT, REGION, &url)));
        let undeletable = Arc::new(Mutex::new(HashSet::new()));
        let policies = IamPolicyEvaluatorImpl::shared(iam.clone());
        let policies: Arc<dyn IamPolicyEvaluator> = Arc::new(Policies(policies));

        let mut registry = ServiceRegistry::new();
        registry.register(Arc::new(Iam(IamService::new(iam.clone()), iam.clone())));
        registry.register(Arc::new(StsService::new(iam.clone())));
        registry.register(Arc::new(S3 {
            inner: S3Service::new(s3.clone(), Arc::new(DeliveryBus::new())),
            state: s3.clone(),
            policies: (iam_mode == IamMode::Strict).then(|| policies.clone()),
            undeletable: undeletable.clone(),
        }));
        let mut config = DispatchConfig::new(REGION, ACCOUNT);
        config.verify_sigv4 = true;
        config.iam_mode = iam_mode;
        config.credential_resolver = Some(IamCredentialResolver::shared(iam.clone()));
        config.policy_evaluator = Some(policies);
        config.resource_policy_provider = Some(S3ResourcePolicyProvider::shared(s3.clone()));

        let faults = Arc::new(Faults::default());
        let router = Router::new()
            .fallback(dispatch::dispatch)
            .layer(Extension(Arc::new(registry)))
            .layer(Extension(Arc::new(config)))
            .layer(from_fn_with_state((faults.clone(), s3.clone()), intercept))
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, router).await });

        Self {
            url,
            faults,
            undeletable,
            admin: ("test".to_owned(), "test".to_owned()),
            iam_mode,
            iam,
            s3,
            http: aws_smithy_http_client::Builder::new().build_http(),
        }
    }

    /// Makes an IAM user with an inline policy, and returns its access key.
    pub async fn add_user(&self, name: &str, policy: &str) -> (String, String) {
        let iam = self.iam_client();
        iam.create_user().user_name(name).send().await.unwrap();
        let put = iam.put_user_policy().user_name(name).policy_name("given");
        put.policy_document(policy).send().await.unwrap();
        let key = iam.create_access_key().user_name(name).send().await.unwrap();
        let key = key.access_key.unwrap();
        (key.access_key_id, key.secret_access_key)
    }

    /// The admin's IAM client.
    pub fn iam_client(&self) -> aws_sdk_iam::Client {
        self.iam_client_of(&self.admin)
    }

    pub fn iam_client_of(&self, key: &(String, String)) -> aws_sdk_iam::Client {
        let config = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(&self.url)
            .http_client(self.http.clone())
            .credentials_provider(Credentials::new(&key.0, &key.1, None, None, "test"));
        aws_sdk_iam::Client::from_conf(config.build())
    }

    /// The admin's S3 client.
    pub fn s3_client(&self) -> aws_sdk_s3::Client {
        self.s3_client_of(&self.admin)
    }

    pub fn s3_client_of(&self, key: &(String, String)) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(&self.url)
            .http_client(self.http.clone())
            .force_path_style(true)
            .credentials_provider(Credentials::new(&key.0, &key.1, None, None, "test"));
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Temporary credentials of a role, if the admin may assume it.
    pub async fn session_in_role(
        &self,
        arn: &str,
        external_id: Option<&str>,
    ) -> Option<aws_sdk_sts::types::Credentials> {
        let (id, secret) = &self.admin;
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(REGION))
            .endpoint_url(&self.url)
            .http_client(self.http.clone())
            .credentials_provider(Credentials::new(id, secret, None, None, "test"));
        let sts = aws_sdk_sts::Client::from_conf(config.build());
        let assume = sts.assume_role().role_arn(arn).role_session_name("test");
        let assume = assume.set_external_id(external_id.map(str::to_owned));
        assume.send().await.ok()?.credentials
    }

    /// An S3 client with temporary credentials of a role, if the admin may assume it.
    pub async fn s3_client_in_role(
        &self,
        arn: &str,
        external_id: &str,
    ) -> Option<aws_sdk_s3::Client> {
        let given = self.session_in_role(arn, Some(external_id)).await?;
        let (id, secret) = (given.access_key_id, given.secret_access_key);
        let credentials = Credentials::new(id, secret, Some(given.session_token), None, "test");
        let config = self.s3_client().config().to_builder();
        let config = config.credentials_provider(credentials).build();
        Some(aws_sdk_s3::Client::from_conf(config))
    }

    /// Makes a bucket with an object for each key; the key is also its content.
    /// It takes no ACLs, as buckets that AWS makes.
    pub async fn add_bucket(&self, bucket: &str, keys: &[&str]) {
        let create = self.s3_client().create_bucket().bucket(bucket);
        let create = create.object_ownership(ObjectOwnership::BucketOwnerEnforced);
        create.send().await.unwrap();
        for key in keys {
            self.put(bucket, key).await;
        }
        self.faults.forget();
    }

    pub async fn put(&self, bucket: &str, key: &str) {
        let body = key.as_bytes().to_vec().into();
        let put = self.s3_client().put_object().bucket(bucket).key(key).body(body);
        put.send().await.unwrap();
    }

    /// Makes many objects at once, as copies of one that is there.
    pub fn put_many(&self, bucket: &str, keys: impl IntoIterator<Item = String>) {
        let mut s3 = self.s3.write();
        let objects = &mut s3.get_mut(ACCOUNT).unwrap().buckets.get_mut(bucket).unwrap().objects;
        let model = objects.values().next().unwrap().clone();
        for key in keys {
            let object = S3Object { key: key.clone(), ..model.clone() };
            objects.insert(key, object);
        }
    }

    /// Has the bucket keep every version of its objects.
    pub async fn keep_versions(&self, bucket: &str) {
        let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
        let put = self.s3_client().put_bucket_versioning().bucket(bucket);
        let put = put.versioning_configuration(enabled.build());
        put.send().await.unwrap();
    }

    /// Has the bucket keep no more versions than it has.
    pub async fn suspend_versions(&self, bucket: &str) {
        let suspended = VersioningConfiguration::builder();
        let suspended = suspended.status(BucketVersioningStatus::Suspended).build();
        let put = self.s3_client().put_bucket_versioning().bucket(bucket);
        let put = put.versioning_configuration(suspended);
        put.send().await.unwrap();
    }

    /// Makes a bucket that locks each new object for a day.
    pub async fn add_locking_bucket(&self, bucket: &str) {
        let s3 = self.s3_client();
        let create = s3.create_bucket().bucket(bucket);
        let create = create.object_lock_enabled_for_bucket(true);
        create.send().await.unwrap();
        let retention =
            DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(1);
        let rule = ObjectLockRule::builder().default_retention(retention.build());
        let lock = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(rule.build());
        let put = s3.put_object_lock_configuration().bucket(bucket);
        let put = put.object_lock_configuration(lock.build());
        put.send().await.unwrap();
        self.faults.forget();
    }

    /// Makes the bucket answer only to requests signed for this region.
    pub fn move_bucket(&self, bucket: &str, region: &str) {
        let mut s3 = self.s3.write();
        s3.get_mut(ACCOUNT).unwrap().buckets.get_mut(bucket).unwrap().region = region.to_owned();
    }

    /// The keys of all objects in the bucket, in order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.bucket(bucket, |bucket| bucket.objects.keys().cloned().collect())
    }

    /// The keys of all versions and delete markers under a prefix.
    pub async fn versions(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let list = self.s3_client().list_object_versions();
        let list = list.bucket(bucket).prefix(prefix);
        let answer = list.send().await.unwrap();
        let versions = answer.versions().iter().map(|version| version.key());
        let markers = answer.delete_markers().iter().map(|marker| marker.key());
        let keys = versions.chain(markers);
        keys.map(|key| key.unwrap().to_owned()).collect()
    }

    /// The keys of all unfinished multipart uploads in the bucket, in order.
    pub fn uploads(&self, bucket: &str) -> Vec<String> {
        self.bucket(bucket, |bucket| {
            let uploads = bucket.multipart_uploads.values();
            let mut keys: Vec<_> = uploads.map(|upload| upload.key.clone()).collect();
            keys.sort();
            keys
        })
    }

    pub fn bucket<T>(&self, bucket: &str, look: impl FnOnce(&S3Bucket) -> T) -> T {
        look(&self.s3.read().get(ACCOUNT).unwrap().buckets[bucket])
    }

    /// Changes the state of IAM, past all checks.
    pub fn change_iam(&self, change: impl FnOnce(&mut IamState)) {
        change(self.iam.write().get_mut(ACCOUNT).unwrap());
    }

    /// Looks into the state of IAM.
    pub fn iam<T>(&self, look: impl FnOnce(&IamState) -> T) -> T {
        look(self.iam.read().get(ACCOUNT).unwrap())
    }
}

/// Everything between the network and the services: the call log, faults,
/// and two things that AWS does and fakecloud doesn't.
async fn intercept(
    State((faults, s3)): State<(Arc<Faults>, SharedS3State)>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let call = Call::from_http(&parts.method, &parts.uri, &parts.headers, &body);
    if let Some(elsewhere) = other_region(&s3, &call, &parts.headers) {
        return elsewhere;
    }
    let is_s3 = call.fields.is_empty();
    let rest = async move {
        let response = next.run(Request::from_parts(parts, body.into())).await;
        with_code_of_aws(response, is_s3).await
    };
    faults.around(call, rest).await
}

/// The redirect S3 answers with where a request is signed for another region
/// than the bucket's.
fn other_region(s3: &SharedS3State, call: &Call, headers: &HeaderMap) -> Option<Response> {
    let bucket = call.bucket.as_deref()?;
    let region = s3.read().get(ACCOUNT)?.buckets.get(bucket)?.region.clone();
    let signed = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let signed = signed.split("Credential=").nth(1)?.split('/').nth(2)?;
    (signed != region).then(|| {
        let code = "<Error><Code>PermanentRedirect</Code><Message>Elsewhere.</Message></Error>";
        (StatusCode::MOVED_PERMANENTLY, [("x-amz-bucket-region", region)], code).into_response()
    })
}

/// The codes AWS has for refusals, where fakecloud has others.
async fn with_code_of_aws(response: Response, is_s3: bool) -> Response {
    if response.status() != StatusCode::FORBIDDEN {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut body = String::from_utf8_lossy(&body).replace("AccessDeniedException", "AccessDenied");
    if is_s3 {
        body = body.replace("InvalidClientTokenId", "InvalidAccessKeyId");
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, body.into())
}

/// fakecloud's IAM, with the permissions that AWS asks for besides.
struct Iam(IamService, SharedIamState);

impl Iam {
    /// The name of the user with this access key.
    fn owner_of(&self, id: &str) -> String {
        let iam = self.1.read();
        let mut users = iam.get(ACCOUNT).unwrap().access_keys.iter();
        let owner = users.find(|(_, keys)| keys.iter().any(|key| key.access_key_id == id));
        owner.map(|(user, _)| user.clone()).unwrap_or_default()
    }

    /// Whether the policy that a request is about has more than one version.
    fn has_former_versions(&self, request: &AwsRequest) -> bool {
        let Some(arn) = request.query_params.get("PolicyArn") else { return false };
        let iam = self.1.read();
        let policy = iam.get(ACCOUNT).and_then(|iam| iam.policies.get(arn));
        policy.is_some_and(|policy| policy.versions.len() > 1)
    }

    /// Whether the user that a request is about has an MFA device.
    fn has_mfa_device(&self, request: &AwsRequest) -> bool {
        let Some(name) = request.query_params.get("UserName") else { return false };
        let iam = self.1.read();
        let devices = iam.get(ACCOUNT).map(|iam| &iam.virtual_mfa_devices);
        devices.is_some_and(|them| them.values().any(|it| it.user.as_ref() == Some(name)))
    }

    /// The ARN with the user's path, which fakecloud leaves out of what a policy
    /// is asked about.
    fn user_arn(&self, request: &AwsRequest, arn: &str) -> String {
        let Some((account, name)) = arn.split_once(":user/") else {
            return arn.to_owned();
        };
        let path = if request.action == "CreateUser" {
            request.query_params.get("Path").cloned()
        } else {
            let iam = self.1.read();
            let user = iam.get(ACCOUNT).and_then(|iam| iam.users.get(name));
            user.map(|user| user.path.clone())
        };
        let path = path.unwrap_or_else(|| "/".to_owned());
        format!("{account}:user{path}{name}")
    }

    /// The boundary that a new user is to have, or that an existing one has.
    fn boundary(&self, request: &AwsRequest, action: &str) -> Option<String> {
        let given = |name| request.query_params.get(name);
        match action {
            "CreateUser" | "PutUserPermissionsBoundary" => given("PermissionsBoundary").cloned(),
            "PutUserPolicy"
            | "DeleteUserPolicy"
            | "AttachUserPolicy"
            | "DetachUserPolicy"
            | "DeleteUserPermissionsBoundary" => {
                let iam = self.1.read();
                let user = iam.get(ACCOUNT)?.users.get(given("UserName")?)?;
                user.permissions_boundary.clone()
            }
            _ => None,
        }
    }
}

#[async_trait]
impl AwsService for Iam {
    fn service_name(&self) -> &str {
        self.0.service_name()
    }

    async fn handle(&self, request: AwsRequest) -> Result<AwsResponse, AwsServiceError> {
        // As AWS does, and fakecloud doesn't.
        let conflict = match request.action.as_str() {
            "DeletePolicy" if self.has_former_versions(&request) => {
                "This policy has more than one version."
            }
            "DeleteUser" if self.has_mfa_device(&request) => {
                "Cannot delete entity, must delete MFA device first."
            }
            _ => return self.0.handle(request).await,
        };
        Err(AwsServiceError::aws_error(StatusCode::CONFLICT, "DeleteConflict", conflict))
    }

    fn supported_actions(&self) -> &[&str] {
        self.0.supported_actions()
    }

    fn iam_enforceable(&self) -> bool {
        true
    }

    fn iam_actions_for(&self, request: &AwsRequest) -> Vec<IamAction> {
        let mut actions = self.0.iam_actions_for(request);
        let Some(action) = actions.first_mut() else {
            return actions;
        };
        let given = |name| request.query_params.get(name);
        let arn = |kind: &str, name: &str| format!("arn:aws:iam::{ACCOUNT}:{kind}/{name}");
        match action.action {
            "RemoveUserFromGroup" => action.resource = arn("group", given("GroupName").unwrap()),
            "ListServiceSpecificCredentials" | "DeleteServiceSpecificCredential" => {
                action.resource = arn("user", given("UserName").unwrap());
            }
            "GetAccessKeyLastUsed" => {
                let id = given("AccessKeyId").unwrap();
                action.resource = arn("user", &self.owner_of(id));
            }
            "DeleteVirtualMFADevice" => action.resource = given("SerialNumber").unwrap().clone(),
            _ => {}
        }
        action.resource = self.user_arn(request, &action.resource);
        let also = match action.action {
            "CreateUser" => "TagUser",
            "CreatePolicy" => "TagPolicy",
            _ => return actions,
        };
        if given("Tags.member.1.Key").is_some() {
            let also = IamAction { action: also, ..action.clone() };
            actions.push(also);
        }
        actions
    }

    fn iam_condition_keys_for(
        &self,
        request: &AwsRequest,
        action: &IamAction,
    ) -> BTreeMap<String, Vec<String>> {
        let mut keys = self.0.iam_condition_keys_for(request, action);
        if let Some(boundary) = self.boundary(request, action.action) {
            keys.insert("iam:permissionsboundary".to_owned(), vec![boundary]);
        }
        keys
    }

    fn resource_tags_for(&self, arn: &str) -> Option<HashMap<String, String>> {
        self.0.resource_tags_for(arn).map(in_any_case)
    }

    fn request_tags_from(
        &self,
        request: &AwsRequest,
        action: &str,
    ) -> Option<HashMap<String, String>> {
        if action == "UntagUser" {
            let given = request.query_params.iter();
            let keys = given.filter(|(name, _)| name.starts_with("TagKeys.member."));
            return Some(keys.map(|(_, key)| (key.clone(), String::new())).collect());
        }
        self.0.request_tags_from(request, action).map(in_any_case)
    }
}

/// Tags as AWS's conditions on them see them, which ignore the case of keys.
fn in_any_case(mut tags: HashMap<String, String>) -> HashMap<String, String> {
    let lower = tags.iter();
    let lower: Vec<_> = lower.map(|(key, value)| (key.to_lowercase(), value.clone())).collect();
    tags.extend(lower);
    tags
}

/// fakecloud's S3, which names IAM actions after API operations, with the
/// actions that AWS checks.
struct S3 {
    inner: S3Service,
    state: SharedS3State,
    /// None if nothing is enforced.
    policies: Option<Arc<dyn IamPolicyEvaluator>>,
    undeletable: Arc<Mutex<HashSet<String>>>,
}

impl S3 {
    fn action_of_aws(request: &AwsRequest, action: &'static str) -> &'static str {
        let version = request.query_params.contains_key("versionId");
        match action {
            "HeadBucket" | "ListObjects" | "ListObjectsV2" => "ListBucket",
            "GetBucketAccelerateConfiguration" => "GetAccelerateConfiguration",
            "GetBucketEncryption" => "GetEncryptionConfiguration",
            "GetObjectLockConfiguration" => "GetBucketObjectLockConfiguration",
            "ListBuckets" => "ListAllMyBuckets",
            "ListObjectVersions" => "ListBucketVersions",
            "ListMultipartUploads" => "ListBucketMultipartUploads",
            "ListParts" => "ListMultipartUploadParts",
            "GetObject" | "HeadObject" if version => "GetObjectVersion",
            "HeadObject" => "GetObject",
            "DeleteObject" if version => "DeleteObjectVersion",
            "CreateMultipartUpload"
            | "UploadPart"
            | "UploadPartCopy"
            | "CopyObject"
            | "CompleteMultipartUpload" => "PutObject",
            same => same,
        }
    }
}

impl S3 {
    /// What a header of a request asks for besides: to read what is copied, to
    /// tag, to set an ACL, unless the bucket takes none and refuses it anyhow.
    fn actions_of_headers(&self, request: &AwsRequest, resource: &str) -> Vec<IamAction> {
        let header = |name: &str| {
            let value = request.headers.get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let action = |action, resource: String| IamAction { service: "s3", action, resource };
        let mut actions = Vec::new();
        if let Some(source) = header("x-amz-copy-source") {
            let source = percent_decode_str(source.trim_start_matches('/'));
            let source = source.decode_utf8_lossy();
            actions.push(action("GetObject", format!("arn:aws:s3:::{source}")));
        }
        if header("x-amz-tagging").is_some() {
            actions.push(action("PutObjectTagging", resource.to_owned()));
        }
        if header("x-amz-acl").is_some() && !self.takes_no_acls(&request.path_segments[0]) {
            actions.push(action("PutObjectAcl", resource.to_owned()));
        }
        actions
    }

    fn takes_no_acls(&self, bucket: &str) -> bool {
        let state = self.state.read();
        let bucket = state.get(ACCOUNT).and_then(|s3| s3.buckets.get(bucket));
        let ownership = bucket.and_then(|bucket| bucket.ownership_controls.as_ref());
        ownership.is_some_and(|rule| rule.contains("BucketOwnerEnforced"))
    }

    /// Whether the request is for an object, and by somebody who may not list
    /// the bucket, and so may not know that a key is missing.
    fn hides_missing_keys(&self, request: &AwsRequest) -> bool {
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        let (Some(policies), Some(caller)) = (&self.policies, &request.principal) else {
            return false;
        };
        let [bucket, _, ..] = request.path_segments.as_slice() else {
            return false;
        };
        let list = IamAction {
            service: "s3",
            action: "ListBucket",
            resource: format!("arn:aws:s3:::{bucket}"),
        };
        let no_prefix = ConditionContext::default();
        let may_list = policies.evaluate(caller, &list, &no_prefix, &[], None);
        reads && !may_list.is_allow()
    }

    /// The ARN with the key as it is: fakecloud drops slashes at its end and
    /// in a row.
    fn resource_of_aws(request: &AwsRequest, arn: &str) -> String {
        let path = percent_decode_str(request.raw_path.trim_start_matches('/'));
        let path = path.decode_utf8_lossy();
        match path.split_once('/') {
            Some((_, key)) if !key.is_empty() => format!("arn:aws:s3:::{path}"),
            _ => arn.to_owned(),
        }
    }
}

#[async_trait]
impl AwsService for S3 {
    fn service_name(&self) -> &str {
        self.inner.service_name()
    }

    async fn handle(&self, mut request: AwsRequest) -> Result<AwsResponse, AwsServiceError> {
        let refused = if is_batch_delete(&request) {
            take_refused(&mut request, &self.undeletable.lock())
        } else {
            String::new()
        };
        if refused.is_empty() {
            let hides_missing_keys = self.hides_missing_keys(&request);
            let answer = self.inner.handle(request).await;
            return answer.map_err(|error| match error.code() {
                "NoSuchKey" | "NotFound" if hides_missing_keys => denied(),
                _ => error,
            });
        }
        // A batch of nothing but refused keys is none that the service would take.
        if String::from_utf8_lossy(&request.body).contains("<Object>") {
            self.inner.handle(request).await?;
        }
        let answer = format!("<DeleteResult>{refused}</DeleteResult>");
        Ok(AwsResponse::xml(StatusCode::OK, answer))
    }

    fn supported_actions(&self) -> &[&str] {
        self.inner.supported_actions()
    }

    fn iam_enforceable(&self) -> bool {
        true
    }

    fn iam_actions_for(&self, request: &AwsRequest) -> Vec<IamAction> {
        let mut actions = Vec::new();
        for action in self.inner.iam_actions_for(request) {
            if action.action == "DeleteObjects" {
                let body = String::from_utf8_lossy(&request.body);
                for object in body.split("<Object>").skip(1) {
                    let key =
                        object.split("<Key>").nth(1).and_then(|rest| rest.split("</Key>").next());
                    actions.push(IamAction {
                        action: if object.contains("<VersionId>") {
                            "DeleteObjectVersion"
                        } else {
                            "DeleteObject"
                        },
                        resource: format!("{}/{}", action.resource, key.unwrap_or_default()),
                        ..action
                    });
                }
            } else {
                let resource = Self::resource_of_aws(request, &action.resource);
                actions.extend(self.actions_of_headers(request, &resource));
                actions.push(IamAction {
                    action: Self::action_of_aws(request, action.action),
                    resource,
                    ..action
                });
            }
        }
        actions
    }

    fn iam_resource_in_caller_account(&self, request: &AwsRequest) -> bool {
        self.inner.iam_resource_in_caller_account(request)
    }

    fn iam_condition_keys_for(
        &self,
        request: &AwsRequest,
        action: &IamAction,
    ) -> BTreeMap<String, Vec<String>> {
        let action = match action.action {
            "ListBucket" | "ListBucketVersions" => {
                IamAction { action: "ListObjectsV2", ..action.clone() }
            }
            _ => action.clone(),
        };
        self.inner.iam_condition_keys_for(request, &action)
    }

    fn resource_tags_for(&self, arn: &str) -> Option<HashMap<String, String>> {
        self.inner.resource_tags_for(arn)
    }

    fn request_tags_from(
        &self,
        request: &AwsRequest,
        action: &str,
    ) -> Option<HashMap<String, String>> {
        self.inner.request_tags_from(request, action)
    }
}

fn denied() -> AwsServiceError {
    AwsServiceError::aws_error(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied")
}

fn is_batch_delete(request: &AwsRequest) -> bool {
    request.method == Method::POST && request.query_params.contains_key("delete")
}

/// Takes the refused keys out of a batch, and returns the errors to answer for them.
fn take_refused(request: &mut AwsRequest, undeletable: &HashSet<String>) -> String {
    let mut errors = String::new();
    let mut body = String::from_utf8_lossy(&request.body).into_owned();
    for key in undeletable {
        let object = format!("<Object><Key>{key}</Key></Object>");
        if body.contains(&object) {
            body = body.replace(&object, "");
            errors += &format!(
                "<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            );
        }
    }
    request.body = Bytes::from(body);
    for checksum in ["x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm", "content-md5"] {
        request.headers.remove(checksum);
    }
    errors
}
