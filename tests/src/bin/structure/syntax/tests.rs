use super::{Function, Scope, parse};

fn scope(text: &str) -> Scope {
    parse(text).scope
}

fn paths(text: &str) -> Vec<String> {
    scope(text).paths.iter().map(|path| path.segments.join("::")).collect()
}

#[test]
fn items_of_every_kind() {
    let text = "pub(crate) async fn a() {} pub const fn b() {} struct C<T>(T); pub enum D { E } union F { g: u8 }
        trait H { fn i(); const J: u8; } type K = u8; static L: [u8; 2] = { [0; 2] }; const M: X = X { n: 1 }; impl C<u8> { fn o() {} }
        extern crate alloc; made! { pub struct P; enum Q {} } macro_rules! r { () => { fn s() {} } } const _: () = ();
        fn last() {}";
    let scope = scope(text);
    assert_eq!(scope.items.join(" "), "a b C D F H K L M P Q s _ last");
    assert_eq!(scope.macros, ["r"]);
}

#[test]
fn what_is_a_path_and_what_is_none() {
    assert_eq!(
        paths("fn f() { a::b(c.d::<e::f>(), ..g::h()); 0..=i::J; &<K as l::M>::n }"),
        ["a::b", "e::f", "g::h", "i::J", "l::M"]
    );
    assert_eq!(
        paths("#[serde(with = \"a\", b::c)]\npub(in crate::d) fn f(x: &'a e::G) -> impl Fn() + use<'a> {}"),
        ["e::G"]
    );
    assert_eq!(paths("macro_rules! m { () => { $crate::a::b() } }"), ["crate::a::b"]);
}

#[test]
fn trees_of_use() {
    let text = "use a::{self, b::{C as D, e::*,}, r#type, f as _}; pub use ::g; fn h() { use i::J; }";
    let scope = scope(text);
    let imports = scope.imports.iter().map(|import| {
        let name = import.name.as_deref().unwrap_or("*");
        format!("{}={name}", import.path.segments.join("::"))
    });
    let imports: Vec<String> = imports.collect();
    assert_eq!(
        imports.join(" "),
        "a=a a::b::C=D a::b::e=* a::type=type a::f=_ g=g i::J=J"
    );
}

#[test]
fn functions_are_measured_from_their_name_to_their_brace() {
    let text = "/// Doc.\n#[inline]\nfn a(\n    x: [u8; 2],\n) {\n    fn b() {}\n}\ntrait T {\n    fn c(&self);\n}\n#[cfg(test)]\nfn d() {\n}";
    let function = |name: &str, line, lines| Function {
        name: name.into(),
        line,
        lines,
    };
    let expected = [function("a", 3, 5), function("b", 6, 1), function("c", 9, 1)];
    assert_eq!(parse(text).functions, expected);
}

#[test]
fn what_is_for_tests_is_not_there() {
    let text = "#[cfg(test)] use a::b; #[cfg(test)] const C: d::E = d::E { x: 1 }; struct F { #[cfg(test)] g: h::I, j: k::L }
        fn m() { match n { #[cfg(test)] 1 => o::p(), 2 => q::r(), #[cfg(all(test, unix))] 3 => { s::t() } _ => u::v() } }
        #[cfg(not(test))] fn w() { x::y() } #[cfg(any(test, feature = \"z\"))] mod z; #[cfg(test)] mod tests;";
    assert_eq!(paths(text), ["k::L", "q::r", "u::v", "x::y"]);
    let scope = scope(text);
    let children: Vec<(&str, bool)> = scope
        .children
        .iter()
        .map(|child| (child.name.as_str(), child.test))
        .collect();
    assert_eq!(children, [("z", false), ("tests", true)]);
    assert!(parse("#![cfg(test)]\nfn f() {}").test);
}
