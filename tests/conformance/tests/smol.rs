//! The suite over unbroken-smol.

use unbroken_conformance::suite;

mod tcp {
    super::suite!(Smol, Smol, Tcp);
}

mod ws {
    super::suite!(Smol, Smol, Ws);
}

mod tls {
    super::suite!(Smol, Smol, Tls);
}

mod wss {
    super::suite!(Smol, Smol, Wss);
}
