//! What the registry knows of the secrets under which a session may be resumed: never less than the client has.

use super::*;
use crate::security::testing::{BadResume, resume_packet};

/// The client's next RESUME, and where the registry sends it. Nothing was reported to that since the session began.
fn knock(pair: &mut Pair) -> (Epoch, Route) {
    let due = pair.client.wanted_connection().expect("because it is lost").not_before;
    pair.now = pair.now.max(due);
    let epoch = pair
        .client
        .attach(pair.now, Carrier::ordered())
        .expect("because it is due");
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(pair.now, epoch, &mut packet));
    (epoch, offer(pair, &packet))
}

fn offer(pair: &mut Pair, packet: &[u8]) -> Route {
    let connection = pair.registry.connection_accepted(pair.now, Carrier::ordered());
    pair.registry.first_packet(pair.now, connection, BytesMut::from(packet))
}

/// The session adopts it, and the client reads the answer if that is not lost.
fn adopt(pair: &mut Pair, (epoch, route): (Epoch, Route), is_read: bool) -> Epoch {
    let Route::Resume { incoming, .. } = route else {
        panic!("its own RESUME was turned away");
    };
    let now = pair.now;
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    let mut answer = Vec::new();
    assert!(pair.server().poll_transmit(now, theirs, &mut answer));
    if is_read {
        pair.client
            .handle_input(now, epoch, BytesMut::from(&answer[..]))
            .expect("because it is honest");
    }
    theirs
}

/// Kills `resume_secrets_behind`.
#[test]
fn whatever_is_lost_of_a_resume_the_next_one_is_not_turned_away() {
    // Each digit says what is lost of one attempt: nothing, the confirmation, the answer.
    for fates in 0..81u32 {
        let mut pair = Pair::new();
        pair.dial();
        pair.cut();
        for attempt in 0..4 {
            let fate = fates / 3u32.pow(attempt) % 3;
            let knocked = knock(&mut pair);
            let ours = knocked.0;
            let theirs = adopt(&mut pair, knocked, fate < 2);
            if fate == 0 {
                let now = pair.now;
                let server = pair.server.as_mut().expect("because dialled");
                shuttle(now, &mut pair.client, ours, server, theirs);
            }
            pair.client.detach(pair.now, ours, Cause::Network);
            let now = pair.now;
            pair.server().detach(now, theirs, Cause::Network);
            // Long enough for the server to bear with the next attempt.
            pair.now = now + Duration::from_secs(2);
        }
    }
}

/// Kills `old_secret_still_routed`.
#[test]
fn a_secret_that_was_replaced_leads_nowhere() {
    let mut pair = Pair::new();
    pair.dial();
    pair.cut();
    pair.now = pair.client.wanted_connection().expect("because it is lost").not_before;
    let ticket = pair.client.identity.ticket.as_ref().expect("because it is established");
    let (first, id) = (ticket.secret.clone(), ticket.id);
    let under = |pair: &mut Pair, secret| {
        let packet = resume_packet(secret, id, 99, BadResume::Claim(2));
        matches!(offer(pair, &packet), Route::Resume { .. })
    };
    let knocked = knock(&mut pair);
    let ours = knocked.0;
    let theirs = adopt(&mut pair, knocked, true);
    let second = pair.client.identity.ticket.as_ref().expect("because it is established");
    let second = second.secret.clone();
    assert!(
        under(&mut pair, &first) && under(&mut pair, &second),
        "either may be the client's"
    );
    let now = pair.now;
    let server = pair.server.as_mut().expect("because dialled");
    shuttle(now, &mut pair.client, ours, server, theirs);
    assert!(!under(&mut pair, &first) && under(&mut pair, &second));
    pair.server().abort(now);
    assert!(!under(&mut pair, &second), "it is over");
}
