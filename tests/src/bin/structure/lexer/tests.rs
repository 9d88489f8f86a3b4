use super::tokens;

fn words(source: &str) -> String {
    let tokens = tokens(source);
    let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    texts.join(" ")
}

#[test]
fn comments_and_lifetimes_go_and_literals_keep_their_place() {
    assert_eq!(words("a // b\nc /* d /* e */ f */ g"), "a c g");
    assert_eq!(
        words("x::y<'a>('b', '\\'', b'c', '\\u{1F600}')"),
        "x :: y < > (  ,  ,  ,  )"
    );
    assert_eq!(
        words(r##"f("a \" b", r#"c " d"#, b"e", 1.5e3, 0..2, 'x')"##),
        "f (  ,  ,  ,  ,  . .  ,  )"
    );
    assert_eq!(words("r#type::b"), "type :: b");
}

#[test]
fn lines_are_counted_through_literals_and_comments() {
    let lines: Vec<usize> = tokens("a\n/* \n */ b \"\n\n\" c")
        .iter()
        .map(|token| token.line)
        .collect();
    assert_eq!(lines, [1, 3, 3, 5]);
}
