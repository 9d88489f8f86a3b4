//! The suite over unbroken-tungstenite, blocking.

use unbroken_conformance::suite;

mod tcp {
    super::suite!(Blocking, Blocking, Tcp);
}

mod ws {
    super::suite!(Blocking, Blocking, Ws);
}

mod tls {
    super::suite!(Blocking, Blocking, Tls);
}

mod wss {
    super::suite!(Blocking, Blocking, Wss);
}
