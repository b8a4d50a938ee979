//! What `demo --fault` does to the network and the collector while the client runs.

use std::str::FromStr;
use std::time::Duration;

use ringstat_core::testkit::Faults;

/// Faults by name, such as `loss=20%,restart`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Plan {
    pub(crate) network: Faults,
    /// Whether the network is cut during the second quarter of the time.
    pub(crate) cut: bool,
    /// Whether the collector disappears after half of the time and another one starts a little later.
    pub(crate) restart: bool,
}

impl Plan {
    /// Whether the network is cut at the time `since` the start, of `whole`.
    pub(crate) fn is_cut(&self, since: Duration, whole: Duration) -> bool {
        self.cut && (whole / 4..whole / 2).contains(&since)
    }

    /// Whether the collector is gone at that time.
    pub(crate) fn is_gone(&self, since: Duration, whole: Duration) -> bool {
        self.restart && (whole / 2..whole * 3 / 4).contains(&since)
    }

    /// A description on one line, for people.
    pub(crate) fn describe(&self) -> String {
        let share = |what: &str, share: f64| {
            (share > 0.0).then(|| format!("{:.0} % of the datagrams {what}", share * 100.0))
        };
        let faults = [
            share("lost, both ways", self.network.loss),
            share("sent twice", self.network.duplicate),
            share("late", self.network.reorder),
            self.cut.then(|| "no way to the collector in the second quarter".to_owned()),
            self.restart.then(|| "the collector restarted after half of the time".to_owned()),
        ];
        faults.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut plan = Self { network: Faults::NONE, cut: false, restart: false };
        for fault in text.split(',') {
            match fault.trim().split_once('=') {
                None if fault.trim() == "cut" => plan.cut = true,
                None if fault.trim() == "restart" => plan.restart = true,
                Some(("loss", value)) => plan.network.loss = share(fault, value)?,
                Some(("duplicate", value)) => plan.network.duplicate = share(fault, value)?,
                Some(("reorder", value)) => plan.network.reorder = share(fault, value)?,
                _ => {
                    return Err(format!(
                        "'{fault}' is none of loss=P%, duplicate=P%, reorder=P%, cut, restart"
                    ));
                }
            }
        }
        Ok(plan)
    }
}

/// Parses a share such as `20%` or `0.2`.
fn share(fault: &str, value: &str) -> Result<f64, String> {
    let (number, unit) = value.strip_suffix('%').map_or((value, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().ok().map(|n| n / unit);
    share
        .filter(|s| (0.0..=0.9).contains(s))
        .ok_or_else(|| format!("'{fault}': give a share of 0% to 90%, as in loss=20%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_by_name() {
        let plan: Plan = "loss=20%, restart,reorder=0.1".parse().unwrap();
        assert_eq!((plan.network.loss, plan.network.reorder), (0.2, 0.1));
        assert!(plan.restart && !plan.cut);
        assert!(plan.describe().starts_with("20 % of the datagrams lost, both ways; 10 %"));
        let second = Duration::from_secs(1);
        let gone = |n: u32| plan.is_gone(second * n, second * 16);
        assert_eq!([7, 8, 11, 12].map(gone), [false, true, true, false]);
    }

    #[test]
    fn others_are_refused_with_what_there_is() {
        for (text, said) in [
            ("fire", "'fire' is none of loss=P%"),
            ("loss", "'loss' is none of loss=P%"),
            ("loss=120%", "'loss=120%': give a share"),
            ("loss=NaN", "'loss=NaN': give a share"),
            ("", "'' is none of"),
        ] {
            let error = text.parse::<Plan>().unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
