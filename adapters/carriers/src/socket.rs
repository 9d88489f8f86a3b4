//! What the TCP sockets of every runtime have in common.

use std::io;

use socket2::SockRef;

/// Prepares a connected TCP socket for packets: no delay for company (`TCP_NODELAY`), and on Linux and Android no more
/// than 64 KiB in the kernel that are not sent yet (`TCP_NOTSENT_LOWAT`), as far as the kernel knows that.
///
/// # Errors
/// As the system says.
pub fn prepare<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    let socket = socket.into();
    // What is more urgent waits behind them.
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket.set_tcp_notsent_lowat(64 << 10);
    socket.set_tcp_nodelay(true)
}
