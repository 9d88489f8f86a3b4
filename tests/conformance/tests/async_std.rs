//! The suite over unbroken-async-std.

use unbroken_conformance::suite;

mod tcp {
    super::suite!(AsyncStd, AsyncStd, Tcp);
}

mod ws {
    super::suite!(AsyncStd, AsyncStd, Ws);
}

mod tls {
    super::suite!(AsyncStd, AsyncStd, Tls);
}

mod wss {
    super::suite!(AsyncStd, AsyncStd, Wss);
}
