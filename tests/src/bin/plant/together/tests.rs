use super::plant;
use crate::description::Description;

fn bug(name: &str, blocks: &[(&str, &str)]) -> (String, Description) {
    let mut text = String::from("breaks: x\nfile: y.rs\n");
    for (replace, by) in blocks {
        text.push_str(&format!("--- replace\n{replace}\n--- by\n{by}\n--- end\n"));
    }
    (
        name.into(),
        Description::parse(&text).expect("because it is well formed"),
    )
}

fn planted(source: &str, bugs: &[(String, Description)]) -> (String, Vec<String>) {
    let (text, names) = plant(source, bugs);
    let words: Vec<&str> = text.split_whitespace().collect();
    (words.join(" "), names.into_iter().collect())
}

#[test]
fn each_bug_has_a_body_of_its_own() {
    let source = "fn f(a: [u8; 3]) -> bool { a == b }\nfn g() { h() }";
    let bugs = [
        bug("x", &[("a == b", "a != b")]),
        bug("y", &[("a ==", "c =="), ("h()", "i()")]),
    ];
    let (text, names) = planted(source, &bugs);
    let f = "fn f(a: [u8; 3]) -> bool { if crate::planted(\"x\") { a != b } else if crate::planted(\"y\") { c == b } else { a == b } }";
    assert_eq!(
        text,
        format!("{f} fn g() {{ if crate::planted(\"y\") {{ i() }} else {{ h() }} }}")
    );
    assert_eq!(names, ["x", "y"]);
}

#[test]
fn what_cannot_ask_is_left_out() {
    let source = "const A: u8 = 1;\nconst fn b() -> u8 { 2 }\nfn c() -> impl Copy { 3 }\ntype D = fn(u8) -> [u8; 4];\nfn e(_: impl Copy) { 5 }";
    let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
    let bugs: Vec<_> = (0..5).map(|i| bug(&names[i], &[(&(i + 1).to_string(), "0")])).collect();
    assert_eq!(planted(source, &bugs).1, ["e"]);
    // In part is not enough.
    let both = bug("both", &[("5", "6"), ("1", "2")]);
    assert_eq!(
        planted(source, &[both]).0,
        source.split_whitespace().collect::<Vec<_>>().join(" ")
    );
}

#[test]
fn braces_in_texts_and_inner_functions_do_not_matter() {
    let source = "fn é() { fn inner() -> u8 { '}'; \"{\"; 1 } /* } */ }\nfn g() { 2 }";
    let (text, names) = planted(source, &[bug("x", &[("1", "3")]), bug("y", &[("2", "4")])]);
    assert_eq!(names, ["x", "y"]);
    assert!(
        text.contains("fn g() { if crate::planted(\"y\") { 4 } else { 2 } }"),
        "{text}"
    );
}
