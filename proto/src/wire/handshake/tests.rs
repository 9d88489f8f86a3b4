use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use proptest::collection::vec as list;
use proptest::option;
use proptest::prelude::*;

use super::{Reject, decode_offer, encode_offer, put_parameters, take_parameters};
use crate::error::ProtocolError::Malformed;
use crate::wire::frame::{Offer, Parameters, Predecessor};
use crate::wire::tests::{integer, octets, parameters};
use crate::wire::varint;

fn offer() -> impl Strategy<Value = Offer> {
    let predecessor =
        (any::<[u8; 16]>(), integer(), integer(), any::<[u8; 32]>()).prop_map(|(id, counter, position, mac)| {
            Predecessor {
                id,
                counter,
                position,
                mac,
            }
        });
    let some = || list(any::<u8>(), 1..=16);
    (
        some(),
        some(),
        parameters(),
        "\\PC{0,60}",
        octets(7_000),
        option::of(predecessor),
    )
        .prop_map(|(versions, suites, parameters, name, credential, predecessor)| Offer {
            versions,
            suites,
            parameters,
            name: Bytes::from(name),
            credential,
            predecessor,
        })
}

fn small() -> Parameters {
    Parameters {
        stream_window: 256,
        session_window: 256,
        max_streams: 1,
        packet_limit: 1_200,
        outbox_limit: 2_048,
        inbox_limit: 65_536,
        keepalive_interval: 1,
        detached_lifetime: 1,
    }
}

fn plain() -> Offer {
    Offer {
        versions: vec![1],
        suites: vec![1],
        parameters: small(),
        name: Bytes::new(),
        credential: Bytes::new(),
        predecessor: None,
    }
}

fn read(offer: &Offer) -> Option<Offer> {
    decode_offer(encode_offer(offer).into()).ok()
}

#[test]
fn limits_hold_to_the_byte() {
    let largest = Offer {
        versions: vec![1; 16],
        suites: vec![1; 16],
        name: vec![b'n'; 255].into(),
        credential: vec![b'c'; 7_000].into(),
        ..plain()
    };
    assert_eq!(read(&largest), Some(largest.clone()));
    assert_eq!(
        read(&Offer {
            versions: vec![],
            ..plain()
        }),
        None
    );
    assert_eq!(
        read(&Offer {
            suites: vec![],
            ..plain()
        }),
        None
    );

    let head = [1, 1, 1, 1].to_vec();
    let mut parameters = Vec::new();
    put_parameters(&mut parameters, &small());
    let with = |name: usize, credential: usize| {
        let mut payload = [head.clone(), parameters.clone()].concat();
        for length in [name, credential] {
            varint::write(&mut payload, length as u64);
            payload.resize(payload.len() + length, b'x');
        }
        payload.push(0);
        decode_offer(payload.into()).is_ok()
    };
    assert!(with(255, 7_000));
    assert!(!with(256, 7_000));
    assert!(!with(255, 7_001));
    let seventeen = [vec![17], vec![1; 17], vec![1, 1], parameters.clone(), vec![0, 0, 0]].concat();
    assert_eq!(decode_offer(seventeen.into()), Err(Malformed));
}

#[test]
fn the_largest_offer_fits_its_packet() {
    let huge = varint::MAX;
    let largest = Offer {
        versions: vec![1; 16],
        suites: vec![1; 16],
        parameters: Parameters {
            stream_window: huge,
            session_window: huge,
            max_streams: huge,
            packet_limit: 65_535,
            outbox_limit: huge,
            inbox_limit: huge,
            keepalive_interval: huge,
            detached_lifetime: huge,
        },
        name: vec![b'n'; 255].into(),
        credential: vec![b'c'; 7_000].into(),
        predecessor: Some(Predecessor {
            id: [1; 16],
            counter: huge,
            position: huge,
            mac: [1; 32],
        }),
    };
    // The packet's type byte, the client's static key and two tags come on top.
    assert!(encode_offer(&largest).len() + 1 + 32 + 16 + 16 <= crate::wire::packet::MAX_AUTH_PROOF);
    assert_eq!(read(&largest), Some(largest));
}

#[test]
fn names_are_utf8() {
    assert_eq!(
        read(&Offer {
            name: Bytes::from_static(&[0xff]),
            ..plain()
        }),
        None
    );
}

// PROTOCOL R12.1
#[test]
fn parameters_that_could_do_harm_are_malformed() {
    let good = |parameters: &Parameters| {
        read(&Offer {
            parameters: parameters.clone(),
            ..plain()
        })
        .is_some()
    };
    assert!(good(&small()));
    assert!(good(&Parameters {
        packet_limit: 65_535,
        ..small()
    }));
    for bad in [
        Parameters {
            stream_window: 255,
            ..small()
        },
        Parameters {
            session_window: 255,
            ..small()
        },
        Parameters {
            max_streams: 0,
            ..small()
        },
        Parameters {
            packet_limit: 1_199,
            ..small()
        },
        Parameters {
            packet_limit: 65_536,
            ..small()
        },
        Parameters {
            outbox_limit: 2_047,
            ..small()
        },
        Parameters {
            inbox_limit: 65_535,
            ..small()
        },
        Parameters {
            keepalive_interval: 0,
            ..small()
        },
        Parameters {
            detached_lifetime: 0,
            ..small()
        },
    ] {
        assert!(!good(&bad), "{bad:?}");
    }
}

#[test]
fn a_refusal_is_read_as_written() {
    for (reject, packet) in [
        (Reject::Retry { after: 0 }, &[6, 1, 0][..]),
        (Reject::Retry { after: 1_500 }, &[6, 1, 0x45, 0xdc]),
        (Reject::Refused, &[6, 2]),
        (Reject::VersionUnsupported, &[6, 3]),
        (Reject::SuiteUnsupported, &[6, 4]),
    ] {
        assert_eq!(reject.encode(), packet);
        assert_eq!(Reject::decode(packet), Ok(reject));
        assert_eq!(Reject::decode(&[packet, &[0]].concat()), Err(Malformed));
        for cut in 0..packet.len() {
            assert_eq!(Reject::decode(&packet[..cut]), Err(Malformed));
        }
    }
    for wrong in [&[6, 0][..], &[6, 5], &[7, 2], &[0, 2]] {
        assert_eq!(Reject::decode(wrong), Err(Malformed));
    }
}

proptest! {
    // PROTOCOL R12.2
    #[test]
    fn offers_round_trip_and_fail_when_cut_or_lengthened(offer in offer()) {
        let encoded = encode_offer(&offer);
        let step = (encoded.len() / 200).max(1);
        for cut in (0..encoded.len()).step_by(step) {
            prop_assert_eq!(decode_offer(Bytes::copy_from_slice(&encoded[..cut])), Err(Malformed));
        }
        let longer = [&encoded[..], &[0]].concat();
        prop_assert_eq!(decode_offer(longer.into()), Err(Malformed));
        prop_assert_eq!(decode_offer(encoded.into()), Ok(offer));
    }

    #[test]
    fn parameters_round_trip(parameters in parameters()) {
        let mut buf = Vec::new();
        put_parameters(&mut buf, &parameters);
        let mut rest = Bytes::from(buf);
        prop_assert_eq!(take_parameters(&mut rest), Ok(parameters));
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_bytes_are_an_offer_or_not(bytes in list(any::<u8>(), 0..200)) {
        let _ = decode_offer(bytes.clone().into());
        let _ = Reject::decode(&bytes);
    }
}
