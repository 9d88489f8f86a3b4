//! The suite over unbroken-tokio.

use unbroken_conformance::suite;

mod tcp {
    super::suite!(Tokio, Tokio, Tcp);
}

mod ws {
    super::suite!(Tokio, Tokio, Ws);
}

mod tls {
    super::suite!(Tokio, Tokio, Tls);
}

mod wss {
    super::suite!(Tokio, Tokio, Wss);
}
