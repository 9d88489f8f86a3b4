#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn head(kind: Kind, fence: u64, kept: Option<u64>, base: Option<u64>) -> Head {
    Head {
        kind,
        fence,
        kept,
        base,
        ..Head::empty("node")
    }
}

fn numbered(numbers: impl IntoIterator<Item = u64>) -> Vec<Bytes> {
    numbers
        .into_iter()
        .map(|number| Bytes::from(number.to_string()))
        .collect()
}

/// Records from `first` on, so many, with that snapshot before them.
fn records(fence: u64, first: u64, count: u64, base: Option<u64>) -> (Head, Bytes) {
    let head = Head {
        count,
        ..head(Kind::Records, fence, Some(first + count - 1), base)
    };
    (head, frames::join(&numbered(first..first + count)).unwrap())
}

fn snapshot(fence: u64, through: u64, kept: u64) -> (Head, Bytes) {
    (
        head(Kind::Snapshot, fence, Some(kept), Some(through)),
        Bytes::from_static(b"s"),
    )
}

fn bare(kind: Kind, fence: u64, kept: Option<u64>, base: Option<u64>) -> (Head, Bytes) {
    (head(kind, fence, kept, base), Bytes::new())
}

fn fold(messages: &[(Head, Bytes)]) -> Result<Kept, String> {
    let mut fold = Fold::default();
    for (sequence, (head, body)) in (100..).zip(messages) {
        fold.take(sequence, head, body.clone())?;
    }
    fold.finish(&messages[messages.len() - 1].0)
}

#[test]
fn records_and_snapshots_in_their_order() {
    let messages = [
        bare(Kind::Fence, 1, None, None),
        records(1, 1, 3, None),
        records(1, 4, 2, None),
        snapshot(1, 4, 5),
        records(1, 6, 1, Some(4)),
        bare(Kind::Released, 1, Some(6), Some(4)),
        bare(Kind::Fence, 7, Some(6), Some(4)),
    ];
    assert_eq!(fold(&messages[..3]).unwrap(), (None, numbered(1..=5)));
    let there = Some((4, Bytes::from_static(b"s")));
    assert_eq!(fold(&messages).unwrap(), (there.clone(), numbered(5..=6)));
    // The server has deleted what the snapshot stands for, or only some of it.
    for begin in 1..=2 {
        assert_eq!(
            fold(&messages[begin..]).unwrap(),
            (there.clone(), numbered(5..=6)),
            "{begin}"
        );
    }
    // It has deleted more than that.
    assert!(fold(&messages[3..]).is_err());
}

#[test]
fn a_snapshot_ahead_of_the_records() {
    let messages = [records(1, 1, 3, None), snapshot(1, 7, 7), records(1, 8, 1, Some(7))];
    assert_eq!(
        fold(&messages).unwrap(),
        (Some((7, Bytes::from_static(b"s"))), numbered(8..=8))
    );
}

#[test]
fn parts_without_their_end_are_nothing() {
    let (whole, body) = records(1, 1, 9, None);
    let part = |index| {
        let head = Head {
            parts: index,
            ..head(Kind::Part, 1, None, None)
        };
        let index = usize::try_from(index).unwrap();
        (head, body.slice(index * 5..index * 5 + 5))
    };
    let end = (Head { parts: 2, ..whole }, body.slice(10..));
    let messages = |indices: &[u64]| {
        indices
            .iter()
            .map(|index| part(*index))
            .chain([end.clone()])
            .collect::<Vec<_>>()
    };
    for indices in [
        vec![0, 1],
        vec![0, 0, 1],
        vec![0, 1, 0, 1],
        vec![1, 0, 1],
        vec![0, 1, 2, 0, 1],
    ] {
        assert_eq!(
            fold(&messages(&indices)).unwrap(),
            (None, numbered(1..=9)),
            "{indices:?}"
        );
    }
    for indices in [vec![], vec![0], vec![1], vec![0, 1, 2], vec![0, 1, 0]] {
        assert!(fold(&messages(&indices)).is_err(), "{indices:?}");
    }
    // A new owner ends what the one before had begun.
    let mut cut = messages(&[0, 1]);
    cut.insert(2, bare(Kind::Fence, 50, None, None));
    assert!(fold(&cut).is_err());
    assert_eq!(
        fold(&[part(0), part(1), bare(Kind::Fence, 50, None, None)]).unwrap(),
        (None, vec![])
    );
}

#[test]
fn an_end_leaves_nothing() {
    for kind in [Kind::Removed, Kind::Fence] {
        let messages = [
            records(1, 1, 3, None),
            snapshot(1, 3, 3),
            bare(kind, 5, None, None),
            records(5, 1, 1, None),
        ];
        assert_eq!(fold(&messages[..3]).unwrap(), (None, vec![]));
        assert_eq!(fold(&messages).unwrap(), (None, numbered(1..=1)));
    }
}

#[test]
fn what_does_not_follow_is_refused() {
    let begin = records(5, 1, 3, None);
    for wrong in [
        records(5, 5, 1, None),
        records(5, 3, 1, None),
        records(4, 4, 1, None),
        (
            Head {
                count: 2,
                ..records(5, 4, 1, None).0
            },
            records(5, 4, 1, None).1,
        ),
        (
            Head {
                kept: None,
                ..records(5, 4, 1, None).0
            },
            records(5, 4, 1, None).1,
        ),
        (
            Head {
                kept: Some(0),
                ..records(5, 4, 1, None).0
            },
            records(5, 4, 1, None).1,
        ),
        (
            Head {
                base: None,
                ..snapshot(5, 3, 3).0
            },
            Bytes::new(),
        ),
        bare(Kind::Fence, 9, Some(4), None),
        bare(Kind::Fence, 9, Some(3), Some(3)),
    ] {
        assert!(fold(&[begin.clone(), wrong.clone()]).is_err(), "{wrong:?}");
    }
    assert!(fold(&[snapshot(5, 3, 3), snapshot(5, 2, 3)]).is_err());
}
