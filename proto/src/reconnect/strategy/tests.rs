use super::*;

#[test]
fn every_cause_has_its_own_row_and_name() {
    for (index, cause) in Cause::ALL.into_iter().enumerate() {
        assert_eq!(cause.index(), index);
        let changed = Strategies::default().with(cause, Strategy::Force);
        for other in Cause::ALL {
            let expected = if other == cause {
                Strategy::Force
            } else {
                Strategies::default().for_cause(other)
            };
            assert_eq!(changed.for_cause(other), expected, "{cause} changed {other}");
        }
    }
    let names: alloc::collections::BTreeSet<_> = Cause::ALL.into_iter().map(Cause::name).collect();
    assert_eq!(names.len(), Cause::ALL.len());
}

#[test]
fn the_default_table() {
    let strategies = Strategies::default();
    for cause in Cause::ALL {
        let expected = match cause {
            Cause::ProcessEnded => Strategy::Restart,
            Cause::StateDamaged => Strategy::Restore,
            Cause::ApplicationLost => Strategy::Recover,
            _ => Strategy::Resume,
        };
        assert_eq!(strategies.for_cause(cause), expected, "{cause}");
    }
}
