//! fakecloud's policies, and what AWS allows everybody besides.

use std::sync::Arc;

use fakecloud_core::auth::{
    ConditionContext, IamAction, IamDecision, IamPolicyEvaluator, Principal,
};

pub struct Policies(pub Arc<dyn IamPolicyEvaluator>);

/// Asking who one is needs no permission.
fn is_free(action: &IamAction) -> bool {
    action.service == "sts" && action.action == "GetCallerIdentity"
}

impl IamPolicyEvaluator for Policies {
    fn evaluate(
        &self,
        principal: &Principal,
        action: &IamAction,
        context: &ConditionContext,
        session_policies: &[String],
        scps: Option<&[String]>,
    ) -> IamDecision {
        if is_free(action) {
            return IamDecision::Allow;
        }
        self.0.evaluate(principal, action, context, session_policies, scps)
    }

    fn evaluate_with_resource_policy(
        &self,
        principal: &Principal,
        action: &IamAction,
        context: &ConditionContext,
        resource_policy_json: Option<&str>,
        resource_account_id: &str,
        session_policies: &[String],
        scps: Option<&[String]>,
    ) -> IamDecision {
        if is_free(action) {
            return IamDecision::Allow;
        }
        self.0.evaluate_with_resource_policy(
            principal,
            action,
            context,
            resource_policy_json,
            resource_account_id,
            session_policies,
            scps,
        )
    }
}
