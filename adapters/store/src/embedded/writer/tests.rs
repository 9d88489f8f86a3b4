use std::fs;

use futures_executor::block_on;
use unbroken_driver::store::{JournalId, Store};

use super::*;
use crate::embedded::{Embedded, EmbeddedOptions, folder, tables};

/// What a call is told that comes now.
fn open(writer: &mut Writer<'_>, name: &str) -> Answer {
    let (reply, mut answer) = oneshot::channel();
    let id: JournalId = name.parse().unwrap();
    writer.serve(vec![Call {
        request: Request::Open(id),
        reply,
    }]);
    answer.try_recv().unwrap().unwrap()
}

/// Once the engine has failed, what is on the disk is not known: nothing is answered from it, although the engine would.
#[test]
fn a_failure_of_the_engine_stays() {
    let path = std::env::temp_dir().join(format!("unbroken-store-writer-{}", std::process::id()));
    let file = folder::prepare(&path).unwrap();
    let database = tables::open(&file, &EmbeddedOptions::default()).unwrap();
    let mut writer = Writer::new(&database);
    assert!(open(&mut writer, "a").is_ok());
    database.pragma_update(None, "query_only", true).unwrap();
    let answer = open(&mut writer, "a");
    assert!(matches!(answer, Err(StoreError::Failed(_))), "{answer:?}");
    database.pragma_update(None, "query_only", false).unwrap();
    writer.expire();
    for _ in 0..2 {
        let answer = open(&mut writer, "b");
        assert!(matches!(answer, Err(StoreError::Failed(_))), "{answer:?}");
    }
    drop(writer);
    drop(database);
    let _ = fs::remove_dir_all(path);
}

/// The writer is gone, as after a panic: that is an error, and nobody waits for ever.
#[test]
fn a_writer_that_is_gone() {
    let id: JournalId = "a".parse().unwrap();
    let (calls, queue) = mpsc::channel();
    let store = Embedded {
        calls: Some(calls),
        writer: Some(std::thread::spawn(move || {
            // It took the call, and never answered.
            let _ = queue.recv();
        })),
    };
    for _ in 0..2 {
        let answer = block_on(store.open(&id));
        assert!(matches!(answer, Err(StoreError::Failed(_))), "{answer:?}");
        let answer = block_on(store.list());
        assert!(matches!(answer, Err(StoreError::Failed(_))), "{answer:?}");
    }
}
