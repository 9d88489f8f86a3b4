use super::*;

fn resolved(base: &str, location: &str) -> Result<String, RedirectError> {
    resolve(&base.parse().expect("because it is one"), location)
}

/// The examples of RFC 3986, section 5.4, of which there is an address.
#[test]
fn a_location_may_be_relative() {
    for (location, wanted) in [
        ("g", "ws://a/b/c/g"),
        ("./g", "ws://a/b/c/g"),
        ("g/", "ws://a/b/c/g/"),
        ("/g", "ws://a/g"),
        ("//g", "ws://g"),
        ("?y", "ws://a/b/c/d;p?y"),
        ("g?y", "ws://a/b/c/g?y"),
        ("#s", "ws://a/b/c/d;p?q"),
        ("g#s", "ws://a/b/c/g"),
        ("g?y#s", "ws://a/b/c/g?y"),
        (";x", "ws://a/b/c/;x"),
        ("", "ws://a/b/c/d;p?q"),
        (".", "ws://a/b/c/"),
        ("./", "ws://a/b/c/"),
        ("..", "ws://a/b/"),
        ("../g", "ws://a/b/g"),
        ("../..", "ws://a/"),
        ("../../../g", "ws://a/g"),
        ("/./g", "ws://a/g"),
        ("/../g", "ws://a/g"),
        ("g.", "ws://a/b/c/g."),
        ("..g", "ws://a/b/c/..g"),
        ("./../g", "ws://a/b/g"),
        ("g;x=1/../y", "ws://a/b/c/y"),
        ("g?y/../x", "ws://a/b/c/g?y/../x"),
        ("/x?to=http://b:9/", "ws://a/x?to=http://b:9/"),
    ] {
        assert_eq!(
            resolved("ws://a/b/c/d;p?q", location).as_deref(),
            Ok(wanted),
            "{location}"
        );
    }
    assert_eq!(resolved("ws://[::1]:8/", "x").as_deref(), Ok("ws://[::1]:8/x"));
}

#[test]
fn http_is_what_websockets_are_asked_for_in() {
    for (location, wanted) in [
        ("http://b:9/x/../y?z", "ws://b:9/y?z"),
        ("HTTPS://b", "wss://b"),
        ("ws://b?x", "ws://b?x"),
        ("Wss://b/#x", "wss://b/"),
        ("//b:9/x", "wss://b:9/x"),
    ] {
        assert_eq!(resolved("wss://a/", location).as_deref(), Ok(wanted), "{location}");
    }
    let malformed = RedirectError::Malformed(AddressError::Malformed);
    let scheme = RedirectError::Malformed(AddressError::Scheme);
    for (location, why) in [
        ("tcp://b:9", scheme),
        ("javascript:alert(1)", scheme),
        ("b:9/x", scheme),
        ("http:/x", malformed),
        ("http:x", malformed),
        ("/a b", malformed),
        ("/\\b/x", malformed),
        ("http://a\\@b/", malformed),
        ("/h\u{f6}re", malformed),
    ] {
        assert_eq!(resolved("ws://a/", location), Err(why), "{location}");
    }
}
