//! Unix sockets, where there are any; elsewhere they cannot be made or reached.

#[cfg(unix)]
pub(crate) use tokio::net::unix::{OwnedReadHalf as ReadHalf, OwnedWriteHalf as WriteHalf};
#[cfg(unix)]
pub(crate) use tokio::net::{UnixListener, UnixStream};

#[cfg(not(unix))]
pub(crate) use self::none::{UnixListener, UnixStream};
#[cfg(not(unix))]
pub(crate) use tokio::net::tcp::{OwnedReadHalf as ReadHalf, OwnedWriteHalf as WriteHalf};

#[cfg(not(unix))]
mod none {
    use std::convert::Infallible;
    use std::io;
    use std::path::Path;

    use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

    /// There is none.
    #[derive(Debug)]
    pub(crate) struct UnixStream(Infallible);

    impl UnixStream {
        pub(crate) async fn connect(_path: impl AsRef<Path>) -> io::Result<UnixStream> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
            match self.0 {}
        }
    }

    /// There is none.
    #[derive(Debug)]
    pub(crate) struct UnixListener(Infallible);

    impl UnixListener {
        pub(crate) fn bind(_path: impl AsRef<Path>) -> io::Result<UnixListener> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) async fn accept(&self) -> io::Result<(UnixStream, ())> {
            match self.0 {}
        }
    }
}
