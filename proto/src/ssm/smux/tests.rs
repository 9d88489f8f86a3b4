#![allow(clippy::unwrap_used, reason = "a test")]

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use proptest::collection::vec as list;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::ssm::smux::{Command, Decoder, HEADER_SIZE, Header, Item, SmuxError};

/// A frame put together again.
type Whole = (Command, u32, Bytes);

/// The frames that these pieces make, and how it ended.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Whole>, Result<bool, SmuxError>) {
    let (mut decoder, mut frames, mut begun) = (Decoder::new(), Vec::new(), BytesMut::new());
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            match decoder.next_item(&mut piece) {
                Ok(None) => break,
                Ok(Some(Item::Syn { stream })) => frames.push((Command::Syn, stream, Bytes::new())),
                Ok(Some(Item::Fin { stream })) => frames.push((Command::Fin, stream, Bytes::new())),
                Ok(Some(Item::Nop { stream })) => frames.push((Command::Nop, stream, Bytes::new())),
                Ok(Some(Item::Data { stream, data, is_last })) => {
                    begun.extend_from_slice(&data);
                    if is_last {
                        frames.push((Command::Push, stream, begun.split().freeze()));
                    }
                }
                Err(error) => {
                    assert_eq!(decoder.next_item(&mut piece), Err(error), "an error stays");
                    return (frames, Err(error));
                }
            }
        }
        assert!(piece.is_empty());
    }
    (frames, Ok(decoder.is_between_frames()))
}

fn written(frames: &[Whole]) -> Vec<u8> {
    let mut out = Vec::new();
    for (command, stream, data) in frames {
        let length = data.len().try_into().unwrap();
        let header = match command {
            Command::Push => Header::push(*stream, length),
            other => Header::new(*other, *stream),
        };
        header.encode(&mut out);
        out.extend_from_slice(data);
    }
    out
}

#[test]
fn integers_are_little_endian() {
    assert_eq!(Header::push(0x0102_0304, 0x0506).to_bytes(), [1, 2, 6, 5, 4, 3, 2, 1]);
    assert_eq!(Header::new(Command::Nop, 0).to_bytes(), [1, 3, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn what_is_no_smux_is_refused() {
    let header = |version, command, length| Header::decode([version, command, length, 0, 3, 0, 0, 0]);
    assert_eq!(header(2, 0, 0), Err(SmuxError::Version(2)));
    assert_eq!(header(0, 0, 0), Err(SmuxError::Version(0)));
    assert_eq!(header(1, 4, 8), Err(SmuxError::Command(4)));
    for command in [Command::Syn, Command::Fin, Command::Nop] {
        let refused = Err(SmuxError::Length { command, length: 1 });
        assert_eq!(header(1, command.byte(), 1), refused);
    }
    assert_eq!(header(1, 2, 1), Ok(Header::push(3, 1)));
}

#[test]
fn a_whole_frame_in_one_piece_is_not_copied() {
    let mut piece = Bytes::from(written(&[(Command::Push, 3, Bytes::from_static(b"data"))]));
    let at = piece[HEADER_SIZE..].as_ptr();
    let Ok(Some(Item::Data {
        data, is_last: true, ..
    })) = Decoder::new().next_item(&mut piece)
    else {
        panic!("it is whole");
    };
    assert_eq!(data.as_ptr(), at);
}

#[test]
fn a_frame_of_no_data_is_told_at_its_header() {
    let frames = [(Command::Push, 3, Bytes::new()), (Command::Fin, 3, Bytes::new())];
    let bytes = written(&frames);
    assert_eq!(read([&bytes[..8]]), (frames[..1].to_vec(), Ok(true)));
    assert_eq!(read([bytes.as_slice()]), (frames.to_vec(), Ok(true)));
}

#[test]
fn data_is_handed_out_as_it_comes() {
    let bytes = written(&[(Command::Push, 5, Bytes::from(alloc::vec![7; 65_535]))]);
    let mut decoder = Decoder::new();
    let mut seen = 0;
    for piece in bytes.chunks(1_024) {
        let mut piece = Bytes::copy_from_slice(piece);
        while let Some(item) = decoder.next_item(&mut piece).unwrap() {
            let Item::Data {
                stream: 5,
                data,
                is_last,
            } = item
            else {
                panic!("{item:?}")
            };
            seen += data.len();
            assert_eq!(is_last, seen == 65_535);
            assert_eq!(decoder.is_between_frames(), is_last);
        }
    }
    assert_eq!(seen, 65_535);
}

fn frames() -> impl Strategy<Value = Vec<Whole>> {
    let frame = (0..4u8, any::<u32>(), list(any::<u8>(), 0..60)).prop_map(|(command, stream, data)| {
        let command = Command::from_byte(command).unwrap();
        let data = if command == Command::Push {
            data.into()
        } else {
            Bytes::new()
        };
        (command, stream, data)
    });
    list(frame, 0..12)
}

/// `bytes`, cut in these places.
fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let ends = places.iter().copied().chain([bytes.len()]);
    let starts = [0].into_iter().chain(places.iter().copied());
    starts.zip(ends).map(|(start, end)| &bytes[start..end]).collect()
}

proptest! {
    #[test]
    fn whatever_the_cuts_the_frames_are_the_same(frames in frames(), cuts: Vec<Index>) {
        let bytes = written(&frames);
        prop_assert_eq!(read(cut(&bytes, &cuts)), (frames.clone(), Ok(true)));
        prop_assert_eq!(read(bytes.chunks(1)), (frames, Ok(true)));
    }

    #[test]
    fn any_bytes_are_read_alike_whatever_the_cuts(
        frames in frames(),
        noise in list(0..6u8, 0..40),
        cuts: Vec<Index>,
    ) {
        let mut bytes = written(&frames);
        bytes.extend(noise);
        prop_assert_eq!(read(cut(&bytes, &cuts)), read([bytes.as_slice()]));
    }
}
