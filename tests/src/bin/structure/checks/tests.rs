//! Little trees with one fault each.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

use super::all;
use crate::package::Package;
use crate::rules::Rules;

/// A repository of one package, `proto`.
struct Repository(PathBuf);

impl Repository {
    fn new(files: &[(&str, &str)]) -> Repository {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let root = env::temp_dir().join(format!("structure-{}-{number}", process::id()));
        for (path, text) in files {
            let path = root.join("proto/src").join(path);
            fs::create_dir_all(path.parent().expect("because it is in a folder")).expect("because it is ours");
            fs::write(&path, text).expect("because it is ours");
        }
        Repository(root)
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}

fn complaints(files: &[(&str, &str)]) -> Vec<String> {
    let repository = Repository::new(files);
    let package = Package::load(&repository.0, "proto").expect("because it can be read");
    let root = format!("{}/", repository.0.display());
    let complaints = all(&[package], &Rules::ours()).into_iter();
    complaints.map(|complaint| complaint.replace(&root, "")).collect()
}

fn circle(files: &[(&str, &str)]) -> String {
    let complaints = complaints(files);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    let way = complaints[0].lines().nth(1).unwrap_or_default();
    way.trim().replace("proto/src/", "")
}

#[track_caller]
fn good(files: &[(&str, &str)]) {
    assert_eq!(complaints(files), <[String; 0]>::default());
}

#[test]
fn files_that_use_each_other() {
    let way = circle(&[
        ("lib.rs", "mod a;\nmod b;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        ("b.rs", "pub struct B;\nimpl B {\n    fn f(_: &crate::a::A) {}\n}"),
    ]);
    assert_eq!(way, "a.rs:1 (crate::b::B) → b.rs:3 (crate::a::A) → a.rs");
}

#[test]
fn a_longer_way_round_through_every_kind_of_path() {
    let way = circle(&[
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        (
            "a.rs",
            "use super::{b::{self as other, X}, c as _};\nfn f() { other::g(X) }",
        ),
        (
            "b/mod.rs",
            "use super::c;\npub struct X;\npub fn g(_: X) { c::Kind::One; }",
        ),
        (
            "c.rs",
            "pub enum Kind { One }\nfn f() -> u8 { let x = [0; 2]; x[0] + ..crate::d::D }",
        ),
        ("d.rs", "use crate::a;\npub const D: u8 = a::f();"),
    ]);
    assert_eq!(
        way,
        "a.rs:1 (super::b::X) → b/mod.rs:3 (c::Kind::One) → c.rs:2 (crate::d::D) → d.rs:2 (a::f) → a.rs"
    );
}

#[test]
fn a_child_that_names_what_its_parent_defines() {
    let way = circle(&[
        ("lib.rs", "mod a;"),
        ("a.rs", "mod b;\npub struct A;"),
        ("a/b.rs", "fn f(_: super::A) {}"),
    ]);
    assert_eq!(way, "a.rs:1 (mod b) → a/b.rs:1 (super::A) → a.rs");
    let way = circle(&[
        ("lib.rs", "mod b;\nfn x() {}"),
        ("b.rs", "use super::*;\nfn f() { x() }"),
    ]);
    assert_eq!(way, "lib.rs:1 (mod b) → b.rs:2 (x) → lib.rs");
}

#[test]
fn a_parent_that_declares_and_re_exports_is_no_part_of_it() {
    good(&[
        (
            "lib.rs",
            "pub mod a;\nmod b;\npub use a::{A, low};\npub use core::time::Duration;",
        ),
        ("a/mod.rs", "mod one;\npub mod low;\npub use self::one::*;"),
        ("a/one.rs", "use super::low;\npub struct A(low::Low, crate::Duration);"),
        ("a/low.rs", "pub struct Low;"),
        (
            "b.rs",
            "use crate::A;\nuse crate::low::Low;\nuse super::*;\nfn f(_: A, _: Low) {}",
        ),
    ]);
    let way = circle(&[
        ("lib.rs", "mod a;\nmod b;\npub use self::a::A;\npub use b::*;"),
        ("a.rs", "pub struct A(crate::B);"),
        ("b.rs", "use crate::A;\npub struct B;"),
    ]);
    assert_eq!(way, "a.rs:1 (crate::B) → b.rs:1 (crate::A) → a.rs");
}

#[test]
fn macros_and_modules_inside_a_file() {
    let way = circle(&[
        ("lib.rs", "mod a;\nmod b;"),
        (
            "a.rs",
            "macro_rules! make { ($x:ident) => { pub struct $x($crate::b::B); } }\npub(crate) use make;",
        ),
        (
            "b.rs",
            "pub struct B;\nmod inner {\n    make!(C);\n    fn f(_: super::B) {}\n}",
        ),
    ]);
    assert_eq!(way, "a.rs:1 (crate::b::B) → b.rs:3 (make!) → a.rs");
}

#[test]
fn tests_are_left_aside() {
    let long = "\n".repeat(400);
    good(&[
        (
            "lib.rs",
            "mod a;\n#[cfg(test)]\nmod testing;\npub struct S;\n#[cfg(test)]\nuse testing::T;",
        ),
        (
            "a.rs",
            "#[cfg(test)]\nuse super::S;\n#[cfg(all(test, unix))]\nmod tests;\n#[cfg(test)]\nimpl X { fn f() { crate::S } }\nfn g() { #[cfg(test)]\n{ crate::S; }\n }",
        ),
        (
            "a/tests.rs",
            &format!("use super::*;\nuse crate::S;\nmod more;\nextern crate std;\n{long}"),
        ),
        ("a/tests/more.rs", "use std::fmt;"),
        ("testing.rs", "use super::S;\npub struct T(S);"),
    ]);
}

#[test]
fn rooms_keep_their_order() {
    let found = complaints(&[
        ("lib.rs", "mod wire;\nmod session;\npub use session::Session;"),
        ("wire/mod.rs", "mod frame;"),
        ("wire/frame.rs", "//! As crate::session says.\n\nuse crate::Session;"),
        ("session.rs", "pub struct Session;"),
    ]);
    let expected = "proto/src/wire/frame.rs:3: wire must not name session (crate::Session)";
    assert_eq!(found, [expected]);
}

#[test]
fn the_machine_has_no_std() {
    let found = complaints(&[
        (
            "lib.rs",
            "//! Not std::time.\nmod security;\nuse std::fmt;\nfn f() { g(\"std::fs\") }\nextern crate std;",
        ),
        ("security/mod.rs", "mod suite;\npub struct X(SystemTime);"),
        ("security/suite.rs", "extern crate std;"),
    ]);
    let expected = [
        "proto/src/lib.rs:3: proto has no std (std::fmt)",
        "proto/src/lib.rs:5: proto has no std (std)",
        "proto/src/security/mod.rs:2: proto has no std (SystemTime)",
    ];
    assert_eq!(found, expected);
}

#[test]
fn sizes() {
    let body = |lines: usize| format!("fn long(\n) {{{}}}\n", "\n".repeat(lines - 2));
    good(&[("lib.rs", &body(80))]);
    let found = complaints(&[("lib.rs", &format!("struct S;\nimpl S {{\n{}}}", body(81)))]);
    assert_eq!(found, ["proto/src/lib.rs:3: fn long has 81 lines, more than 80"]);
    good(&[("lib.rs", &"\n".repeat(350))]);
    let found = complaints(&[("lib.rs", &"\n".repeat(351))]);
    assert_eq!(
        found,
        ["proto/src/lib.rs has 351 lines, more than 350: split it into modules"]
    );
    let mut rules = Rules::ours();
    rules.totals = vec![(vec!["proto"], 2)];
    let repository = Repository::new(&[("lib.rs", "mod a;\n"), ("a.rs", "#[cfg(test)]\nmod tests {}\n")]);
    let package = Package::load(&repository.0, "proto").expect("because it can be read");
    assert_eq!(all(&[package], &rules), ["proto have 3 lines, more than 2"]);
}

#[test]
fn what_cannot_be_followed_is_a_fault() {
    let found = complaints(&[
        ("lib.rs", "mod gone;\nmod a;"),
        ("a.rs", "use crate::a::Missing;\nuse elsewhere::Missing as Fine;"),
        ("stray.rs", ""),
    ]);
    let expected = [
        "proto/src/stray.rs belongs to no module",
        "proto/src/lib.rs:1 gone: no such module",
        "proto/src/a.rs:1 crate::a::Missing leads nowhere",
    ];
    assert_eq!(found, expected);
}
