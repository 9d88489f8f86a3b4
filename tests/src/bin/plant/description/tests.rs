use super::{Description, Stale};

const TEXT: &str =
    "breaks: a law: in words\nfile: a/b.rs\n--- replace\nif a\n    < b {\n--- by\nif a < b && false {\n--- end\n";

fn description(blocks: &[(&str, &str)]) -> Description {
    let mut text = String::from("breaks: x\nfile: y.rs\n");
    for (replace, by) in blocks {
        text.push_str(&format!("--- replace\n{replace}\n--- by\n{by}\n--- end\n"));
    }
    Description::parse(&text).expect("because it is well formed")
}

#[test]
fn formatting_does_not_matter() {
    let bug = Description::parse(TEXT).expect("because it is well formed");
    assert_eq!((bug.breaks.as_str(), bug.file.as_str()), ("a law: in words", "a/b.rs"));
    let planted = bug.apply("fn f() {\n    if a < b {\n        g();\n    }\n}\n");
    assert_eq!(
        planted.as_deref(),
        Ok("fn f() {\n    if a < b && false {\n        g();\n    }\n}\n")
    );
}

#[test]
fn a_text_must_occur_once() {
    let bug = description(&[("g();", "")]);
    assert_eq!(bug.apply("f();"), Err(Stale::Occurs(0, "g();\n".into())));
    assert_eq!(bug.apply("g(); g ( ) ;"), Err(Stale::Occurs(2, "g();\n".into())));
    assert_eq!(bug.apply("g(); big();").as_deref(), Ok(" big();"), "another word");
}

#[test]
fn several_blocks_are_looked_for_in_the_file_as_it_is() {
    let bug = description(&[("b", "a"), ("a", "b")]);
    assert_eq!(bug.apply("a + b").as_deref(), Ok("b + a"));
    let bug = description(&[("a b", "c"), ("b", "d")]);
    assert_eq!(bug.apply("a b"), Err(Stale::Overlap));
}

#[test]
fn what_changes_nothing_is_no_bug() {
    assert_eq!(description(&[("a", "a")]).apply("a"), Err(Stale::Same));
}

#[test]
fn what_is_not_understood_is_refused() {
    let wrong = |text: &str| Description::parse(text).expect_err("because it is malformed");
    assert_eq!(wrong(&TEXT.replace("--- by\n", "")), Stale::Malformed(7));
    assert_eq!(wrong(&TEXT.replace("--- end\n", "")), Stale::Incomplete);
    assert_eq!(wrong(&TEXT.replace("file: a/b.rs\n", "")), Stale::Incomplete);
    assert_eq!(
        wrong(&TEXT.replace("file: a/b.rs\n", "nonsense\n")),
        Stale::Malformed(2)
    );
    assert_eq!(wrong("breaks: x\nfile: y\n"), Stale::Incomplete);
}
