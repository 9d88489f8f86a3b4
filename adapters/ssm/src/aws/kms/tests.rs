use super::context;

#[test]
fn a_challenge_is_in_the_context_if_there_is_one() {
    let json = |challenge| serde_json::to_string(&context("me-0a1b", "i-1", challenge)).ok();
    let without = r#"{"aws:ssm:SessionId":"me-0a1b","aws:ssm:TargetId":"i-1"}"#;
    let with = r#"{"aws:ssm:RandomChallenge":"abc","aws:ssm:SessionId":"me-0a1b","aws:ssm:TargetId":"i-1"}"#;
    assert_eq!(json(None).as_deref(), Some(without));
    assert_eq!(json(Some("abc")).as_deref(), Some(with));
}
