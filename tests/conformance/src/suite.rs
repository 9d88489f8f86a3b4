//! The tests, each a function of a [`World`](crate::World).

pub mod attacks;
pub mod faults;
pub mod lives;
pub mod streams;

/// Makes tests of the whole suite: `suite!(Smol, Tokio, Ws)` has smol's client, tokio's server and WebSockets
/// between them; `suite!(attacks: Smol, Tokio, Ws)` makes tests of hostile peers.
#[macro_export]
macro_rules! suite {
    ($client:ident, $server:ident, $carrier:ident) => {
        $crate::suite! { @tests $client, $server, $carrier,
            streams: echo, half_close_both_ways, half_closed_by_the_server, bytes_with_io_traits, back_pressure,
                tiny_and_large_messages, many_streams, resets_and_stops;
            lives: graceful_close_and_drain, both_close_at_once, aborts_tell_the_truth, planned_swaps_while_data_flows,
                handles_dropped_in_every_order, futures_cancelled_at_every_await;
            faults: cut_at_random_bytes, cut_within_handshakes, refused_dials, the_listener_goes_and_comes_back,
                silent_half_open_connections, idle_cutting_middlebox;
        }
    };
    (attacks: $client:ident, $server:ident, $carrier:ident) => {
        $crate::suite! { @tests $client, $server, $carrier,
            attacks: strangers_beside_clients, dials_that_end_at_strangers, ends_within_every_handshake;
        }
    };
    (@tests $client:ident, $server:ident, $carrier:ident, $($room:ident: $($name:ident),*;)*) => {
        $($(
            #[test]
            fn $name() {
                $crate::suite::$room::$name(&$crate::World {
                    client: &$crate::adapters::$client,
                    server: &$crate::adapters::$server,
                    carrier: $crate::Carrier::$carrier,
                });
            }
        )*)*
    };
}
