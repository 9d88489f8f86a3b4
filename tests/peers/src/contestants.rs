//! The contestants, each in a file.

mod quic;
mod slozhn;
mod tcp;
mod unbroken;
mod websocket;
mod yamux;

pub(crate) use quic::Quinn;
pub(crate) use slozhn::{Slozhn, SlozhnTuned};
pub(crate) use tcp::{Tcp, TcpBuffered};
pub(crate) use unbroken::{UnbrokenTcp, UnbrokenTuned, UnbrokenWs};
pub(crate) use websocket::{Ws, WsBatched};
pub(crate) use yamux::Yamux;
