use super::*;

fn shell() -> ShellState {
    let mut shell = ShellState::new(8);
    shell.working_directory = "/tmp/\u{e4}".into();
    shell.environment = alloc::vec![("A".into(), "1".into()), ("EMPTY".into(), Bytes::new())];
    shell.last_command = "make -j2".into();
    shell.output.push(b"0123456789");
    shell
}

#[test]
fn a_shell_survives_its_encoding_and_nothing_shorter_is_taken_for_one() {
    let bytes = shell().encode();
    assert_eq!(ShellState::decode(bytes.clone()), Ok(shell()));
    let fixed = bytes.len() - shell().output.bytes().len();
    for len in 0..fixed {
        assert_eq!(ShellState::decode(bytes.slice(..len)), Err(UnreadableState), "{len}");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert_eq!(ShellState::decode(Bytes::from(longer)), Err(UnreadableState));
    // A count that nothing stands behind allocates nothing.
    let claims = [&[FORM][..], &[0; 8], &[0xff; 4]].concat();
    assert_eq!(ShellState::decode(Bytes::from(claims)), Err(UnreadableState));
}

#[test]
fn the_output_keeps_its_end() {
    let mut output = OutputHistory::new(5);
    for (more, kept, forgotten) in [
        ("abc", "abc", 0),
        ("de", "abcde", 0),
        ("f", "bcdef", 1),
        ("0123456789", "56789", 11),
        ("", "56789", 11),
    ] {
        output.push(more.as_bytes());
        assert_eq!(
            (output.bytes(), output.forgotten()),
            (kept.as_bytes().to_vec(), forgotten)
        );
    }
    let mut nothing = OutputHistory::new(0);
    nothing.push(b"x");
    assert_eq!((nothing.bytes().len(), nothing.forgotten()), (0, 1));
}
