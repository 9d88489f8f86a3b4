//! The suite over unbroken-tungstenite, blocking and stepped.

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

mod stepped_tcp {
    super::suite!(Stepped, Stepped, Tcp);
}

mod stepped_ws {
    super::suite!(Stepped, Stepped, Ws);
}

mod stepped_wss {
    super::suite!(Stepped, Stepped, Wss);
}

mod blocking_to_stepped {
    super::suite!(Blocking, Stepped, Ws);
}

mod smol_to_blocking {
    super::suite!(Smol, Blocking, Ws);
}
