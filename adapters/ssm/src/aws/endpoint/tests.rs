use super::{Kind, is_region, parse, region_of, regional};

const USUAL: Kind = Kind {
    is_fips: false,
    is_dual_stack: false,
};

#[test]
fn each_partition_has_its_suffix() {
    for (region, host) in [
        ("eu-west-1", "https://ssm.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "https://ssm.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "https://ssm.cn-north-1.amazonaws.com.cn"),
        ("us-isob-east-1", "https://ssm.us-isob-east-1.sc2s.sgov.gov"),
        ("eusc-de-east-1", "https://ssm.eusc-de-east-1.amazonaws.eu"),
    ] {
        assert_eq!(regional("ssm", region, USUAL), host);
    }
}

#[test]
fn hosts_for_fips_and_ipv6_are_others() {
    let fips = Kind { is_fips: true, ..USUAL };
    let dual = Kind {
        is_dual_stack: true,
        ..USUAL
    };
    let both = Kind {
        is_fips: true,
        is_dual_stack: true,
    };
    assert_eq!(
        regional("kms", "us-east-1", fips),
        "https://kms-fips.us-east-1.amazonaws.com"
    );
    assert_eq!(
        regional("ssm", "us-gov-west-1", fips),
        "https://ssm.us-gov-west-1.amazonaws.com"
    );
    assert_eq!(
        regional("kms", "us-gov-west-1", fips),
        "https://kms-fips.us-gov-west-1.amazonaws.com"
    );
    assert_eq!(regional("ssm", "us-east-1", dual), "https://ssm.us-east-1.api.aws");
    assert_eq!(
        regional("ssm", "us-gov-west-1", both),
        "https://ssm-fips.us-gov-west-1.api.aws"
    );
}

#[test]
fn a_host_tells_its_region() {
    for (host, region) in [
        ("ssmmessages.eu-west-1.amazonaws.com", Some("eu-west-1")),
        ("ssmmessages.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
        ("ssmmessages-fips.us-east-1.amazonaws.com", Some("us-east-1")),
        ("ssmmessages.us-east-1.api.aws", Some("us-east-1")),
        ("vpce-0a1b.ssmmessages.us-east-2.vpce.amazonaws.com", Some("us-east-2")),
        ("ssm.eu-west-1.amazonaws.com", None),
        ("ssmmessages.eu-west-1.amazonaws.com.example.org", None),
        ("ssmmessages.eu-west-1.example.org", None),
        ("ssmmessages.amazonaws.com", None),
        ("notamazonaws.com", None),
        ("127.0.0.1", None),
        ("", None),
    ] {
        assert_eq!(region_of(host, "ssmmessages"), region, "{host}");
    }
}

#[test]
fn what_is_no_url_of_an_endpoint_is_an_error() {
    for url in [
        "",
        "localhost:4566",
        "ftp://host",
        "https://",
        "https://user@host/",
        "/path",
        "http://a b/",
    ] {
        assert!(parse(url).is_err(), "{url}");
    }
    for url in ["http://localhost:4566", "https://ssm.example.org/"] {
        assert!(parse(url).is_ok(), "{url}");
    }
}

#[test]
fn a_region_is_part_of_a_name() {
    assert!(is_region("eu-west-1"));
    for region in ["", "eu.west", "evil.example.org/", "a b", "é"] {
        assert!(!is_region(region), "{region}");
    }
}
