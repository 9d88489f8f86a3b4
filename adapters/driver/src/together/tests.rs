use futures_channel::oneshot;

use super::together;

#[test]
fn all_run_at_the_same_time_and_are_answered_in_their_order() {
    let (first, waits) = oneshot::channel();
    let (second, waits_too) = oneshot::channel();
    let outcomes = smol::block_on(async {
        let waiting = together([waits, waits_too]);
        let answering = async {
            second.send(2).unwrap();
            smol::future::yield_now().await;
            first.send(1).unwrap();
        };
        smol::future::zip(waiting, answering).await.0
    });
    assert_eq!(outcomes, [Ok(1), Ok(2)]);
}
