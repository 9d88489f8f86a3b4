//! Hostile peers against every adapter, over real sockets.

use unbroken_conformance::suite;

mod async_std_tcp {
    super::suite!(attacks: AsyncStd, AsyncStd, Tcp);
}

mod async_std_ws {
    super::suite!(attacks: AsyncStd, AsyncStd, Ws);
}

mod async_std_tls {
    super::suite!(attacks: AsyncStd, AsyncStd, Tls);
}

mod async_std_wss {
    super::suite!(attacks: AsyncStd, AsyncStd, Wss);
}

mod smol_tls {
    super::suite!(attacks: Smol, Smol, Tls);
}

mod smol_wss {
    super::suite!(attacks: Smol, Smol, Wss);
}

mod tokio_tls {
    super::suite!(attacks: Tokio, Tokio, Tls);
}

mod tokio_wss {
    super::suite!(attacks: Tokio, Tokio, Wss);
}

mod blocking_tcp {
    super::suite!(attacks: Blocking, Blocking, Tcp);
}

mod blocking_tls {
    super::suite!(attacks: Blocking, Blocking, Tls);
}

mod blocking_wss {
    super::suite!(attacks: Blocking, Blocking, Wss);
}

mod stepped_wss {
    super::suite!(attacks: Stepped, Stepped, Wss);
}
