//! Versions of the real programs, by which each end knows what the other can do.

/// Four numbers with dots. What is something else counts as the oldest of all, as the real programs have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version([u32; 4]);

impl Version {
    /// An agent after this speaks smux where local ports are forwarded.
    const SMUX_AGENT: Version = Version([3, 0, 196, 0]);
    /// An agent after this wants no keep-alives of smux.
    const NO_KEEPALIVE_AGENT: Version = Version([3, 1, 1_511, 0]);
    /// A client from this on speaks smux where local ports are forwarded.
    const SMUX_CLIENT: Version = Version([1, 1, 70, 0]);
    /// A client after this sends no keep-alives of smux.
    const NO_KEEPALIVE_CLIENT: Version = Version([1, 2, 331, 0]);

    /// Whether both ends speak smux where local ports are forwarded. Each end judges by what both say, so that they agree.
    pub(crate) fn speak_smux(client: Version, agent: Version) -> bool {
        client >= Version::SMUX_CLIENT && agent > Version::SMUX_AGENT
    }

    /// Whether either end expects to hear keep-alives of smux.
    pub(crate) fn expect_keepalive(client: Version, agent: Version) -> bool {
        client <= Version::NO_KEEPALIVE_CLIENT || agent <= Version::NO_KEEPALIVE_AGENT
    }

    /// Reads the text.
    pub(crate) fn parse(text: &str) -> Version {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        match (next(), next(), next(), next(), numbers.next()) {
            (Some(a), Some(b), Some(c), Some(d), None) => Version([a, b, c, d]),
            _ => Version([0; 4]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_of_these_versions_do() {
        for (client, agent, smux, keepalive) in [
            ("1.2.764.0", "3.3.1142.0", true, false),
            ("1.2.331.0", "3.3.1142.0", true, true),
            ("1.2.331.1", "3.1.1511.1", true, false),
            ("1.2.764.0", "3.1.1511.0", true, true),
            ("1.1.70.0", "3.0.196.1", true, true),
            ("1.1.69.9", "3.3.1142.0", false, true),
            ("1.2.764.0", "3.0.196.0", false, true),
        ] {
            let (client_version, agent_version) = (Version::parse(client), Version::parse(agent));
            let does = (
                Version::speak_smux(client_version, agent_version),
                Version::expect_keepalive(client_version, agent_version),
            );
            assert_eq!(does, (smux, keepalive), "{client} and {agent}");
        }
    }

    #[test]
    fn versions_are_four_numbers_or_old() {
        let version = Version::parse;
        assert_eq!(version("3.3.1142.0"), Version([3, 3, 1_142, 0]));
        for old in [
            "",
            "3",
            "3.3.1142",
            "3.3.1142.0.1",
            "3.3.x.0",
            "-1.0.0.0",
            "99999999999.0.0.0",
        ] {
            assert_eq!(version(old), Version([0; 4]), "{old}");
        }
    }
}
